package audit

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// A Report is what an audit found.
type Report struct {
	Clean      bool    `json:"clean"`
	Partitions []Range `json:"partitions"`
	Records    uint64  `json:"records"`
	Bytes      uint64  `json:"bytes"`    // of keys and values
	Messages   uint64  `json:"messages"` // different ones
	Streams    uint64  `json:"streams"`  // with a number
	// First and Last are the lowest and the highest record time.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Orders counts the records by their order mark.
	Orders   map[schema.Order]uint64 `json:"orders"`
	Holes    Holes                   `json:"holes"`
	Ledger   *Ledger                 `json:"ledger,omitempty"`
	Findings []Finding               `json:"findings"` // violations; empty if clean
	// Grown counts records that lie where the topic put them when it had as many
	// partitions as Options.GrownFrom says.
	Grown uint64   `json:"grown,omitempty"`
	Hints []string `json:"hints,omitempty"` // what to do next
}

// Holes counts numbers that were skipped, and what became of them.
type Holes struct {
	Ranges  uint64 `json:"ranges"`
	Skipped uint64 `json:"skipped"` // different numbers
	Filled  uint64 `json:"filled"`  // of them came late
	// Of the rest, with a ledger:
	Dropped     uint64 `json:"dropped"`     // never sent
	Unanswered  uint64 `json:"unanswered"`  // sent, or perhaps sent, and not answered OK
	Lost        uint64 `json:"lost"`        // answered OK
	Unexplained uint64 `json:"unexplained"` // unknown to the sender
}

// Missing is how many skipped numbers never came.
func (h *Holes) Missing() uint64 { return h.Skipped - h.Filled }

// Ledger counts what the ledger holds.
type Ledger struct {
	Lines    uint64 `json:"lines"`
	Runs     int    `json:"runs"`
	OpenRuns int    `json:"open_runs"` // killed, or still running
	OK       uint64 `json:"ok"`        // answers, those to copies included
	NotOK    uint64 `json:"not_ok"`    // refused or unanswered
	Stored   uint64 `json:"stored"`    // messages that were answered OK
	Arrived  uint64 `json:"arrived"`   // messages that were not, and are in the topic
	Dropped  uint64 `json:"dropped"`   // numbers that were never sent
	// DroppedOutside of them lie before the first or behind the last record of
	// their stream, where no hole can show.
	DroppedOutside uint64 `json:"dropped_outside"`
	Others         uint64 `json:"others"` // messages in streams that are not the ledger's
}

// counters are what a report is made from. Those under mu and grown are written
// by all partitions, the rest by one goroutine.
type counters struct {
	mu             sync.Mutex
	records, bytes uint64
	orders         map[schema.Order]uint64
	first, last    time.Time

	grown    atomic.Uint64
	messages uint64
	streams  uint64
	holes    Holes
	ledger   Ledger
}

// record counts one record of the topic.
func (c *counters) record(f *facts, r *publisher.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records++
	c.bytes += uint64(len(r.Key) + len(r.Value))
	if f.order != "" {
		if c.orders == nil {
			c.orders = map[schema.Order]uint64{}
		}
		c.orders[f.order]++
	}
	if c.first.IsZero() || r.Time.Before(c.first) {
		c.first = r.Time
	}
	if r.Time.After(c.last) {
		c.last = r.Time
	}
}

func (a *Audit) report() *Report {
	c := &a.count
	r := &Report{
		Partitions: a.ranges, Records: c.records, Bytes: c.bytes, Messages: c.messages, Streams: c.streams,
		First: c.first, Last: c.last, Orders: c.orders, Holes: c.holes,
		Findings: a.found.findings(), Grown: c.grown.Load(),
	}
	if r.Orders == nil {
		r.Orders = map[schema.Order]uint64{}
	}
	if a.opt.Ledger != "" {
		ledger := c.ledger
		ledger.Runs = len(a.runs)
		for _, ended := range a.runs {
			if !ended {
				ledger.OpenRuns++
			}
		}
		r.Ledger = &ledger
	}
	r.Clean = len(r.Findings) == 0
	r.Hints = a.hints(r)
	return r
}

// Count returns how often a verdict was found.
func (r *Report) Count(v Verdict) uint64 {
	for _, f := range r.Findings {
		if f.Verdict == v {
			return f.Count
		}
	}
	return 0
}

// hints says what may stand behind the findings, and what to do next.
func (a *Audit) hints(r *Report) []string {
	var hints []string
	hint := func(format string, args ...any) { hints = append(hints, fmt.Sprintf(format, args...)) }
	if r.Records == 0 {
		hint("No record was read, so nothing was proved: is it the right topic, and are --from and --to what was meant?")
	}
	if r.Count(Lost) > 0 {
		hint("If the bridge still has a backlog (its /sinkz and page say so), audit again when it has published it.")
		if a.opt.From.Bounded() || a.opt.To.Bounded() {
			hint("What the ledger holds and --from and --to leave out counts as lost.")
		}
		for _, p := range a.ranges {
			if p.Start > 0 {
				hint("Partition %d begins at offset %d: what the topic's retention has removed counts as lost.", p.Partition, p.Start)
				break
			}
		}
		hint("If the topic was deleted and made anew since (chatbridge_topic_changes_total), what was in it before counts as lost.")
	}
	if r.Count(UnmarkedGap) > 0 && r.Count(Lost) == 0 {
		hint("A gap without a mark is a loss, or a stream that the bridge had forgotten and that came back: " +
			"the metric chatbridge_resequence_forgotten_total says whether it has forgotten any. A ledger tells the two apart.")
	}
	if m := strings.Join(a.growth.from(), " or "); m != "" {
		hint("All records in wrong partitions are where a topic of %s partitions has them. "+
			"If there were as many once, audit with --grown-from %s.", m, m)
	} else if r.Count(WrongPartition) > 0 {
		hint("If the topic was given partitions more than once, audit with --grown-from and all the numbers that it had, such as 6,12.")
	}
	if r.Ledger != nil && r.Ledger.OpenRuns > 0 {
		hint("%d of the ledger's %d runs did not end by themselves: what they sent last may not be in it, and is not judged.",
			r.Ledger.OpenRuns, r.Ledger.Runs)
	}
	return hints
}

// LastLine is the report in one sentence.
func (r *Report) LastLine() string {
	if !r.Clean {
		var found []string
		total := uint64(0)
		for _, f := range r.Findings {
			found = append(found, fmt.Sprintf("%d %s", f.Count, f.Verdict))
			total += f.Count
		}
		return fmt.Sprintf("audit: %s in %d messages: %s", plural(total, "violation"), r.Messages, strings.Join(found, ", "))
	}
	lost := "0 lost, "
	if r.Ledger == nil {
		lost = ""
	}
	return fmt.Sprintf("audit: clean: %s, %s0 doubled, 0 out of order, %s%s",
		plural(r.Messages, "message"), lost, plural(r.Holes.Missing(), "hole"), r.causes())
}

// causes says where the holes come from, as far as a ledger knows.
func (r *Report) causes() string {
	h := &r.Holes
	if r.Ledger == nil || h.Missing() == 0 {
		return ""
	}
	if h.Dropped == h.Missing() {
		return " (all dropped by the sender)"
	}
	parts := []string{fmt.Sprintf("%d dropped by the sender", h.Dropped)}
	if h.Unanswered > 0 {
		parts = append(parts, fmt.Sprintf("%d not answered OK", h.Unanswered))
	}
	if rest := h.Missing() - h.Dropped - h.Unanswered - h.Lost; rest > 0 {
		parts = append(parts, fmt.Sprintf("%d in streams of others", rest))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
