package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand assembles the command tree. A new command is one more line in
// the list; its constructor is newXCommand(env) in a file of its own.
func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "chatbridge",
		Short: "Tencent Cloud Chat's group messages, in Kafka: durable, in order, once",
		Long: `Chatbridge takes the callback that Tencent Cloud Chat posts after each group
message, stores it on disk before it answers, and puts it into a Kafka topic:
in MsgSeq order within its group, and once.`,
		Example: `  chatbridge dev                           # see it work, with nothing else installed
  chatbridge config check -c chatbridge.yaml
  chatbridge serve -c chatbridge.yaml      # the bridge itself`,
		Args:              knownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:           thisBuild().String(),
		SilenceErrors:     true, // exitCode says them
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}, // completion.go has ours
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		newCompletionCommand(env),
		newServeCommand(env),
		newDevCommand(env),
		newConfigCommand(env),
		newSpoolCommand(env),
		newSendCommand(env),
		newTailCommand(env),
		newAuditCommand(env),
		newTraceMessageCommand(env),
		newTopicsCommand(env),
		newDoctorCommand(env),
		newHealthCommand(env),
		newStatusCommand(env),
		newVersionCommand(env),
	)
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetFlagErrorFunc(flagError)
	markRunErrors(root)
	return root
}

// run carries out one command line and returns the process's exit code.
func run(ctx context.Context, env *environment, args []string) int {
	root := newRootCommand(env)
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for "those of the process"
	cmd, err := root.ExecuteContextC(ctx)
	return exitCode(env.stderr, cmd, err)
}

// newGroupCommand returns a command that only holds others.
func newGroupCommand(group *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	group.Args = knownCommand
	group.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, sub := range cmd.Commands() {
			names = append(names, sub.Name())
		}
		return usagef("%s needs a command: %s", cmd.CommandPath(), strings.Join(names, ", "))
	}
	group.AddCommand(subs...)
	return group
}

// knownCommand is the Args of a command that only holds others. Without it,
// cobra would answer a mistyped command with the help and exit code 0.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		slices.Sort(near)
		return usagef("%q is no command of %s; did you mean %s?", args[0], cmd.CommandPath(), near[0])
	}
	return usagef("%q is no command of %s", args[0], cmd.CommandPath())
}

// flagError is what a flag that cannot be read becomes. After a mistyped
// command every flag is unknown; then the command is what to speak of.
func flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() {
		if err := knownCommand(cmd, cmd.Flags().Args()); err != nil {
			return err
		}
	}
	message, _, _ := strings.Cut(err.Error(), ": strconv.") // of use to programmers only
	return usagef("%s", message)
}

// noArguments is the Args of a command that takes flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%s takes no argument, but got %q", cmd.CommandPath(), args[0])
}
