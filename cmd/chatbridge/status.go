package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge/ops"
)

func newStatusCommand(env *environment) *cobra.Command {
	var (
		config   configFlags
		operator operatorFlags
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running bridge how it is",
		Long: `Ask the running bridge how it is: what the operator's page says first. One sentence
says what is wrong; below it stand whose fault it is, what is safe and what to do, then
how each part does that a callback goes through, then the figures.

It asks at ops.listen of the configuration, 127.0.0.1:9090 where none is given, or at
--url. What guards the listener (ops.password_file, ops.tls) is taken from the
configuration as well, or given by flags.

The exit code is 0 where all is well, and 1 where it is not or nobody answers. With
--json, nobody answering is a level and a sentence as well.`,
		Example: `  chatbridge status
  chatbridge status -c chatbridge.yaml --json | jq -r .sentence
  chatbridge status --url https://bridge-1:9090 --ca-file ca.pem --password-file ./ops-password`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.load(env, nil, "ops")
			if err != nil {
				return err
			}
			o, err := operator.open(settings)
			if err != nil {
				return err
			}
			return showStatus(cmd.Context(), env, o, asJSON)
		},
	}
	config.register(cmd)
	operator.register(cmd)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// showStatus prints what the bridge says of itself. The JSON is its own.
func showStatus(ctx context.Context, env *environment, o *operator, asJSON bool) error {
	s, raw, err := o.status(ctx)
	switch {
	case err != nil && (!asJSON || ctx.Err() != nil):
		return err
	case err != nil: // a script is told in the form that it reads
		s.State = ops.State{Level: ops.Trouble, Sentence: err.Error()}
		err = writeJSON(env.stdout, s.State)
	case asJSON:
		_, err = env.stdout.Write(raw)
	default:
		err = writeStatus(env, env.stdout, &s)
	}
	if err == nil && !isWell(&s) {
		err = errFinding
	}
	return err
}

// isWell says whether there is nothing to do.
func isWell(s *ops.Status) bool { return s.Level == ops.Good && s.Ready.OK }

// writeStatus prints the sentence, then what follows from it, each part, and the figures.
func writeStatus(env *environment, w io.Writer, s *ops.Status) error {
	sentence := oneLine(s.Sentence)
	if c := stateColor(s.Level); env.colored(w) && c != plain {
		sentence = string(c) + sentence + colorEnd
	}
	if _, err := fmt.Fprintln(w, sentence); err != nil {
		return err
	}
	parts := &table{colored: env.colored(w)}
	for _, c := range s.Components {
		parts.add(text(oneLine(c.Name)), cell{text: oneLine(string(c.Level)), color: stateColor(c.Level)}, text(oneLine(c.Says)))
	}
	for _, t := range []*table{factTable(s), parts, figureTable(s, env.now())} {
		if len(t.rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := t.write(w); err != nil {
			return err
		}
	}
	return nil
}

// factTable is what follows from the sentence.
func factTable(s *ops.Status) *table {
	t := &table{}
	t.addValue("level", string(s.Level))
	t.addValue("fault", string(s.Fault))
	t.addValue("safe", s.Safe)
	t.addValue("to do", s.Next)
	t.addValue("stores", condition(s.Ready))
	t.addValue("kafka takes", condition(s.Sink))
	return t
}

// figureTable is what can be counted, and which bridge it is.
func figureTable(s *ops.Status, now time.Time) *table {
	t := &table{}
	for _, f := range s.Figures {
		t.addValue(f.Name, f.Value)
	}
	for _, note := range s.Notes {
		t.addValue("note", note)
	}
	t.addValue("partitions", partitions(s.Parts))
	t.addValue("running", running(s, now))
	return t
}

// addValue adds a name and its value, where there is one.
func (t *table) addValue(name, value string) {
	if value != "" {
		t.add(text(oneLine(name)), text(oneLine(value)))
	}
}

// stateColor is the color of a level.
func stateColor(level ops.Level) color {
	switch level {
	case ops.Good:
		return good
	case ops.Degraded:
		return uneasy
	case ops.Trouble:
		return bad
	}
	return plain
}

// condition is a yes or a no with its reasons.
func condition(c ops.Condition) string {
	if c.OK {
		return "yes"
	}
	return strings.Join(append([]string{"no"}, c.Reasons...), "; ")
}

// partitions says how many there are, and of how many Kafka takes nothing.
func partitions(parts []ops.SinkPart) string {
	failing, open := 0, int64(0)
	for _, p := range parts {
		open += int64(p.Open)
		if !p.OK {
			failing++
		}
	}
	if len(parts) == 0 {
		return "none known yet"
	}
	return fmt.Sprintf("%d in use, %d failing, %s on the way", len(parts), failing, plural(open, "record"))
}

// running says which bridge it is, and since when it runs.
func running(s *ops.Status, now time.Time) string {
	return fmt.Sprintf("%s, since %s (%s)", s.Version, s.Started.UTC().Format(time.RFC3339), max(now.Sub(s.Started), 0).Round(time.Second))
}

// oneLine takes out of an answer what could break its line or command a terminal.
func oneLine(s string) string { return escapeControls([]byte(s)) }
