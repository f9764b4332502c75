package relay

import (
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"

	"go.uber.org/zap"
)

// replay is what a lane still has to do of the former run before anything new
// may leave: load the records that had been decided and not settled, and pass
// over those that are finished or were found in the topic.
type replay struct {
	finished *positions
	found    map[resequence.ID]struct{} // in the topic's tail
	decided  []decision
	index    map[spool.Position]int // into decided and loaded
	loaded   []*outgoing
	missing  int
	last     spool.Position // the highest position in decided
	until    spool.Position // the last position that the former run can have handled
	pending  *publisher.Identity
	settled  *publisher.Identity         // pending, once it was found in the tail
	batch    map[spool.Position]struct{} // the positions of pending
	void     bool                        // the identity of pending is another batch's
	tail     int64                       // offset from which the topic's tail is read; -1 = not known yet
	learned  bool                        // the tail has told what the checkpoint did not know
	noted    bool                        // what the tail has told is in the checkpoint
	ready    bool                        // the topic's tail has been read
	open     bool                        // decided is complete and on its way
}

func newReplay(s *laneState) *replay {
	r := &replay{
		finished: s.finished, found: map[resequence.ID]struct{}{},
		decided: s.decided, pending: s.pending, batch: map[spool.Position]struct{}{}, tail: s.next,
	}
	for _, p := range s.pendingAt {
		r.batch[p] = struct{}{}
	}
	return r
}

// nextAfter is the offset from which a further restart has to read the tail, next
// being the one after what is known of: what is remembered by its id alone has to
// be found again.
func (r *replay) nextAfter(next int64) int64 {
	if len(r.found) > 0 {
		return r.tail
	}
	return next
}

// settlePending notes that the announced batch is in the topic.
func (r *replay) settlePending() {
	for p := range r.batch {
		r.finished.add(p)
	}
	r.settled, r.pending, r.batch = r.pending, nil, nil
}

// recognizes says whether a record with the identity of the announced batch, one of
// so many, shows that the batch is in the topic. Where it does not, the identity has
// gone to another batch: Kafka refused this one, which takes no identity away, and
// the checkpoint has lost its end. Then nothing may be sent under it any more.
func (r *replay) recognizes(id resequence.ID, records int) bool {
	if records == len(r.batch) {
		for i := range r.decided {
			if _, announced := r.batch[r.decided[i].position]; announced && r.decided[i].fact.ID == id {
				r.settlePending()
				return true
			}
		}
	}
	r.pending, r.batch, r.void = nil, nil, true
	return false
}

// knows reports whether the resequencer has been told of an event already,
// because the checkpoint lists it as decided.
func (r *replay) knows(id resequence.ID) bool {
	for i := range r.decided {
		if r.decided[i].fact.ID == id {
			return true
		}
	}
	return false
}

// arm closes the list of what is to be loaded, once the tail has been read.
func (r *replay) arm(until spool.Position) {
	kept := r.decided[:0]
	for _, d := range r.decided {
		finished := r.finished.has(d.position)
		_, found := r.found[d.fact.ID]
		if found {
			r.finished.add(d.position)
			delete(r.found, d.fact.ID)
		}
		if !finished && !found {
			kept = append(kept, d)
		}
	}
	r.decided = kept
	r.index = make(map[spool.Position]int, len(kept))
	r.loaded = make([]*outgoing, len(kept))
	r.missing = len(kept)
	for i, d := range kept {
		r.index[d.position] = i
		r.last = max(r.last, d.position)
	}
	r.until = until
	r.ready = true
}

// loading reports whether what had been decided is still being read.
func (r *replay) loading() bool { return r.ready && !r.open && r.missing > 0 }

// replayLocked handles a record that the former run may have handled already,
// and reports whether it did.
func (l *lane) replayLocked(o *outgoing) bool {
	r := l.replay
	id := resequence.ID(o.event.Identity())
	finished := r.finished.has(o.position)
	_, found := r.found[id]
	i, decided := r.index[o.position]
	switch {
	case finished || found:
		delete(r.found, id)
		l.finishLocked(o.position)
	case decided:
		o.fact = r.decided[i].fact
		r.loaded[i] = o
		r.missing--
	default:
		return false
	}
	l.queued -= o.recordBytes
	return true
}

// advanceReplayLocked lets the lane's sending begin once everything that had
// been decided is loaded, or can no longer come: the spool has been read past
// it, and what is missing was lost to damage that the spool has reported. Once
// the spool has been read to where the former run left it, the replay is over.
func (l *lane) advanceReplayLocked(through spool.Position) {
	r := l.replay
	if r.ready && !r.open && (r.missing == 0 || through >= r.last) {
		l.releaseLocked()
	}
	if r.open && through >= r.until {
		l.replay = nil
	}
}

// releaseLocked queues what had been decided: the announced batch first, then
// the rest, then what was decided since.
func (l *lane) releaseLocked() {
	r := l.replay
	if r.missing > 0 {
		l.logger().Error("records that had been decided are no longer in the spool",
			zap.Int("records", r.missing))
	}
	since := l.out
	l.out = nil
	again := r.pending != nil && r.whole()
	for _, o := range r.loaded {
		if o == nil {
			continue
		}
		if _, announced := r.batch[o.position]; again && announced {
			l.inflight = append(l.inflight, o)
		} else {
			l.out = append(l.out, o)
		}
		l.queued += o.size()
	}
	l.out = append(l.out, since...)
	if again {
		l.identity, l.announced = *r.pending, len(l.inflight)
	}
	r.open, r.decided, r.loaded, r.index = true, nil, nil, nil
}

// whole reports whether all of the announced batch is loaded. Only then may it
// be sent under its old identity: a broker takes another number of records
// under a known sequence for the copy that it has.
func (r *replay) whole() bool {
	n := 0
	for _, o := range r.loaded {
		if o == nil {
			continue
		}
		if _, announced := r.batch[o.position]; announced {
			n++
		}
	}
	return n == len(r.batch)
}

// decidedLocked lists what left the resequencer and is not settled, in order:
// what is announced, and the rest. What waits for the dead letters is among it: the
// resequencer would take it for a repeat when the spool yields it again.
func (l *lane) decidedLocked() (announced, rest []decision) {
	rest = append(rest, l.refused...)
	for i, o := range l.inflight {
		if i < l.announced {
			announced = append(announced, o.decision())
		} else {
			rest = append(rest, o.decision())
		}
	}
	if l.replay != nil {
		for _, d := range l.replay.decided {
			if _, ok := l.replay.batch[d.position]; ok {
				announced = append(announced, d)
			} else {
				rest = append(rest, d)
			}
		}
	}
	for _, o := range l.out {
		rest = append(rest, o.decision())
	}
	return announced, rest
}

// identityLocked is the identity under which the announced batch was sent.
func (l *lane) identityLocked() (publisher.Identity, bool) {
	if l.replay != nil && !l.replay.open && l.replay.pending != nil {
		return *l.replay.pending, true
	}
	return l.identity, l.announced > 0
}

// openLocked reports whether the lane may send.
func (l *lane) openLocked() bool { return l.replay == nil || l.replay.open }
