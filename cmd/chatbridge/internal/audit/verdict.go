package audit

import (
	"cmp"
	"slices"
	"sync"

	"github.com/chatbridge/chatbridge/schema"
)

// A Verdict is one way in which a topic breaks a promise.
type Verdict string

// The verdicts, in the order of reports. The first three and the fourth need a
// ledger.
const (
	// Lost: answered OK, and not in the topic (P1).
	Lost Verdict = "lost"
	// Invented: in a stream of the ledger's sender, and nothing that it sent.
	Invented Verdict = "invented"
	// UnexplainedHole: skipped numbers that the sender knows nothing of (P5).
	UnexplainedHole Verdict = "unexplained-hole"
	// Doubled: a message that is there already (P4).
	Doubled Verdict = "doubled"
	// OutOfOrder: below a number before it in its stream, and not marked so (P3).
	OutOfOrder Verdict = "out-of-order"
	// UnmarkedGap: numbers are missing and no mark says so (P5).
	UnmarkedGap Verdict = "unmarked-gap"
	// WrongMark: what the record says of its place in the order is not so (P5).
	WrongMark Verdict = "wrong-mark"
	// WrongPartition: not in the partition of its group.
	WrongPartition Verdict = "wrong-partition"
	// WrongKey: the record's key is not its group.
	WrongKey Verdict = "wrong-key"
	// Mismatch: headers and value do not say the same, or a header is missing.
	Mismatch Verdict = "mismatch"
	// Unreadable: the value is not an event.
	Unreadable Verdict = "unreadable"
	// Foreign: not a record that chatbridge wrote.
	Foreign Verdict = "foreign"
)

// Verdicts returns all of them in the order of reports.
func Verdicts() []Verdict {
	return []Verdict{
		Lost, Invented, UnexplainedHole, Doubled, OutOfOrder, UnmarkedGap, WrongMark,
		WrongPartition, WrongKey, Mismatch, Unreadable, Foreign,
	}
}

// NeedsLedger reports whether only a ledger can show the verdict.
func (v Verdict) NeedsLedger() bool {
	return v == Lost || v == Invented || v == UnexplainedHole
}

// Meaning is the verdict in one sentence.
func (v Verdict) Meaning() string {
	switch v {
	case Lost:
		return "answered OK, and not in the topic"
	case Invented:
		return "in a stream of the ledger, and never sent"
	case UnexplainedHole:
		return "skipped, and neither dropped nor left unanswered by the sender"
	case Doubled:
		return "the same message again"
	case OutOfOrder:
		return "below a number before it, and not marked late"
	case UnmarkedGap:
		return "numbers are missing, and no mark says so"
	case WrongMark:
		return "its order mark is not what is seen there"
	case WrongPartition:
		return "not in the partition of its group"
	case WrongKey:
		return "its key is not its group"
	case Mismatch:
		return "headers and value do not agree"
	case Unreadable:
		return "its value is not an event"
	case Foreign:
		return "not written by chatbridge"
	default:
		return string(v)
	}
}

// An Example is one place where a verdict was found.
type Example struct {
	// Partition and Offset are where the record is; both -1 where there is none,
	// as for a lost message.
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	App       uint64 `json:"app,omitempty"`
	Group     string `json:"group,omitempty"`
	Topic     string `json:"topic,omitempty"`
	Seq       uint64 `json:"seq,omitempty"`
	ID        string `json:"id,omitempty"`
	Detail    string `json:"detail,omitempty"`

	at place // a record's, or a ledger line's
}

func (e *Example) setStream(s schema.Stream) {
	e.App, e.Group, e.Topic = s.AppID, s.GroupID, s.TopicID
}

// A Finding is a verdict and how often it was found.
type Finding struct {
	Verdict  Verdict   `json:"verdict"`
	Count    uint64    `json:"count"`
	Examples []Example `json:"examples,omitempty"` // the first ones
}

// A collector counts verdicts and keeps the first examples of each, by place,
// whatever order they come in. Many goroutines may use it.
type collector struct {
	most int // examples a verdict

	mu    sync.Mutex
	found map[Verdict]*Finding
}

func newCollector(most int) *collector {
	return &collector{most: most, found: map[Verdict]*Finding{}}
}

// add counts n of a verdict with one example.
func (c *collector) add(v Verdict, n uint64, e Example) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.found[v]
	if f == nil {
		f = &Finding{Verdict: v}
		c.found[v] = f
	}
	f.Count += n
	at, _ := slices.BinarySearchFunc(f.Examples, e, func(a, b Example) int { return cmp.Compare(a.at, b.at) })
	if at < c.most {
		f.Examples = slices.Insert(f.Examples, at, e)
		f.Examples = f.Examples[:min(len(f.Examples), c.most)]
	}
}

// findings returns what was found, in the order of reports.
func (c *collector) findings() []Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Finding
	for _, v := range Verdicts() {
		if f := c.found[v]; f != nil {
			list = append(list, *f)
		}
	}
	return list
}
