package spool

import (
	"context"
	"sync"
)

// queue is where appends meet the committer: one group that is forming. While
// the committer syncs a group, the next one forms from whatever arrives; no
// one waits for company that has not come yet. It is bounded: a full group makes appends wait until
// it is taken.
type queue struct {
	kick chan struct{} // capacity 1: something formed, or something changed

	mu      sync.Mutex
	forming *group
	room    chan struct{} // closed when forming is taken; nil: nobody waits
	refuse  error         // appends are answered with this; nil: they are taken
	closed  bool          // refuse is ErrClosed and stays so
	spare   []byte        // where the next group forms, when forming is taken
}

func newQueue() *queue {
	return &queue{kick: make(chan struct{}, 1), forming: newGroup(nil)}
}

// join copies r into the forming group and returns it and r's place in it. It
// waits while that group is full.
func (q *queue) join(ctx context.Context, r *Record, bodySum uint32) (*group, int, error) {
	need := frameSize(r.payloadBytes())
	for {
		q.mu.Lock()
		if q.refuse != nil {
			err := q.refuse
			q.mu.Unlock()
			return nil, 0, err
		}
		g := q.forming
		if g.fits(need) {
			index := g.add(r, bodySum)
			q.mu.Unlock()
			if index == 0 {
				q.wake()
			}
			return g, index, nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// wake makes the committer look. It never blocks, and no wake is lost: the
// one that is pending already is seen after what caused this one.
func (q *queue) wake() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// take hands the forming group to the committer, nil if nothing formed.
func (q *queue) take() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.forming.count == 0 {
		return nil
	}
	g := q.forming
	q.forming = newGroup(q.spare)
	q.spare = nil
	q.freeRoom()
	return g
}

// reuse takes the memory back that a group formed in, nil if there is none.
func (q *queue) reuse(buf []byte) {
	q.mu.Lock()
	q.spare = buf
	q.mu.Unlock()
}

// stop makes join refuse with err, and returns what had formed so far, nil if
// nothing had. A queue that was closed stays closed.
func (q *queue) stop(err error) *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.refuse = err
	}
	q.freeRoom()
	g := q.forming
	if g.count == 0 {
		return nil
	}
	q.forming = newGroup(nil)
	return g
}

// resume makes join take appends again.
func (q *queue) resume() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.refuse = nil
	}
}

// close makes join refuse with ErrClosed for ever. What had formed can still
// be taken. true: it was not closed before.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	q.refuse = ErrClosed
	q.freeRoom()
	return true
}

// err is why appends are refused.
func (q *queue) err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refuse
}

// freeRoom wakes all who wait for room; they look again. q.mu is held.
func (q *queue) freeRoom() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}
