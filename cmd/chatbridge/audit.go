package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/audit"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
)

// auditFlags are audit's flags.
type auditFlags struct {
	kafka     topicFlags
	from, to  string
	memoryMiB int64
	options   audit.Options
	asJSON    bool
}

func newAuditCommand(env *environment) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove on the topic that nothing is lost, doubled or out of order",
		Long: `Prove on the topic what the bridge promises. Every record is read, and it is checked that
each stream (app, group, topic) is in the order of its numbers or says that it is not,
that skipped numbers are marked as they are, that no message is there twice, and that
key, partition, headers and value agree. With the ledger of "chatbridge send" it is also
proved that whatever was answered OK is there, and that each hole is a number which the
sender never sent.

It reads up to the end as it is at the beginning, joins no consumer group and changes
nothing. Memory is bounded; what does not fit goes to a temporary file, at most about
150 bytes a record.

The exit code is 1 where a promise is broken.`,
		Example: `  chatbridge audit -c chatbridge.yaml --ledger ledger.jsonl
  chatbridge audit --brokers 127.0.0.1:9092 --topic chat.group-messages
  chatbridge audit -c chatbridge.yaml --from 24h --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), env)
		},
	}
	f.kafka.register(cmd)
	flags := cmd.Flags()
	flags.Var(&onlyOnce{value: &f.options.Ledger}, "ledger", "`file` that chatbridge send wrote")
	flags.StringVar(&f.from, "from", "earliest", "where to begin: earliest, an offset, a time, or how long ago (15m)")
	flags.StringVar(&f.to, "to", "latest", "where to end: latest, an offset, a time, or how long ago")
	flags.IntSliceVar(&f.options.GrownFrom, "grown-from", nil, "the topic had so many `partitions` before (6,12); what lies accordingly is right")
	flags.IntVar(&f.options.Examples, "examples", 5, "how many examples to show of each violation")
	flags.Int64Var(&f.memoryMiB, "memory", 96, "how much memory to sort in, in `MiB`")
	flags.StringVar(&f.options.TempDir, "temp-dir", "", "`folder` for what does not fit into memory")
	addJSONFlag(cmd, &f.asJSON)
	return cmd
}

func (f *auditFlags) run(ctx context.Context, env *environment) error {
	if f.options.Examples < 1 || f.memoryMiB < 1 || slices.ContainsFunc(f.options.GrownFrom, func(n int) bool { return n < 1 }) {
		return usagef("--examples, --memory and each number of --grown-from must be at least 1")
	}
	f.options.Memory = f.memoryMiB << 20
	var err error
	if f.options.From, f.options.To, err = parseRange(env, f.from, f.to); err != nil {
		return err
	}
	source, release, err := f.kafka.open(env)
	if err != nil {
		return err
	}
	defer release()
	report, err := runAudit(ctx, env, source, f.options)
	if err != nil {
		return err
	}
	if f.asJSON {
		err = writeJSON(env.stdout, struct {
			Topic string `json:"topic"`
			*audit.Report
		}{source.Name(), report})
	} else {
		err = writeAudit(env, source.Name(), report)
	}
	if err == nil && !report.Clean {
		err = errFinding
	}
	return err
}

// parseRange reads the flags --from and --to.
func parseRange(env *environment, from, to string) (first, last topic.Bound, err error) {
	if first, err = topic.ParseBound(from, env.now()); err != nil {
		return first, last, usagef("--from: %w", err)
	}
	if last, err = topic.ParseBound(to, env.now()); err != nil {
		return first, last, usagef("--to: %w", err)
	}
	switch last {
	case topic.Earliest():
		return first, last, usagef("--to earliest leaves nothing to read")
	case topic.Latest():
		last = topic.Bound{}
	}
	if first.After(last) {
		return first, last, usagef("--from %s is behind --to %s: that leaves nothing to read", from, to)
	}
	return first, last, nil
}

// onlyOnce is the value of a flag of which a second one must not silently win.
type onlyOnce struct {
	value *string
	given bool
}

func (o *onlyOnce) String() string { return "" }
func (o *onlyOnce) Type() string   { return "string" }

// Set reads the value.
func (o *onlyOnce) Set(text string) error {
	if o.given {
		return errors.New("it is given twice; audit once for each")
	}
	*o.value, o.given = text, true
	return nil
}

// runAudit audits a topic and shows meanwhile how far it is.
func runAudit(ctx context.Context, env *environment, source audit.Source, o audit.Options) (*audit.Report, error) {
	a := audit.New(source, o)
	stop := showProgress(env, func() string {
		p := a.Progress()
		if p.Total == 0 {
			return "audit: " + p.Stage
		}
		return fmt.Sprintf("audit: %s, %s of %s records", p.Stage, grouped(uint64(p.Done)), grouped(uint64(p.Total)))
	})
	defer stop()
	return a.Run(ctx)
}

// writeAudit prints a report: what was read, a table of verdicts, examples, and
// one last line that says it all.
func writeAudit(env *environment, name string, r *audit.Report) error {
	var out strings.Builder
	fmt.Fprintf(&out, "topic %s, %d partitions, %s records, %s streams", name, len(r.Partitions), grouped(r.Records), grouped(r.Streams))
	if r.Records > 0 {
		fmt.Fprintf(&out, ", from %s to %s", r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339))
	}
	out.WriteString("\n" + auditFacts(r) + "\n")
	t := newTable(env, env.stdout, text("VERDICT"), number("COUNT"), text("MEANING"))
	for _, v := range audit.Verdicts() {
		if v.NeedsLedger() && r.Ledger == nil {
			continue
		}
		c := good
		if r.Count(v) > 0 {
			c = bad
		}
		t.add(cell{text: string(v), color: c}, number(grouped(r.Count(v))), text(v.Meaning()))
	}
	if err := t.write(&out); err != nil {
		return err
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "\n%s, %d of %s:\n", f.Verdict, len(f.Examples), grouped(f.Count))
		for i := range f.Examples {
			out.WriteString("  " + exampleText(&f.Examples[i]) + "\n")
		}
	}
	out.WriteString("\n")
	for _, h := range r.Hints {
		out.WriteString(h + "\n")
	}
	out.WriteString(r.LastLine() + "\n")
	_, err := fmt.Fprint(env.stdout, out.String())
	return err
}

// auditFacts is what is no violation and worth knowing.
func auditFacts(r *audit.Report) string {
	var orders []string
	for _, o := range []string{"in-order", "after-hole", "late", "unsequenced", "reset"} {
		for order, n := range r.Orders {
			if string(order) == o {
				orders = append(orders, grouped(n)+" "+o)
			}
		}
	}
	var out strings.Builder
	if len(orders) > 0 {
		out.WriteString(strings.Join(orders, ", ") + "\n")
	}
	if h := &r.Holes; h.Skipped > 0 {
		fmt.Fprintf(&out, "%s numbers skipped by %s holes, %s of them came late\n", grouped(h.Skipped), grouped(h.Ranges), grouped(h.Filled))
	}
	if l := r.Ledger; l != nil {
		fmt.Fprintf(&out, "ledger: %s messages answered OK in %d runs, %s numbers dropped (%s at the ends of streams, where no hole shows)\n",
			grouped(l.Stored), l.Runs, grouped(l.Dropped), grouped(l.DroppedOutside))
		if l.Arrived > 0 {
			fmt.Fprintf(&out, "%s messages arrived that were not answered OK, or whose answer is not in the ledger\n", grouped(l.Arrived))
		}
		if l.Others > 0 {
			fmt.Fprintf(&out, "%s messages are in streams of other senders\n", grouped(l.Others))
		}
	}
	if r.Grown > 0 {
		fmt.Fprintf(&out, "%s records lie where the topic had them when it was smaller\n", grouped(r.Grown))
	}
	return out.String()
}

// exampleText is one example on one line.
func exampleText(e *audit.Example) string {
	var parts []string
	if e.Partition >= 0 {
		parts = append(parts, fmt.Sprintf("partition %d offset %d", e.Partition, e.Offset))
	}
	if e.Group != "" {
		stream := "group " + strconv.Quote(e.Group)
		if e.Topic != "" {
			stream += " topic " + strconv.Quote(e.Topic)
		}
		parts = append(parts, stream)
	}
	if e.Seq > 0 {
		parts = append(parts, "seq "+strconv.FormatUint(e.Seq, 10))
	}
	if e.Detail != "" {
		parts = append(parts, e.Detail)
	} else if e.ID != "" {
		parts = append(parts, "id "+e.ID)
	}
	return strings.Join(parts, ", ")
}
