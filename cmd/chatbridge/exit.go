package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
)

// The exit codes. They are part of the outside contract.
const (
	exitGood    = 0
	exitFailure = 1 // something failed, or was looked for and found
	exitUsage   = 2 // the command line or the configuration is wrong
)

// A command that has already shown what there is to say ends with one of these:
// the exit code, and no further line.
var (
	errFinding     = errors.New("finding")              // code 1
	errFaultsShown = errors.New("configuration faults") // code 2
)

// usageError is a command line that cannot be carried out.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usage error: exit code 2, and a pointer to the help.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// runError marks an error that a command's own work returned. What reaches
// [exitCode] without this mark was found by cobra in the arguments, and is
// therefore a usage error.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// markRunErrors wraps the work of cmd and of every command below it.
func markRunErrors(cmd *cobra.Command) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := work(cmd, args); err != nil {
				return &runError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markRunErrors(sub)
	}
}

// exitCode maps what a command returned to the process's exit code, and says
// on stderr what is to be said about it. cmd is the command that was running.
func exitCode(stderr io.Writer, cmd *cobra.Command, err error) int {
	var (
		run   *runError
		usage *usageError
		cfg   *bridge.ConfigError
	)
	switch {
	case err == nil:
		return exitGood
	case errors.Is(err, errFinding):
		return exitFailure
	case errors.Is(err, errFaultsShown):
		return exitUsage
	case errors.As(err, &cfg):
		fmt.Fprintf(stderr, "chatbridge: %v\n", err)
		return exitUsage
	case errors.As(err, &usage), !errors.As(err, &run):
		fmt.Fprintf(stderr, "chatbridge: %v\nRun '%s --help' to see how it is used.\n", err, cmd.CommandPath())
		return exitUsage
	case errors.Is(err, context.Canceled) && cmd.Context().Err() != nil:
		fmt.Fprintln(stderr, "chatbridge: interrupted")
		return exitFailure
	default:
		fmt.Fprintf(stderr, "chatbridge: %v\n", err)
		return exitFailure
	}
}
