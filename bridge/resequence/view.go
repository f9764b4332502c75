package resequence

import "time"

// View is what a Buffer knows of one stream at a moment: a copy, for people to
// look at.
type View[T any] struct {
	// Next is the number that is expected; 0 where none has left yet.
	Next uint64
	// Newest is the newest MsgTime of what moved the mark, in Unix seconds; 0
	// is unknown.
	Newest int64
	// Hold is how long a number ahead would wait that came now.
	Hold time.Duration
	// Held is what waits, by its numbers; Config.StreamItems bounds it.
	Held []Wait[T]
	// Holes are the missing numbers that it waits for, lowest first.
	Holes []Hole
}

// Wait is one item that waits.
type Wait[T any] struct {
	Seq        uint64
	ReceivedAt int64 // ns
	// LeavesAt is when it leaves if nothing more comes, in Unix nanoseconds of
	// the caller's time: with its own deadline, or with that of what lies
	// behind it and cannot leave before it.
	LeavesAt int64
	// Below says that it lies below the mark, and waits for a neighbour to
	// begin the numbers again with. Such a one leaves at LeavesAt at the latest:
	// a newer message that moves the mark ends its chance.
	Below bool
	Value T
}

// Hole is a range of numbers, both inclusive.
type Hole struct{ From, To uint64 }

// View returns what is known of a stream; ok is false where nothing is.
// Looking does not count as use, and changes nothing.
func (b *Buffer[T]) View(key Key) (v View[T], ok bool) {
	i := b.streams.index.find(&key, &b.streams.records)
	if i == 0 {
		return v, false
	}
	r := b.streams.records.at(i)
	v = View[T]{Next: r.next, Newest: r.newest, Hold: duration(b.holdFor(r))}
	if w := b.waits[r.wait]; w != nil {
		v.Held, v.Holes = w.view(), w.holes(r.next)
	}
	return v, true
}

// view copies what waits.
func (w *waiting[T]) view() []Wait[T] {
	list := make([]Wait[T], len(w.items))
	for at, h := range w.items {
		list[at] = Wait[T]{
			Seq: h.item.Seq, ReceivedAt: h.item.ReceivedAt, LeavesAt: h.deadline,
			Below: at < w.lows, Value: h.item.Value,
		}
	}
	w.noteLeaving(list[w.lows:])
	return list
}

// noteLeaving gives the numbers above the mark the time at which rule 3 lets
// them leave: a run as a whole, and none after the run behind it.
func (w *waiting[T]) noteLeaving(high []Wait[T]) {
	for end := len(high); end > 0; {
		begin, leaves := end-1, high[end-1].LeavesAt
		for begin > 0 && high[begin].Seq-high[begin-1].Seq <= 1 {
			begin--
			leaves = min(leaves, high[begin].LeavesAt)
		}
		if end < len(high) {
			leaves = min(leaves, high[end].LeavesAt)
		}
		for at := begin; at < end; at++ {
			high[at].LeavesAt = leaves
		}
		end = begin
	}
}

// holes lists the missing numbers between the mark and what is held above it.
func (w *waiting[T]) holes(next uint64) []Hole {
	var list []Hole
	for _, h := range w.items[w.lows:] {
		if h.item.Seq > next {
			list = append(list, Hole{From: next, To: h.item.Seq - 1})
		}
		next = h.item.Seq + 1
	}
	return list
}

// Keys calls fn with the key of each stream that is known, in no particular
// order, of a part of them: it begins where the last part ended, with from 0 at
// first, and returns where the next one begins, 0 after the last. A part is
// small, so that a caller who shares the Buffer need not keep others from it for
// long. A stream that comes or goes between two parts may be missed.
func (b *Buffer[T]) Keys(from uint32, fn func(Key)) (next uint32) {
	records := &b.streams.records
	end := min(from+keysAtOnce, records.next)
	for i := max(from, 1); i < end; i++ {
		// A slot that was dropped is zero, and no stream's key is.
		if r := records.at(i); r.key != (Key{}) {
			fn(r.key)
		}
	}
	if end == records.next {
		return 0
	}
	return end
}

// keysAtOnce is how many streams a part of Keys looks at: some ten microseconds.
const keysAtOnce = 1024
