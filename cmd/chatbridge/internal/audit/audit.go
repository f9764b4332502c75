package audit

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
)

// A Source is the topic to be audited. Its methods are called by several
// goroutines, each for other partitions.
type Source interface {
	Partitions(ctx context.Context) (int, error)
	// Offsets returns the first offset and the one after the last record.
	Offsets(ctx context.Context, partition int) (start, end int64, err error)
	// OffsetAt returns the first offset at or after a time, or the end.
	OffsetAt(ctx context.Context, partition int, at time.Time) (int64, error)
	// Read calls fn for the records from offset from up to, not including, to.
	// A record is valid only during the call.
	Read(ctx context.Context, partition int, from, to int64, fn func(*publisher.Record) error) error
}

// Options says what is audited, against what, and with how much memory.
type Options struct {
	From, To  topic.Bound // To's zero value is the end as it is at the beginning
	Ledger    string      // the ledger's file; "" is none
	GrownFrom []int       // the topic had so many partitions before
	Memory    int64       // of the sorts, in bytes; 0 is 96 MiB
	TempDir   string      // for what does not fit; "" is the system's
	Parallel  int         // partitions read at a time; 0 is 4
	Examples  int         // kept of each verdict; 0 is 5
}

// Progress is how far an audit is.
type Progress struct {
	Stage       string // what is being done
	Done, Total int64  // records; Total 0 is unknown
}

// An Audit is one run. Make one with [New].
type Audit struct {
	opt    Options
	source Source

	byID, byPlace, byNumber *sorter
	found                   *collector
	partitions              int
	ranges                  []Range
	count                   counters
	runs                    []bool // of the ledger: whether each has ended
	ledgerNext              int64  // where the ledger ended when it was read first
	growth                  growth

	stage       atomic.Pointer[string]
	done, total atomic.Int64
}

// New returns an audit of a topic that has not begun.
func New(source Source, o Options) *Audit {
	if o.Memory == 0 {
		o.Memory = 96 << 20
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.Examples == 0 {
		o.Examples = 5
	}
	share := o.Memory / 3
	a := &Audit{
		opt: o, source: source, found: newCollector(o.Examples),
		byID: newSorter(share, o.TempDir), byPlace: newSorter(share, o.TempDir), byNumber: newSorter(share, o.TempDir),
	}
	a.enter("starting")
	return a
}

// Progress may be called while Run runs.
func (a *Audit) Progress() Progress {
	return Progress{Stage: *a.stage.Load(), Done: a.done.Load(), Total: a.total.Load()}
}

func (a *Audit) enter(stage string) { a.stage.Store(&stage) }

// Run reads the ledger, then the topic up to its end of that moment, and judges.
// In this order a sender may go on meanwhile: what it is told after the ledger
// was read is not held against the topic. What it wrote down until the topic's
// end was known is read too, and explains what is found there. An error means
// that there is no verdict. Run may be called once.
func (a *Audit) Run(ctx context.Context) (*Report, error) {
	defer a.byID.close()
	defer a.byPlace.close()
	defer a.byNumber.close()
	steps := []struct {
		stage string
		do    func(context.Context) error
	}{
		{"reading the ledger", a.readLedger},
		{"asking for the topic's end", a.resolveAll},
		{"reading the ledger on", a.readLedgerOn},
		{"reading the topic", a.scan},
		{"comparing messages", a.judgeOnce},
		{"checking the order", a.judgeOrder},
		{"checking the holes", a.judgeHoles},
		{"looking up examples", a.nameExamples},
	}
	for _, s := range steps {
		a.enter(s.stage)
		if err := s.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.stage, err)
		}
	}
	return a.report(), nil
}
