package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/tail"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
)

// tailFlags are tail's flags.
type tailFlags struct {
	kafka   topicFlags
	from    string
	options tail.Options
	asJSON  bool
}

func newTailCommand(env *environment) *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the messages in the topic, and go on with what comes",
		Long: `Show the messages in the topic, one line each, and go on with what comes until Ctrl-C.
What is there already is merged over the partitions by time; within a group the order is
the topic's. A line says where the order has a seam: "hole 5-6" are numbers that were
skipped, "▲late" is a message whose place has passed, "reset" a group made anew.

It joins no consumer group and commits nothing.`,
		Example: `  chatbridge tail -c chatbridge.yaml
  chatbridge tail --brokers 127.0.0.1:9092 --from 15m --group '@TGS#2J4SZEAEL'
  chatbridge tail -c chatbridge.yaml --from earliest --follow=false --json | jq .value.message.text`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), env)
		},
	}
	f.kafka.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "latest", "where to begin: earliest, latest, an offset, a time, or how long ago (15m)")
	flags.StringArrayVar(&f.options.Groups, "group", nil, "only this `GroupId`; may be repeated")
	flags.Uint64Var(&f.options.Count, "count", 0, "end after so many messages; 0 is never")
	flags.BoolVar(&f.options.Follow, "follow", true, "wait for what is to come; with false, end at the topic's end")
	addJSONFlag(cmd, &f.asJSON)
	return cmd
}

func (f *tailFlags) run(ctx context.Context, env *environment) error {
	var err error
	if f.options.From, err = topic.ParseBound(f.from, env.now()); err != nil {
		return usagef("--from: %w", err)
	}
	source, release, err := f.kafka.open(env)
	if err != nil {
		return err
	}
	defer release()
	if f.options.From == topic.Latest() && f.options.Follow && env.isTerminal(env.stderr) {
		fmt.Fprintf(env.stderr, "waiting for new messages in %s; --from earliest shows those that are there\n", source.Name())
	}
	return showTopic(ctx, env, source, f.options, f.asJSON)
}

// showTopic prints a topic's messages as they come, until ctx ends.
func showTopic(ctx context.Context, env *environment, source tail.Source, o tail.Options, asJSON bool) error {
	colored := env.colored(env.stdout)
	return tail.Follow(ctx, source, o, func(r *tail.Record) error {
		if asJSON {
			return tail.WriteJSON(env.stdout, r)
		}
		line := tail.Describe(r)
		return writeTailLine(env.stdout, &line, env.now(), colored)
	})
}

// The widths of a line's columns, in characters.
const (
	tailGroupWidth  = 24
	tailNumberWidth = 8
	tailTextWidth   = 100
)

// writeTailLine prints one message.
func writeTailLine(w io.Writer, l *tail.Line, now time.Time, colored bool) error {
	var out strings.Builder
	paint := func(c color, s string) {
		if colored && c != plain {
			s = string(c) + s + colorEnd
		}
		out.WriteString(s)
	}
	at := l.Time.In(now.Location())
	layout := "15:04:05.000"
	if age := now.Sub(at); age > 12*time.Hour || age < -12*time.Hour {
		layout = "2006-01-02 15:04:05.000"
	}
	out.WriteString(at.Format(layout) + "  ")
	if l.Fault != "" {
		paint(bad, l.Fault)
	} else {
		paint(strong, padded(l.Group, tailGroupWidth))
		out.WriteString(" " + padded(l.Number, tailNumberWidth) + " ")
		if l.Mark != "" {
			paint(uneasy, "["+l.Mark+"] ")
		}
		if l.Sender != "" {
			paint(good, l.Sender+": ")
		}
		out.WriteString(tail.Shorten(l.Text, tailTextWidth))
	}
	out.WriteByte('\n')
	_, err := io.WriteString(w, out.String())
	return err
}

// padded makes a text a column wide, or cuts it to that.
func padded(s string, width int) string {
	s = tail.Shorten(s, width)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}
