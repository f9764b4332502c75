package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/trace"
	"github.com/chatbridge/chatbridge/publisher"
)

func newTraceMessageCommand(env *environment) *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace-message",
		Short: "Say where one message is: stored, held, published, or never received",
		Long: `Say where one message is: waiting in the spool, held for its order, published and
where, skipped as a duplicate, in the dead-letter topic, given up or never received; or
that it cannot be known, since a place where it may be was not read.

It looks into the spool and its checkpoint, also of a bridge that runs, asks the running
bridge, and reads the group's partition of the topic from its end backwards, until the
message cannot lie further back. With --from it reads from there instead; earliest reads
all, which also finds what was published before a group was made anew or forgotten. What
it cannot reach it names, and does not take for empty: the spool can be read by the
bridge's user only.

The states of --json: published, held, stored; dead-letter, gone (settled, and no longer
in the topic), not-received, not-yet-received, unknown.

The exit code is 0 where the message is in the topic or on its way there, else 1.`,
		Example: `  chatbridge trace-message -c chatbridge.yaml --group '@TGS#2J4SZEAEL' --seq 1042
  chatbridge trace-message -c chatbridge.yaml --group '@TGS#2J4SZEAEL' --seq 1042 --from 24h --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd, env)
		},
	}
	f.register(cmd)
	return cmd
}

// seqValue is a MsgSeq as a flag.
type seqValue uint64

func (v *seqValue) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return fmt.Errorf("a MsgSeq is a number from 0 to %d", uint64(math.MaxUint64))
	}
	*v = seqValue(n)
	return nil
}

func (v *seqValue) String() string { return strconv.FormatUint(uint64(*v), 10) }
func (v *seqValue) Type() string   { return "uint" }

// traceFlags are trace-message's flags.
type traceFlags struct {
	config    configFlags
	operator  operatorFlags
	question  trace.Question
	from      string
	grownFrom []int
	asJSON    bool
}

func (f *traceFlags) register(cmd *cobra.Command) {
	f.config.register(cmd)
	f.operator.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.question.GroupID, "group", "", "the message's `GroupId`")
	flags.Var((*seqValue)(&f.question.Seq), "seq", "the message's `MsgSeq`")
	flags.Uint64Var(&f.question.AppID, "app", 0, "only of this `SdkAppid`, where apps have groups with the same id")
	flags.StringVar(&f.question.TopicID, "topic-id", "", "the `TopicId` in a community")
	flags.StringVar(&f.from, "from", "", "where in the topics to begin: earliest, an offset, a time, or how long ago (15m)")
	flags.IntSliceVar(&f.grownFrom, "grown-from", nil, "the topic had so many `partitions` before (6,12); what lies accordingly is found")
	addJSONFlag(cmd, &f.asJSON)
}

// check finds what is wrong with the flags.
func (f *traceFlags) check(cmd *cobra.Command) error {
	switch {
	case f.question.GroupID == "":
		return usagef("say which message: --group and --seq")
	case !cmd.Flags().Changed("seq"):
		return usagef("say which message of the group: --seq")
	case slices.ContainsFunc(f.grownFrom, func(n int) bool { return n < 1 }):
		return usagef("each number of --grown-from must be at least 1")
	}
	return f.operator.check()
}

func (f *traceFlags) run(cmd *cobra.Command, env *environment) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	l := looking{env: env, question: f.question, grownFrom: f.grownFrom}
	if f.from != "" {
		from, err := topic.ParseBound(f.from, env.now())
		if err != nil {
			return usagef("--from: %w", err)
		}
		l.from = &from
	}
	settings, err := f.config.load(env, nil, "spool", "kafka", "ops")
	if err != nil {
		return err
	}
	l.cfg = &settings.Config
	if l.operator, err = f.operator.open(settings); err != nil {
		return err
	}
	kafka := l.cfg.Publisher()
	kafka.Patience = l.operator.timeout
	if l.client, err = publisher.New(kafka); err != nil {
		return err
	}
	defer l.client.Close()
	answer, err := l.look(cmd.Context())
	if err != nil {
		return err
	}
	if f.asJSON {
		err = writeJSON(env.stdout, answer)
	} else {
		err = writeTrace(env, answer)
	}
	if err == nil && !answer.State.Arrived() {
		err = errFinding
	}
	return err
}
