package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/simulate"
)

// sendFlags are send's flags that are not simulate.Options as they are.
type sendFlags struct {
	simulate.Options
	tokenFile string
	asJSON    bool
}

func newSendCommand(env *environment) *cobra.Command {
	f := sendFlags{Options: simulate.Defaults()}
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Be a Tencent: post signed callbacks, out of order, twice or not at all",
		Long: `Be a Tencent: post the signed callbacks of invented group messages, at a fixed rate or
as fast as they are answered, as disorderly as is wished. With --ledger, each answer is
written down, and "chatbridge audit --ledger" proves on the topic that nothing which was
answered OK is lost. Without --seed, each call invents groups of its own; a call with a
ledger that exists goes on where the last one ended, also where that was killed.

Latency is measured from the time at which a callback was due, so that a bridge that
stalls cannot hide what it kept from being sent. Like Tencent, send waits 2 s and does
not try again; --timeout and --retry change that.

The exit code is 1 where a message was not answered OK.`,
		Example: `  chatbridge send --url http://127.0.0.1:8080/callback --app 1400000000 --token secret
  chatbridge send --url http://127.0.0.1:8080/callback --app 1400000000 --token secret \
      --groups 200 --count 200000 --rate 5000 --disorder 20% --duplicate 5% --drop 3% --ledger ledger.jsonl
  chatbridge audit --ledger ledger.jsonl`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.send(cmd, env)
		},
	}
	f.register(cmd)
	return cmd
}

// register gives cmd the flags.
func (f *sendFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.URL, "url", "", "the bridge's `URL`, its callback path included")
	flags.Uint64Var(&f.App, "app", 0, "SdkAppid, one that the bridge knows")
	flags.StringVar(&f.Token, "token", "", "the app's token; without one, callbacks are not signed")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with the token, which then no process list shows")
	flags.IntVar(&f.Groups, "groups", f.Groups, "how many groups talk")
	flags.IntVar(&f.Topics, "topics", f.Topics, "topics of each community, which every eighth group is; 0 is no communities")
	flags.Float64Var(&f.Rate, "rate", f.Rate, "callbacks a second; 0 is as fast as they are answered")
	flags.Uint64Var(&f.Count, "count", f.Count, "messages to send; 0 is until Ctrl-C")
	flags.Var((*share)(&f.Disorder), "disorder", "`share` of messages that a later one of their group overtakes, such as 20%")
	flags.Var((*share)(&f.Duplicate), "duplicate", "`share` of messages that are sent twice")
	flags.Var((*share)(&f.Drop), "drop", "`share` of messages before which a number is taken and never sent: a hole")
	flags.Var((*share)(&f.OnlineOnly), "online-only", "`share` of messages without a number")
	flags.DurationVar(&f.Window, "window", f.Window, "by how much a callback is sent too late at most; a copy by ten times that")
	flags.IntVar(&f.Places, "places", 0, "with --rate 0, --window as a number of callbacks; 0 is four a group")
	flags.Uint64Var(&f.Seed, "seed", 0, "repeats the same groups, messages and disorder; 0 draws one, or takes the ledger's")
	flags.StringVar(&f.Ledger, "ledger", "", "`file` to write what became of each message to (JSON lines); is continued if it exists")
	flags.IntVar(&f.Connections, "connections", f.Connections, "keep-alive connections, each with one callback at a time")
	flags.IntVar(&f.BodySize, "body-size", 0, "fill bodies up to so many `bytes`")
	flags.BoolVar(&f.TextOnly, "text-only", false, "only text messages, instead of every kind of element")
	flags.DurationVar(&f.Age, "age", 0, "how old messages are when they are sent, such as 72h")
	flags.DurationVar(&f.Timeout, "timeout", f.Timeout, "how long to wait for an answer")
	flags.IntVar(&f.Retries, "retry", 0, "how often to try again what was not answered OK; -1 is until it is")
	flags.BoolVar(&f.Insecure, "insecure", false, "with https, accept any certificate")
	addJSONFlag(cmd, &f.asJSON)
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
}

