package relay

import (
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// restored is what the checkpoint says of the run before this one.
type restored struct {
	layout    layout // partitions 0: there is no checkpoint
	lanes     []laneState
	boot      string // of the machine, when the last run began
	ended     bool   // that run ended well: the log is whole
	newBuffer func(lanes int) *buffer
}

// laneState is what the checkpoint says of one lane.
type laneState struct {
	low       spool.Position              // everything below is finished
	next      int64                       // offset after the last settled record; -1 unknown
	finished  *positions                  // at or above low
	decided   []decision                  // in the order in which they left; not settled
	decidedAt map[spool.Position]struct{} // the positions in decided
	pending   *publisher.Identity         // of the batch that was last announced and not settled
	pendingAt []spool.Position            // its records
	buffer    *buffer                     // what was seen and published, streams and facts applied
}

func newLaneState(b *buffer) laneState {
	return laneState{
		next:      -1,
		finished:  &positions{},
		decidedAt: map[spool.Position]struct{}{},
		buffer:    b,
	}
}

// restore replays a checkpoint.
func restore(load func(func(entry []byte) error) error, newBuffer func(lanes int) *buffer) (*restored, error) {
	r := &restored{newBuffer: newBuffer}
	if err := load(r.apply); err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return r, nil
}

func (r *restored) apply(entry []byte) error {
	if len(entry) == 0 {
		return fmt.Errorf("%w: empty", errEntry)
	}
	kind, f := entryKind(entry[0]), &fields{rest: entry[1:]}
	switch kind {
	case entryLayout:
		return r.applyLayout(f)
	case entryRun:
		r.boot = string(f.take(f.uvarint()))
		r.ended = f.uvarint() == 1
		return f.err(kind)
	}
	lane := f.uvarint()
	if f.bad || lane >= uint64(len(r.lanes)) {
		return fmt.Errorf("%w: kind %d is of lane %d, but the layout has %d", errEntry, kind, lane, len(r.lanes))
	}
	return r.lanes[lane].apply(kind, f)
}

// maxPartitions bounds what a damaged layout can make us allocate. Kafka
// clusters hold at most a few hundred thousand partitions in all.
const maxPartitions = 1 << 17

func (r *restored) applyLayout(f *fields) error {
	version, partitions := f.uvarint(), f.uvarint()
	topic := f.take(f.uvarint())
	if err := f.err(entryLayout); err != nil {
		return err
	}
	if version != journalVersion {
		return fmt.Errorf("%w: written by another version of chatbridge (format %d, this one reads %d); start that version, let it drain the spool, then upgrade",
			errEntry, version, journalVersion)
	}
	if partitions == 0 || partitions > maxPartitions {
		return fmt.Errorf("%w: a layout of %d partitions", errEntry, partitions)
	}
	r.layout = layout{partitions: int(partitions), topic: string(topic)}
	r.lanes = make([]laneState, partitions)
	for i := range r.lanes {
		r.lanes[i] = newLaneState(r.newBuffer(len(r.lanes)))
	}
	return nil
}

func (l *laneState) apply(kind entryKind, f *fields) error {
	switch kind {
	case entryLane:
		low, next := spool.Position(f.uvarint()), f.varint()
		if f.bad {
			break
		}
		l.advance(low, next)
	case entryFinished:
		l.finish(f.positions())
	case entryDecided:
		l.decide(f.decisions(), false)
	case entryIntent:
		id, ds := f.identity(), f.decisions()
		if f.bad {
			break
		}
		l.announce(id, ds)
	case entrySettled:
		id, next := f.identity(), f.varint()
		if f.bad {
			break
		}
		l.settle(id, next)
	case entryStream:
		var key resequence.Key
		copy(key[:], f.take(16))
		if f.bad {
			break
		}
		if err := l.buffer.Load(key, f.rest); err != nil {
			return fmt.Errorf("%w: %w", errEntry, err)
		}
	default:
		return fmt.Errorf("%w: kind %d is unknown; it was written by a newer chatbridge", errEntry, kind)
	}
	return f.err(kind)
}

func (l *laneState) advance(low spool.Position, next int64) {
	l.low = max(l.low, low)
	if next >= 0 {
		l.next = next // also below the one before: the topic may have been made anew
	}
	l.finished.forgetBelow(l.low)
}

func (l *laneState) finish(ps []spool.Position) {
	for _, p := range ps {
		if p >= l.low {
			l.finished.add(p)
		}
		l.forget(p)
	}
}

// forget takes a position out of the decided ones.
func (l *laneState) forget(p spool.Position) {
	if _, ok := l.decidedAt[p]; !ok {
		return
	}
	delete(l.decidedAt, p)
	for i := range l.decided {
		if l.decided[i].position == p {
			l.decided = append(l.decided[:i], l.decided[i+1:]...)
			return
		}
	}
}

// decide notes decisions that are not settled. Those of an intent are also
// facts for the resequencer, unless its saved state already holds them, which
// is the case for all that a Rewrite listed as decided.
func (l *laneState) decide(ds []decision, facts bool) {
	for _, d := range ds {
		if _, ok := l.decidedAt[d.position]; ok {
			continue
		}
		if d.position < l.low || l.finished.has(d.position) {
			continue
		}
		l.keep(d)
		if facts {
			l.buffer.Observe(d.fact)
		}
	}
}

func (l *laneState) keep(d decision) {
	l.decidedAt[d.position] = struct{}{}
	l.decided = append(l.decided, d)
}

func (l *laneState) announce(id publisher.Identity, ds []decision) {
	l.decide(ds, true)
	l.pending = &id
	l.pendingAt = l.pendingAt[:0]
	for _, d := range ds {
		l.pendingAt = append(l.pendingAt, d.position)
	}
}

func (l *laneState) settle(id publisher.Identity, next int64) {
	l.next = next
	if l.pending == nil || *l.pending != id {
		return
	}
	l.finish(l.pendingAt)
	l.pending = nil
}
