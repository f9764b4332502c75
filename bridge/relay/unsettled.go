package relay

import (
	"sort"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// unsettled is the record of what a lane was handed and has not finished:
// positions in the order of the spool, each open until it is settled,
// dead-lettered or dropped. Its lowest open position bounds the checkpoint.
//
// One position may stay open for days, a dead letter whose topic is away, while
// the lane goes on: what is finished above it is then kept in a set, which takes
// two bytes a record at most (P8). What is open is bounded by what a lane may hold.
//
// Invariant: slots are strictly increasing and the first one is open; a finished
// position is in slots or in swept, not in both.
// Not safe for concurrent use; the lane's mutex guards it.
type unsettled struct {
	slots []slot
	head  int // slots[:head] are finished and only wait to be reclaimed
	open  int
	swept positions // finished, above the lowest open one, and no longer in slots
}

type slot struct {
	position spool.Position
	received int64 // ns, time of receipt
	done     bool
}

// sweepFrom is how many slots a lane has at least before the finished ones among
// them are swept: more than what is on its way in a lane that settles.
const sweepFrom = 8192

// add notes a position that is now the lane's to finish. Positions must rise.
func (u *unsettled) add(p spool.Position, received int64) {
	if live := len(u.slots) - u.head; len(u.slots) == cap(u.slots) && live >= sweepFrom && u.open <= live/2 {
		u.sweep()
	}
	u.slots = append(u.slots, slot{position: p, received: received})
	u.open++
}

// finish closes a position and reports its time of receipt, and whether it was
// open: finishing twice, or finishing what was never added, changes nothing.
func (u *unsettled) finish(p spool.Position) (received int64, wasOpen bool) {
	live := u.slots[u.head:]
	i := sort.Search(len(live), func(i int) bool { return live[i].position >= p })
	if i == len(live) || live[i].position != p || live[i].done {
		return 0, false
	}
	live[i].done = true
	u.open--
	u.reclaim()
	return live[i].received, true
}

// reclaim drops the finished prefix, moving the rest down only when at least
// half of the slots are free, so that its cost stays constant per position.
func (u *unsettled) reclaim() {
	for u.head < len(u.slots) && u.slots[u.head].done {
		u.head++
	}
	if u.head == len(u.slots) {
		u.slots, u.head, u.swept = u.slots[:0], 0, positions{}
		return
	}
	if u.head > 1024 && u.head > len(u.slots)/2 {
		n := copy(u.slots, u.slots[u.head:])
		u.slots, u.head = u.slots[:n], 0
	}
}

// sweep moves the finished slots into the set. It is called where there is no
// room and at least half of the slots are finished, so that its cost, too, stays
// constant per position.
func (u *unsettled) sweep() {
	open := u.slots[:0]
	for _, s := range u.slots[u.head:] {
		if s.done {
			u.swept.add(s.position)
		} else {
			open = append(open, s)
		}
	}
	u.slots, u.head = open, 0
	u.swept.forgetBelow(open[0].position)
}

// low returns the lowest open position and its time of receipt; ok is false
// when nothing is open.
func (u *unsettled) low() (p spool.Position, received int64, ok bool) {
	if u.head == len(u.slots) {
		return 0, 0, false
	}
	s := u.slots[u.head]
	return s.position, s.received, true
}

// finished calls fn for each finished position above the lowest open one, until
// fn fails.
func (u *unsettled) finished(fn func(spool.Position) error) error {
	low, _, ok := u.low()
	if !ok {
		return nil
	}
	if err := u.swept.each(func(p spool.Position) error {
		if p < low {
			return nil
		}
		return fn(p)
	}); err != nil {
		return err
	}
	for _, s := range u.slots[u.head:] {
		if s.done {
			if err := fn(s.position); err != nil {
				return err
			}
		}
	}
	return nil
}
