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
//
// A topic that was deleted and made anew with fewer partitions has nothing of
// what was in it. What was on its way to a partition that is not there any more
// can never arrive; it is published to where its group belongs now.

const (
	// partitionsEach is how often the topic's partitions are counted.
	partitionsEach = 5 * time.Second
	// fewerSeen is how often in a row fewer partitions must be counted before they
	// are believed: a broker that lags behind may not know of the newest yet.
	fewerSeen = 3
	// quiesceFor is how long callbacks wait in the spool for what is on its
	// way to be settled, before the cut is put off.
	quiesceFor  = 3 * time.Second
	quiescePoll = 5 * time.Millisecond
)

// watchPartitions ends the run once the lanes have been, or are to be, cut anew.
func (r *Relay) watchPartitions(ctx context.Context) error {
	t := time.NewTicker(r.watchEach)
	defer t.Stop()
	c := census{lanes: len(r.lanes)}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		n, err := r.client.PartitionCount(ctx, r.opt.Topic)
		if err != nil || !c.counted(n) {
			continue
		}
		if !r.quiesce(ctx, min(n, len(r.lanes))) {
			continue
		}
		return r.recutTo(n)
	}
}

// census decides whether a count of partitions is to be acted on.
type census struct{ lanes, fewer int }

func (c *census) counted(n int) bool {
	if n < c.lanes {
		c.fewer++
		return c.fewer >= fewerSeen
	}
	c.fewer = 0
	return n > c.lanes
}

// recutTo ends the run for another number of partitions. The lanes whose
// partitions are there have nothing on its way.
func (r *Relay) recutTo(n int) error {
	counts := []zap.Field{zap.Int("partitions", n), zap.Int("before", len(r.lanes))}
	if n < len(r.lanes) {
		r.opt.Logger.Warn("the events topic was made anew with fewer partitions; what was published before is gone with it, "+
			"what was not is published to where its groups belong now", counts...)
		r.opt.Hooks.topicChanged(FewerPartitions)
		return &fewerError{n}
	}
	if err := r.recutLive(n); err != nil {
		return err
	}
	r.opt.Logger.Warn("the events topic has more partitions; groups move, and keep their order only within each partition", counts...)
	r.opt.Hooks.topicChanged(MorePartitions)
	return errGrown
}

// sayAnewEach keeps each lane's discovery of the same thing from being news.
const sayAnewEach = time.Minute

// madeAnew says that the partition has fewer records than were published to it.
func (r *Relay) madeAnew(partition int) {
	now := r.opt.Now()
	r.mu.Lock()
	said := !r.anew.IsZero() && now.Sub(r.anew).Abs() < sayAnewEach
	if !said {
		r.anew = now
	}
	r.mu.Unlock()
	if said {
		return
	}
	r.opt.Logger.Warn("the events topic was made anew, or has lost its end; what was published before is gone with it, "+
		"what is unsettled is published now", zap.String("topic", r.opt.Topic), zap.Int("partition", partition))
	r.opt.Hooks.topicChanged(MadeAnew)
}

// quiesce waits for a moment at which all has been handed on, stops handing on,
// and waits until nothing is on its way in the first n lanes. On false, handing on
// goes on. It does not stop in the midst of a backlog: its lanes' time stands.
func (r *Relay) quiesce(ctx context.Context, n int) bool {
	within := func(done func() bool) bool {
		ctx, cancel := context.WithTimeout(ctx, quiesceFor)
		defer cancel()
		for !done() {
			if pause(ctx, quiescePoll) != nil {
				return false
			}
		}
		return true
	}
	if !within(func() bool { return r.dispatcher.idle(r.opt.Spool.End(), n) }) {
		return false // a backlog drains first
	}
	r.dispatcher.pause(true)
	if !within(func() bool { return r.settled(n) }) {
		r.dispatcher.pause(false)
		return false
	}
	return true
}

// settled reports whether nothing is on its way in the first n lanes.
func (r *Relay) settled(n int) bool {
	r.dispatcher.mu.Lock()
	defer r.dispatcher.mu.Unlock()
	for _, l := range r.lanes[:n] {
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

// recut cuts a restored state for another topic, or for fewer partitions: the
// streams' memory and what was decided move along, from the lowest position that
// was open. What lies above it and is in the topic already, its tail tells.
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
		for j := range old { // a position is finished whatever lane it is read on
			s.lanes[i].finished.merge(old[j].finished)
		}
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
