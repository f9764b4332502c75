package resequence

import (
	"math"
	"slices"
)

// held is one item that waits.
type held[T any] struct {
	item     Item[T]
	size     int64 // accounted in the stream and the budget; 0 until it is
	deadline int64 // when it leaves at the latest
	since    int64 // scratch of release: earliest receipt from here upwards
	gone     bool  // has left
}

// waiting is what a stream holds. It exists only while that is something.
type waiting[T any] struct {
	record uint32 // slot of the stream's record
	slot   uint32 // its own, as in record.wait
	key    Key
	// items are sorted by number, equal numbers by arrival. The first lows of
	// them are below the mark: numbers that may begin a new epoch, each newer
	// than the newest of the stream. The rest are above it.
	items    []*held[T]
	lows     int
	bytes    int64 // sum of size
	deadline int64 // earliest of items
	place    int   // in the heap of deadlines
}

// search returns where an item with number seq goes, behind its equals.
func (w *waiting[T]) search(seq uint64) int {
	n := len(w.items)
	if n == 0 || w.items[n-1].item.Seq <= seq {
		return n // the usual case: numbers come nearly in order
	}
	at, _ := slices.BinarySearchFunc(w.items, seq, func(h *held[T], seq uint64) int {
		if h.item.Seq <= seq {
			return -1
		}
		return 1
	})
	return at
}

// has reports whether this very message is held.
func (w *waiting[T]) has(seq uint64, id ID) bool {
	for at := w.search(seq) - 1; at >= 0 && w.items[at].item.Seq == seq; at-- {
		if w.items[at].item.ID == id {
			return true
		}
	}
	return false
}

// hasLow reports whether a number is held that may begin a new epoch.
func (w *waiting[T]) hasLow(seq uint64) bool {
	at := w.search(seq) - 1
	return at >= 0 && at < w.lows && w.items[at].item.Seq == seq
}

// insert puts h in its place; low says on which side of the mark it is.
func (w *waiting[T]) insert(h *held[T], low bool) {
	w.items = slices.Insert(w.items, w.search(h.item.Seq), h)
	if low {
		w.lows++
	}
	w.deadline = min(w.deadline, h.deadline)
}

// runEnd returns the end of the run of consecutive numbers that item at is in.
func (w *waiting[T]) runEnd(at int) int {
	for at++; at < len(w.items); at++ {
		if w.items[at].item.Seq-w.items[at-1].item.Seq > 1 {
			break
		}
	}
	return at
}

// overdue returns the end of what must leave at now: the end of the run of the
// highest number above the mark whose time is over, 0 where there is none.
func (w *waiting[T]) overdue(now int64) int {
	for at := len(w.items) - 1; at >= w.lows; at-- {
		if w.items[at].deadline <= now {
			return w.runEnd(at)
		}
	}
	return 0
}

// earliest is the earliest deadline of items.
func (w *waiting[T]) earliest() int64 {
	at := int64(math.MaxInt64)
	for _, h := range w.items {
		at = min(at, h.deadline)
	}
	return at
}

// since notes on each item from at on the earliest receipt of itself and all
// above it: since when the numbers below it are waited for.
func (w *waiting[T]) noteSince(at int) {
	since := int64(math.MaxInt64)
	for j := len(w.items) - 1; j >= at; j-- {
		since = min(since, w.items[j].item.ReceivedAt)
		w.items[j].since = since
	}
}

// addSat is a+b for b ≥ 0, at most the greatest number.
func addSat(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// subSat is a-b where that is more than 0, else 0.
func subSat(a, b int64) int64 {
	if a <= b {
		return 0
	}
	if d := a - b; d > 0 {
		return d
	}
	return math.MaxInt64
}
