package relay

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

// A topic that gets more partitions moves groups to other partitions, by the
// rule that every Kafka client follows. The lanes are cut anew for it, at a
// moment when nothing is on its way: so no stream is ever on two lanes, and a
// group's later events can only follow its earlier ones in time, though they
// now lie in another partition.

const (
	// partitionsEach is how often the topic's partitions are counted.
	partitionsEach = 5 * time.Second
	// quiesceFor is how long callbacks wait in the spool for what is on its
	// way to be settled, before the cut is put off.
	quiesceFor  = 3 * time.Second
	quiescePoll = 5 * time.Millisecond
)

// watchPartitions ends the run with errGrown once the lanes have been cut anew.
func (r *Relay) watchPartitions(ctx context.Context) error {
	t := time.NewTicker(r.watchEach)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		n, err := r.client.PartitionCount(ctx, r.opt.Topic)
		if err != nil || n == len(r.lanes) {
			continue
		}
		if n < len(r.lanes) {
			r.opt.Logger.Error("the events topic has fewer partitions than before; what belongs to the missing ones waits in the spool",
				zap.Int("partitions", n), zap.Int("before", len(r.lanes)))
			continue
		}
		if !r.quiesce(ctx) {
			continue
		}
		r.opt.Logger.Warn("the events topic has more partitions; groups move, and keep their order only within each partition",
			zap.Int("partitions", n), zap.Int("before", len(r.lanes)))
		if err := r.recutLive(n); err != nil {
			return err
		}
		return errGrown
	}
}

// quiesce stops handing on and waits until nothing is on its way. On false,
// handing on goes on.
func (r *Relay) quiesce(ctx context.Context) bool {
	if !r.dispatcher.idle(r.opt.Spool.End()) {
		return false // a backlog drains first
	}
	r.dispatcher.pause(true)
	ctx, cancel := context.WithTimeout(ctx, quiesceFor)
	defer cancel()
	for !r.settledAll() {
		if pause(ctx, quiescePoll) != nil {
			r.dispatcher.pause(false)
			return false
		}
	}
	return true
}

func (r *Relay) settledAll() bool {
	r.dispatcher.mu.Lock()
	defer r.dispatcher.mu.Unlock()
	for _, l := range r.lanes {
		l.mu.Lock()
		busy := l.parked || l.replay != nil || l.unsettled.open > 0
		l.mu.Unlock()
		if busy {
			return false
		}
	}
	return true
}

// recutLive writes a checkpoint for n lanes. Nothing is on its way, so all that
// there is to it is how far everything is, and what the streams remember.
func (r *Relay) recutLive(n int) error {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Rewrite(func(add func([]byte) error) error {
		if err := add(appendLayout(nil, layout{partitions: n, topic: r.opt.Topic})); err != nil {
			return err
		}
		for i := range n {
			low, next := r.dispatcher.next, int64(-1)
			if i < len(r.lanes) {
				next = r.lanes[i].nextOffset()
			}
			if err := add(appendLane(nil, i, low, next)); err != nil {
				return err
			}
		}
		for i, l := range r.lanes {
			if err := l.buffer.Save(func(key resequence.Key, state []byte) error {
				return add(appendStream(nil, movedTo(key, i, n), key, state))
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// movedTo is the lane, among n, that what lane i remembers under key goes to.
// The zero key is not a stream's: what a lane has learned of the hold under it
// stays where it is.
func movedTo(key resequence.Key, i, n int) int {
	if key == (resequence.Key{}) {
		return i % n
	}
	return laneOfKey(key, n)
}

// recut cuts a restored state for another topic: the streams' memory and what
// was decided move along, from the lowest position that was open.
func (s *restored) recut(to layout, newBuffer func(int) *buffer) error {
	old := s.lanes
	s.layout, s.lanes = to, make([]laneState, to.partitions)
	var low spool.Position
	for i := range old {
		if i == 0 || old[i].low < low {
			low = old[i].low
		}
	}
	for i := range s.lanes {
		s.lanes[i] = newLaneState(newBuffer(to.partitions))
		s.lanes[i].low = low
	}
	for i := range old {
		if err := old[i].buffer.Save(func(key resequence.Key, state []byte) error {
			return s.lanes[movedTo(key, i, to.partitions)].buffer.Load(key, state)
		}); err != nil {
			return err
		}
		for _, d := range old[i].decided {
			s.lanes[laneOfKey(d.fact.Key, to.partitions)].keep(d)
		}
	}
	return nil
}