func (f *sendFlags) send(cmd *cobra.Command, env *environment) error {
	if f.tokenFile != "" {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return usagef("reading --token-file: %w", err)
		}
		if f.Token = strings.TrimRight(string(token), "\r\n"); f.Token == "" {
			return usagef("--token-file %s holds no token; leave it out to send unsigned", f.tokenFile)
		}
	}
	if err := f.Check(); err != nil {
		return &usageError{err}
	}
	f.Now = env.now
	simulator := simulate.New(f.Options)
	stop := showProgress(env, func() string { return sendProgress(simulator.Snapshot(), f.Count) })
	sum, err := simulator.Run(cmd.Context(), nil)
	stop()
	if err != nil {
		return err
	}
	if f.asJSON {
		err = writeJSON(env.stdout, sum)
	} else {
		err = f.writeSummary(env, &sum)
	}
	if unfinished := sum.Stopped && f.Count > 0; err == nil && (unfinished || sum.MessagesStored < sum.Messages) {
		err = errFinding
	}
	return err
}

// sendProgress is a run so far on one line.
func sendProgress(s simulate.Summary, count uint64) string {
	of := ""
	if count > 0 {
		of = " of " + grouped(count)
	}
	return fmt.Sprintf("%s%s messages, %s/s, %s not answered OK, p50 %s, p99 %s", grouped(s.Messages), of,
		grouped(uint64(s.PerSecond)), grouped(s.Callbacks-s.OK), shortDuration(s.Latency.P50), shortDuration(s.Latency.P99))
}

// writeSummary prints what a run has brought.
func (f *sendFlags) writeSummary(env *environment, s *simulate.Summary) error {
	t := newTable(env, env.stdout, text("CALLBACKS"), number("COUNT"), text(""))
	row := func(name string, n uint64, c color, note string) {
		if n == 0 {
			c = plain
		}
		t.add(cell{text: name, color: c}, number(grouped(n)), text(note))
	}
	row("answered OK", s.OK, good, fmt.Sprintf("%s messages, the rest copies", grouped(s.MessagesStored)))
	for _, status := range slices.Sorted(maps.Keys(s.Refused)) {
		row("refused", s.Refused[status], bad, "HTTP "+strconv.Itoa(status))
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Unanswered)) {
		row("unanswered", s.Unanswered[reason], bad, unansweredNote(reason))
	}
	row("out of order", s.Overtaken, plain, "begun after a later one of their stream")
	row("copies", s.Copies, plain, "of messages that were sent before")
	row("never sent", s.Dropped, plain, "numbers that were taken: holes")
	if err := t.write(env.stdout); err != nil {
		return err
	}
	written := ""
	if f.Ledger != "" {
		written = fmt.Sprintf("; run %d of %s", s.Run, f.Ledger)
	}
	_, err := fmt.Fprintf(env.stdout, "\n%s/s answered OK for %s, seed %d%s\n%s",
		grouped(uint64(s.PerSecond)), s.Elapsed.Round(10*time.Millisecond), s.Seed, written, f.latencyText(s))
	return err
}

// latencyText is a run's latency, and the share in it that is the sender's own.
func (f *sendFlags) latencyText(s *simulate.Summary) string {
	distribution := func(l *simulate.Latency) string {
		return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", shortDuration(l.P50), shortDuration(l.P90),
			shortDuration(l.P99), shortDuration(l.P999), shortDuration(l.Max))
	}
	if f.Rate == 0 {
		return "latency from when it was sent: " + distribution(&s.Latency) + "\n"
	}
	text := "latency from when it was due: " + distribution(&s.Latency) + "\n"
	if s.Lag.Max > 0 {
		text += "of that, send itself was late by: " + distribution(&s.Lag) + "\n"
	}
	return text
}

func unansweredNote(reason string) string {
	switch reason {
	case "connect":
		return "nobody listened"
	case "timeout":
		return "no answer in time"
	default:
		return "the connection broke"
	}
}

// share is a flag's value from 0 to 1: 0.2 or 20%.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', -1, 64) + "%" }
func (s *share) Type() string   { return "share" }

// Set reads the value.
func (s *share) Set(text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return fmt.Errorf("%q is not a share: give 0 to 1, or 0%% to 100%%", text)
	}
	*s = share(v)
	return nil
}
