package relay

import (
	"sort"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// unsettled is the record of what a lane was handed and has not finished:
// positions in the order of the spool, each open until it is settled,
// dead-lettered or dropped. Its lowest open position bounds the checkpoint.
//
// Invariant: positions are strictly increasing, and the first one is open.
// Not safe for concurrent use; the lane's mutex guards it.
type unsettled struct {
	slots []slot
	head  int // slots[:head] are finished and only wait to be reclaimed
	open  int
}

type slot struct {
	position spool.Position
	received int64 // ns, time of receipt
	done     bool
}

// add notes a position that is now the lane's to finish. Positions must rise.
func (u *unsettled) add(p spool.Position, received int64) {
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
		u.slots, u.head = u.slots[:0], 0
		return
	}
	if u.head > 1024 && u.head > len(u.slots)/2 {
		n := copy(u.slots, u.slots[u.head:])
		u.slots, u.head = u.slots[:n], 0
	}
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

// finished calls fn for each finished position above the lowest open one.
func (u *unsettled) finished(fn func(spool.Position)) {
	for _, s := range u.slots[u.head:] {
		if s.done {
			fn(s.position)
		}
	}
}
