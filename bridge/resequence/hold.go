package resequence

import (
	"math"
	"slices"
	"time"
)

// What is kept to be used again: this many held, and lists up to this length.
const (
	spareLimit = 1024
	spareItems = 64
)

// hold makes an item wait: a number ahead of the mark, or one below it that
// may begin a new epoch.
func (b *Buffer[T]) hold(now int64, i uint32, r *record, it Item[T], out []Decision[T]) []Decision[T] {
	hold := b.holdFor(r) // before this item's own evidence counts
	w := b.waitingOf(i, r)
	if it.Seq > r.next {
		b.noteFill(r, w, &it)
	}
	h := b.enter(now, w, it, hold, it.Seq < r.next)
	return b.admit(now, r, w, h, out)
}

// holdFor is the hold in force for a stream, in ns.
func (b *Buffer[T]) holdFor(r *record) int64 {
	switch b.cfg.Hold {
	case Adaptive:
		return b.learner.hold(r)
	case Fixed:
		return int64(b.cfg.Fixed)
	default:
		return 0
	}
}

// enter puts an item among the held, not yet accounted.
func (b *Buffer[T]) enter(now int64, w *waiting[T], it Item[T], hold int64, low bool) *held[T] {
	var h *held[T]
	if n := len(b.spare); n > 0 {
		h, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		h = new(held[T])
	}
	*h = held[T]{item: it, deadline: addSat(min(it.ReceivedAt, now), hold)}
	w.insert(h, low)
	b.deadlines.fix(w)
	b.stats.Held++
	b.newcomer = h
	return h
}

// drain lets leave what the mark has reached.
func (b *Buffer[T]) drain(now int64, r *record, w *waiting[T], out []Decision[T]) []Decision[T] {
	if at := w.lows; at < len(w.items) && w.items[at].item.Seq <= r.next {
		return b.release(now, r, w, at, w.runEnd(at), timeout, out)
	}
	return out
}

// letOverdue lets leave what has waited long enough.
func (b *Buffer[T]) letOverdue(now int64, r *record, w *waiting[T], out []Decision[T]) []Decision[T] {
	if w.deadline > now {
		return out
	}
	for at := 0; at < w.lows; {
		if w.items[at].deadline > now {
			at++
			continue
		}
		b.countGivenUp(timeout)
		out = b.release(now, r, w, at, at+1, timeout, out)
	}
	if end := w.overdue(now); end > 0 {
		out = b.release(now, r, w, w.lows, end, timeout, out)
	}
	return out
}

// release lets items from … to-1 leave in their order; those that skip numbers
// say so, and the hole counts as given up for why.
func (b *Buffer[T]) release(now int64, r *record, w *waiting[T], from, to int, why reason, out []Decision[T]) []Decision[T] {
	if b.cfg.Hold == Adaptive {
		w.noteSince(from)
	}
	for _, h := range w.items[from:to] {
		v := InOrder
		switch {
		case h.item.Seq < r.next:
			v = Late
		case h.item.Seq > r.next:
			v = AfterHole
			b.countGivenUp(why)
			if b.cfg.Hold == Adaptive && why != restarted {
				b.learner.gaveUp(r, r.next, h.item.Seq-1, h.since)
			}
		}
		out = b.leave(w.record, r, &h.item, v, b.waited(now, h), out)
	}
	b.remove(w, from, to)
	return out
}

// waited is how long an item has been held.
func (b *Buffer[T]) waited(now int64, h *held[T]) int64 {
	if h == b.newcomer {
		return 0
	}
	return subSat(now, h.item.ReceivedAt)
}

// remove takes items from … to-1, which have left, out of w.
func (b *Buffer[T]) remove(w *waiting[T], from, to int) {
	stale := false
	for _, h := range w.items[from:to] {
		stale = stale || h.deadline == w.deadline
		w.bytes -= h.size
		b.cfg.Budget.put(h.size)
		b.stats.HeldBytes -= h.size
		b.stats.Held--
		*h = held[T]{gone: true}
		if len(b.spare) < spareLimit {
			b.spare = append(b.spare, h)
		}
	}
	w.lows -= max(min(to, w.lows)-from, 0)
	w.items = slices.Delete(w.items, from, to)
	if stale {
		w.deadline = w.earliest()
	}
}

// settle restores the invariants of a stream that held items after some left:
// no number below the mark waits that is not newer than the newest, the heap
// is in order, and a stream that holds nothing has no waiting.
func (b *Buffer[T]) settle(now int64, r *record, w *waiting[T], out []Decision[T]) []Decision[T] {
	out = b.demote(now, r, w, out)
	if len(w.items) > 0 {
		b.deadlines.fix(w)
		return out
	}
	if r.wait == 0 {
		return out // settled before
	}
	b.deadlines.remove(w)
	b.freeWaits = append(b.freeWaits, w.slot)
	r.wait = 0
	b.streams.link(w.record, r) // what held until now counts as just used
	return out
}

// demote lets leave as late what waits below the mark and is no longer newer
// than the newest.
func (b *Buffer[T]) demote(now int64, r *record, w *waiting[T], out []Decision[T]) []Decision[T] {
	for at := 0; at < w.lows; {
		if fresh(r, w.items[at].item.MsgTime) {
			at++
			continue
		}
		out = b.release(now, r, w, at, at+1, timeout, out)
	}
	return out
}

// waitingOf returns the waiting of a stream, a new one if need be.
func (b *Buffer[T]) waitingOf(i uint32, r *record) *waiting[T] {
	if r.wait != 0 {
		return b.waits[r.wait]
	}
	if n := len(b.freeWaits); n > 0 {
		r.wait, b.freeWaits = b.freeWaits[n-1], b.freeWaits[:n-1]
	} else {
		r.wait = uint32(len(b.waits))
		b.waits = append(b.waits, new(waiting[T]))
	}
	w := b.waits[r.wait]
	*w = waiting[T]{record: i, slot: r.wait, key: r.key, deadline: math.MaxInt64, items: w.items[:0]}
	if cap(w.items) > spareItems {
		w.items = nil
	}
	b.streams.unlink(i, r)
	b.deadlines.add(w)
	return w
}

// addMissing adds without going round.
func addMissing(a, n uint64) uint64 {
	if n > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + n
}

func duration(ns int64) time.Duration { return time.Duration(ns) }
