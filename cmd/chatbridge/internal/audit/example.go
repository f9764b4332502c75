package audit

import (
	"context"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/publisher"
)

// nameExamples looks up the records and ledger lines of examples that know only
// their place.
func (a *Audit) nameExamples(ctx context.Context) error {
	for _, f := range a.found.findings() {
		for i := range f.Examples {
			e := &f.Examples[i] // shared with the collector: changed in place
			if e.Group != "" {
				continue
			}
			if err := a.nameExample(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Audit) nameExample(ctx context.Context, e *Example) error {
	if !e.at.inTopic() {
		return a.nameFromLedger(e)
	}
	return a.source.Read(ctx, e.Partition, e.Offset, e.Offset+1, func(r *publisher.Record) error {
		f, _ := inspect(r, nil)
		if f.known {
			e.setStream(f.stream)
			e.ID = f.id.String()
			if e.Seq == 0 {
				e.Seq = f.number
			}
		}
		return nil
	})
}

// recordExample is an example that will be named from its place.
func recordExample(at place, seq uint64, detail string) Example {
	return Example{Partition: at.partition(), Offset: at.offset(), Seq: seq, Detail: detail, at: at}
}

// nameFromLedger names an example by its line.
func (a *Audit) nameFromLedger(e *Example) error {
	line, err := ledger.At(a.opt.Ledger, int64(e.at))
	if err != nil {
		return err
	}
	e.setStream(line.Stream())
	e.Seq, e.ID = line.Seq, line.ID
	return nil
}
