package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

func newSpoolDumpCommand(env *environment) *cobra.Command {
	var (
		flags spoolFlags
		d     dump
	)
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print the stored callbacks, one a line",
		Long: `Print the stored callbacks, one a line: position, time of receipt, query (without
Sign, which is never stored) and body. Line breaks and control characters are shown
as escapes such as \n. With --json each line is an object with the exact body, in
body_base64 where it is not UTF-8.

What is already in Kafka may still be in the spool for a while. The bodies hold
people's messages: mind where you put them.`,
		Example: `  chatbridge spool dump -c chatbridge.yaml --count 10
  chatbridge spool dump --dir ./data/spool --group '@TGS#2J4SZEAEL' --json | jq -r .body`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.count < 0 {
				return usagef("--count must be 0 or more")
			}
			dir, _, err := flags.locate(env)
			if err != nil {
				return err
			}
			return spoolError(dir, d.run(cmd.Context(), dir, env.stdout))
		},
	}
	flags.register(cmd)
	cmd.Flags().Uint64Var(&d.from, "from", 0, "first `position`; 0 = the oldest")
	cmd.Flags().Int64Var(&d.count, "count", 0, "print at most so many; 0 = all")
	cmd.Flags().StringVar(&d.group, "group", "", "only callbacks of this group `id`")
	addJSONFlag(cmd, &d.asJSON)
	return cmd
}

// dump prints stored callbacks.
type dump struct {
	from   uint64
	count  int64 // 0 = all
	group  string
	asJSON bool

	out     *bufio.Writer
	printed int64
	scratch []byte // for schema.Peek
}

// errDumped ends a walk that has printed what was asked for.
var errDumped = errors.New("printed what was asked for")

// run walks the spool in dir and prints to w.
func (d *dump) run(ctx context.Context, dir string, w io.Writer) error {
	d.out = bufio.NewWriter(w)
	err := spool.Walk(dir, spool.Position(d.from), func(e spool.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return d.entry(e)
	})
	if errors.Is(err, errDumped) {
		err = nil
	}
	return errors.Join(err, d.out.Flush())
}

// entry prints one callback, if it is asked for.
func (d *dump) entry(e spool.Entry) error {
	if !d.wanted(e.Record.Body) {
		return nil
	}
	var err error
	if d.asJSON {
		err = d.printJSON(e)
	} else {
		_, err = fmt.Fprintf(d.out, "%d\t%s\t%s\t%s\n", e.Position, receipt(e),
			escapeControls(e.Record.Query), escapeControls(e.Record.Body))
	}
	d.printed++
	if err == nil && d.printed == d.count {
		err = errDumped
	}
	return err
}

// wanted says whether the callback is one of the group asked for.
func (d *dump) wanted(body []byte) bool {
	if d.group == "" {
		return true
	}
	id, ok := schema.Peek(body, d.scratch[:0])
	d.scratch = id
	return ok && string(id) == d.group
}

// dumpLine is a callback in JSON.
type dumpLine struct {
	Position   uint64  `json:"position"`
	ReceivedAt string  `json:"received_at"`
	Query      string  `json:"query"`
	Trace      string  `json:"trace,omitempty"` // traceparent and, on a line of its own, tracestate
	Body       *string `json:"body,omitempty"`
	BodyBase64 []byte  `json:"body_base64,omitempty"` // where Body would not be exact
}

// printJSON prints a callback as one line of JSON.
func (d *dump) printJSON(e spool.Entry) error {
	query, trace := spool.CutTrace(e.Record.Query)
	line := dumpLine{Position: uint64(e.Position), ReceivedAt: receipt(e), Query: string(query), Trace: string(trace)}
	if utf8.Valid(e.Record.Body) {
		body := string(e.Record.Body)
		line.Body = &body
	} else {
		line.BodyBase64 = e.Record.Body
	}
	enc := json.NewEncoder(d.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(line)
}

// receipt is when a callback was received, as it is printed.
func receipt(e spool.Entry) string {
	return e.Record.ReceivedAt.UTC().Format(time.RFC3339Nano)
}

// escapeControls returns text as it is, except that what could break the line or
// drive a terminal is written as an escape: a sender must not do either.
func escapeControls(text []byte) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.Write(text[:size])
		}
		text = text[size:]
	}
	return out.String()
}
