package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
)

func TestExitCodeAndMessageOfEachKindOfError(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	faulty := &bridge.ConfigError{Faults: []bridge.Fault{{Key: "a", Message: "is wrong"}}}
	for _, c := range []struct {
		name   string
		ctx    context.Context
		err    error
		code   int
		stderr string
	}{
		{"none", t.Context(), nil, exitGood, ""},
		{"failure", t.Context(), errors.New("disk is gone"), exitFailure, "chatbridge: disk is gone\n"},
		{"finding", t.Context(), fmt.Errorf("x: %w", errFinding), exitFailure, ""},
		{"usage", t.Context(), usagef("no"), exitUsage, "chatbridge: no\nRun 'chatbridge work --help' to see how it is used.\n"},
		{"configuration", t.Context(), faulty, exitUsage, "chatbridge: a: is wrong\n"},
		{"configuration, shown already", t.Context(), errFaultsShown, exitUsage, ""},
		{"interrupted", ended, fmt.Errorf("waiting: %w", context.Canceled), exitFailure, "chatbridge: interrupted\n"},
		{"cancelled by something else", t.Context(), context.Canceled, exitFailure, "chatbridge: context canceled\n"},
	} {
		root := &cobra.Command{Use: "chatbridge", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(&cobra.Command{Use: "work", RunE: func(*cobra.Command, []string) error { return c.err }})
		root.SetArgs([]string{"work"})
		markRunErrors(root)
		var stderr strings.Builder
		cmd, err := root.ExecuteContextC(c.ctx)
		if code := exitCode(&stderr, cmd, err); code != c.code || stderr.String() != c.stderr {
			t.Errorf("%s: exit %d, stderr %q; want %d, %q", c.name, code, stderr.String(), c.code, c.stderr)
		}
	}
}
