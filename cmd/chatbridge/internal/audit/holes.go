package audit

import (
	"context"
	"fmt"
)

// judgeHoles reads the entries by number: each stream's holes, and what is known
// of the numbers in them.
func (a *Audit) judgeHoles(ctx context.Context) error {
	h := holes{Audit: a}
	seen := 0
	for e, err := range a.byNumber.sorted() {
		if err != nil {
			return err
		}
		if seen++; seen%65536 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if stream := (streamKey{e[0], e[1]}); stream != h.stream || !h.begun {
			h.finish()
			h = holes{Audit: a, begun: true, stream: stream, next: 1} // next above last: none at hand
		}
		h.entry(e)
	}
	a.byNumber.close()
	h.finish()
	return nil
}

// holes follows the numbers of one stream upwards. The hole at hand is next..last,
// empty where next > last; it may be several that overlap, after a reset.
type holes struct {
	*Audit
	begun  bool
	stream streamKey

	owned      bool   // the stream is one of the ledger's
	openRun    bool   // one of its runs has no end
	openTo     uint64 // numbers up to here may have been used by such a run
	next, last uint64
	at         place // of the record that tells of the hole
}

func (h *holes) entry(e entry) {
	number, kind := e[2], e[3]
	switch kind {
	case numberOwned:
		h.owned = true
		h.openRun = h.openRun || h.open(e[4])
		return
	case numberReserved:
		h.pass(number)
		if h.open(e[5]) {
			h.openTo = max(h.openTo, e[4])
		}
		return
	case numberHole:
		h.pass(number)
		if h.next > h.last { // none at hand
			h.next, h.last, h.at = number, e[4], place(e[5])
		}
		h.last = max(h.last, e[4])
		h.count.holes.Ranges++
		return
	case numberStray:
		h.stray(number, place(e[5]))
		return
	}
	h.pass(number)
	if h.next > h.last || h.next != number {
		if kind == numberDropped {
			h.count.ledger.DroppedOutside++
		}
		return
	}
	h.next++
	h.count.holes.Skipped++
	switch kind {
	case numberLate:
		h.count.holes.Filled++
	case numberDropped:
		h.count.holes.Dropped++
	case numberUnanswered:
		h.count.holes.Unanswered++
	case numberLost:
		h.count.holes.Lost++
	}
}

// pass judges the numbers of the hole at hand below number: nothing is known of
// them.
func (h *holes) pass(number uint64) {
	if h.next > h.last || h.next >= number {
		return
	}
	to := min(h.last, number-1)
	n := to - h.next + 1
	h.count.holes.Skipped += n
	from := h.next
	h.next = to + 1
	if !h.owned {
		return
	}
	if h.openTo >= from {
		maybe := min(to, h.openTo) - from + 1
		h.count.holes.Unanswered += maybe
		from, n = from+maybe, n-maybe
	}
	if n > 0 {
		h.found.add(UnexplainedHole, n, recordExample(h.at, 0, fmt.Sprintf("%s skipped before it", spanText(from, to))))
		h.count.holes.Unexplained += n
	}
}

// stray judges a record that the ledger does not know.
func (h *holes) stray(number uint64, at place) {
	switch {
	case !h.owned:
		h.count.ledger.Others++
	case number == 0 && h.openRun, number > 0 && number <= h.openTo:
		h.count.ledger.Arrived++
	default:
		h.found.add(Invented, 1, recordExample(at, number, ""))
	}
}

// finish judges what is left of the last hole.
func (h *holes) finish() {
	if h.begun && h.next <= h.last {
		h.pass(h.last + 1)
	}
}
