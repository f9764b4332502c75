package audit

import (
	"context"
	"fmt"

	"github.com/chatbridge/chatbridge/schema"
)

// judgeOrder reads the entries by place: each stream's records in the order of
// the topic, partition by partition.
func (a *Audit) judgeOrder(ctx context.Context) error {
	o := order{Audit: a}
	seen := 0
	for e, err := range a.byPlace.sorted() {
		if err != nil {
			return err
		}
		if seen++; seen%65536 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		at := place(e[2])
		if stream := (streamKey{e[0], e[1]}); stream != o.stream || !o.begun {
			if err := o.finish(); err != nil {
				return err
			}
			o = order{Audit: a, begun: true, stream: stream, partition: at.partition()}
		}
		if at.partition() != o.partition { // numbers are compared within a partition
			o.partition, o.started, o.newest, o.reset, o.lastLate = at.partition(), false, 0, false, 0
		}
		if e[3]>>kindShift == placeTwin {
			o.twin, o.again = at, e[3]&maxNumber > 0
			continue
		}
		r := ordered{at: at, number: e[3] & maxNumber, hole: schema.Hole{From: e[4], To: e[5] & maxNumber}}
		m := mark(e[5] >> kindShift)
		r.mark, r.misplaced, r.twin = m&^misplaced, m&misplaced != 0, o.twin == at
		r.again = r.twin && o.again
		if err := o.record(&r); err != nil {
			return err
		}
	}
	a.byPlace.close()
	return o.finish()
}

// ordered is one record as the order sees it.
type ordered struct {
	at        place
	number    uint64
	mark      mark
	hole      schema.Hole
	misplaced bool // it lies in a wrong partition, which was said
	twin      bool // the same message is there more than once, which was said
	again     bool // and this is not the first of them
}

// maxGaps bounds what is remembered of one stream until its end.
const maxGaps = 256

// An order follows one stream. Invariant: newest is the highest number of the
// stream in this partition since its start or its last reset; it is meaningful
// only if started.
type order struct {
	*Audit
	begun     bool
	stream    streamKey
	partition int
	started   bool
	newest    uint64
	reset     bool   // its numbers have begun again
	lastLate  uint64 // the last number that was marked late
	twin      place  // the record at this place has a twin
	again     bool   // before it

	gaps   []gap    // without a mark, not yet said: something below may fill them
	astray []uint64 // numbers that lie in wrong partitions
	spans  []span   // of a topic that had fewer partitions: what each of the stream's has
}

// A span is numbers that follow each other, the holes that are told of among them.
type span struct{ from, to uint64 }

// cover notes that the record's number, and the hole before it, are accounted for.
// A group that moved, and moved back, leaves a gap where it was away.
func (o *order) cover(r *ordered) {
	from := r.number
	if r.hole.From > 0 {
		from = r.hole.From
	}
	if n := len(o.spans); n > 0 && o.spans[n-1].to+1 == from {
		o.spans[n-1].to = r.number
	} else if n < maxGaps {
		o.spans = append(o.spans, span{from, r.number})
	}
}

// A gap is numbers that are missing before the record at a place.
type gap struct {
	from, to uint64
	at       place
}

// record judges the next record of the stream.
func (o *order) record(r *ordered) error {
	if len(o.opt.GrownFrom) > 0 {
		o.cover(r)
	}
	if r.misplaced {
		if len(o.astray) < maxGaps {
			o.astray = append(o.astray, r.number)
		}
		if err := o.late(r); err != nil {
			return err
		}
	}
	switch r.mark {
	case markLate:
		return o.marksLate(r)
	case markReset:
		o.resets(r)
		return nil
	case markInOrder, markAfterHole:
		return o.rises(r)
	default: // what it says could not be read, and that was said
		if !o.started || r.number > o.newest {
			o.started, o.newest = true, r.number
		}
		return nil
	}
}

// marksLate: a late record's number lies below the newest, or it is a straggler
// of the group that was there before a reset.
func (o *order) marksLate(r *ordered) error {
	switch {
	case !o.started: // what it is late to is not in the range that is audited
		return o.late(r)
	case r.number <= o.newest || o.reset:
		o.lastLate = r.number
		return o.late(r)
	}
	o.wrongMark(r, "it is marked late, but its number is above %d, the newest", o.newest)
	o.newest = r.number
	return nil
}

// resets: the numbers begin again, at or below the newest; one above it only
// where the number between has just come a second time and was taken for late.
func (o *order) resets(r *ordered) {
	if o.started && r.number > o.newest && (r.number != o.newest+1 || o.lastLate != o.newest) {
		o.wrongMark(r, "it is marked reset, but its number is above %d, the newest", o.newest)
	}
	o.started, o.newest, o.reset = true, r.number, true
}

