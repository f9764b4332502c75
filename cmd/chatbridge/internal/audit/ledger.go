package audit

import (
	"context"
	"fmt"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/schema"
)

// readLedger turns the ledger's lines into entries.
func (a *Audit) readLedger(ctx context.Context) error {
	return a.readLedgerFrom(ctx, 0, idStored)
}

// readLedgerOn takes in what a sender has written since. It explains records
// and holes; an OK there may be of a message behind the end of the topic as it
// is read, so that nothing is lost by it.
func (a *Audit) readLedgerOn(ctx context.Context) error {
	return a.readLedgerFrom(ctx, a.ledgerNext, idUnknown)
}

// readLedgerFrom reads the lines from an offset on; ok is the kind of entry that
// an answer OK becomes.
func (a *Audit) readLedgerFrom(ctx context.Context, from int64, ok uint64) (err error) {
	if a.opt.Ledger == "" {
		return nil
	}
	a.ledgerNext, err = ledger.ReadOn(a.opt.Ledger, from, func(offset int64, l *ledger.Line) error {
		a.count.ledger.Lines++
		if a.count.ledger.Lines%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := a.ledgerLine(place(offset), l, ok); err != nil {
			return fmt.Errorf("%s at byte %d: %w", a.opt.Ledger, offset, err)
		}
		return nil
	})
	return err
}

func (a *Audit) ledgerLine(at place, l *ledger.Line, ok uint64) error {
	if l.Kind == ledger.Run || len(a.runs) == 0 {
		a.runs = append(a.runs, false)
	}
	run := uint64(len(a.runs) - 1)
	key := keyOf(l.Stream())
	count := &a.count.ledger
	switch l.Kind {
	case ledger.Run:
		return nil
	case ledger.End:
		a.runs[run] = true
		return nil
	case ledger.Reserved:
		return a.byNumber.add(
			entryByNumber(key, 0, numberOwned, run, 0),
			entryByNumber(key, l.Seq, numberReserved, l.To, run))
	case ledger.Dropped:
		count.Dropped++
		return a.byNumber.add(entryByNumber(key, l.Seq, numberDropped, 0, 0))
	case ledger.OK, ledger.Copy, ledger.Refused, ledger.Unanswered:
		id, err := schema.ParseID(l.ID)
		if err != nil {
			return err
		}
		kind := uint64(idUnknown)
		switch l.Kind {
		case ledger.OK, ledger.Copy:
			kind = ok
			count.OK++
		default:
			count.NotOK++
		}
		return a.byID.add(entryByID(id, at, kind, l.Seq, key))
	default:
		return fmt.Errorf("a line of the kind %q, which this version does not know", l.Kind)
	}
}

// open reports whether a run of the ledger has no end: what it sent last may not
// be in the ledger.
func (a *Audit) open(run uint64) bool { return !a.runs[run] }