// rises: the record claims to go on from the newest, after a hole or not.
func (o *order) rises(r *ordered) error {
	if !o.started {
		o.started, o.newest = true, r.number
		return o.begins(r)
	}
	if r.number <= o.newest {
		return o.falls(r)
	}
	missing := gap{from: o.newest + 1, to: r.number - 1, at: r.at}
	isMissing := missing.from <= missing.to
	switch {
	case isMissing && r.twin && !r.again && r.hole.From != missing.from:
		return o.late(r) // its twin, further on, may be where it belongs
	case r.hole.From > 0 && (r.hole.To != missing.to || r.hole.From < missing.from):
		o.wrongMark(r, "it says that %d-%d are missing, but the number before it is %d", r.hole.From, r.hole.To, o.newest)
	case isMissing && r.hole.From != missing.from && !r.misplaced:
		unsaid := missing
		if r.hole.From > 0 {
			unsaid.to = r.hole.From - 1
		}
		if err := o.gap(unsaid); err != nil {
			return err
		}
	}
	o.newest = r.number
	if !isMissing || r.misplaced {
		return nil
	}
	if len(o.opt.GrownFrom) > 0 { // what no mark names may lie in another partition: finish will tell
		if r.hole.From == 0 {
			return nil
		}
		missing.from = max(missing.from, r.hole.From)
	}
	return o.byNumber.add(entryByNumber(o.stream, missing.from, numberHole, missing.to, uint64(r.at)))
}

// begins: the first record that is known of a stream may have any number, but a
// hole must end right before it.
func (o *order) begins(r *ordered) error {
	if r.hole.From == 0 {
		return nil
	}
	if r.hole.To != r.number-1 {
		o.wrongMark(r, "it says that %d-%d are missing before number %d", r.hole.From, r.hole.To, r.number)
		return nil
	}
	return o.byNumber.add(entryByNumber(o.stream, r.hole.From, numberHole, r.hole.To, uint64(r.at)))
}

// falls: a number that is not above the newest, and not marked late.
func (o *order) falls(r *ordered) error {
	if r.again {
		return nil
	}
	o.found.add(OutOfOrder, 1, recordExample(r.at, r.number, fmt.Sprintf("number %d comes after %d", r.number, o.newest)))
	o.fill(r.number, r.number)
	if r.hole.From > 0 { // the hole that it tells of belongs to where it should be
		o.fill(r.hole.From, r.hole.To)
	}
	return o.late(r)
}

// late notes a number that is there, but not where it belongs.
func (o *order) late(r *ordered) error {
	return o.byNumber.add(entryByNumber(o.stream, r.number, numberLate, 0, uint64(r.at)))
}

func (o *order) wrongMark(r *ordered, format string, args ...any) {
	o.found.add(WrongMark, 1, recordExample(r.at, r.number, fmt.Sprintf(format, args...)))
}

// gap remembers a gap without a mark.
func (o *order) gap(g gap) error {
	if len(o.gaps) == maxGaps {
		if err := o.say(o.gaps[0]); err != nil {
			return err
		}
		o.gaps = append(o.gaps[:0], o.gaps[1:]...)
	}
	o.gaps = append(o.gaps, g)
	return nil
}

// fill takes numbers out of the gaps: they are accounted for.
func (o *order) fill(from, to uint64) {
	var left []gap
	for _, g := range o.gaps {
		if to < g.from || from > g.to {
			left = append(left, g)
			continue
		}
		if g.from < from {
			left = append(left, gap{from: g.from, to: from - 1, at: g.at})
		}
		if to < g.to {
			left = append(left, gap{from: to + 1, to: g.to, at: g.at})
		}
	}
	o.gaps = left
}

// finish says what gaps are left when the stream's last record has been seen.
func (o *order) finish() error {
	if !o.begun {
		return nil
	}
	o.count.streams++
	for _, number := range o.astray {
		o.fill(number, number)
	}
	for _, r := range o.spans {
		o.fill(r.from, r.to)
	}
	for _, g := range o.gaps {
		if err := o.say(g); err != nil {
			return err
		}
	}
	return nil
}

// say says that a gap is without a mark. In a topic that has grown it is only now
// known that its numbers are not in another partition, and so a hole.
func (o *order) say(g gap) error {
	o.found.add(UnmarkedGap, 1, recordExample(g.at, 0, fmt.Sprintf("%s missing before it", spanText(g.from, g.to))))
	if len(o.opt.GrownFrom) == 0 {
		return nil
	}
	return o.byNumber.add(entryByNumber(o.stream, g.from, numberHole, g.to, uint64(g.at)))
}

// spanText is numbers for people.
func spanText(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("number %d is", from)
	}
	return fmt.Sprintf("numbers %d-%d are", from, to)
}
