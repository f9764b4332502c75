package relay

import (
	"context"
	"time"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// Stats is a picture of a relay at work.
type Stats struct {
	// Trouble says why there are no lanes yet; nil once there are.
	Trouble error
	Lanes   []LaneStats
	// Publishing is how each partition in use goes, of every topic.
	Publishing []publisher.Status
	// Resequence is the sum over the lanes; Hold is the longest in force.
	Resequence resequence.Stats
}

// LaneStats is a picture of one partition's lane.
type LaneStats struct {
	Partition int
	Open      int       // records handed in and not finished
	Queued    int64     // bytes between the spool and Kafka, what is held apart
	Oldest    time.Time // receipt of the oldest open record; zero = none
	Parked    bool      // served from the spool, because it was full for long
	Trouble   error     // why the partition's tail cannot be read; nil otherwise
}

// Stats may be called at any time, from any goroutine.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	lanes, trouble, client := r.lanes, r.trouble, r.client
	r.mu.Unlock()
	s := Stats{Trouble: trouble, Lanes: make([]LaneStats, len(lanes))}
	if client != nil {
		s.Publishing = client.Statuses()
	}
	for i, l := range lanes {
		s.Lanes[i] = l.stats(&s.Resequence)
	}
	return s
}

func (l *lane) stats(sum *resequence.Stats) LaneStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(sum, l.buffer.Stats())
	s := LaneStats{
		Partition: l.id, Open: l.unsettled.open, Queued: l.queued,
		Parked: l.wantsRoom.Load(), Trouble: l.trouble,
	}
	if _, received, open := l.unsettled.low(); open {
		s.Oldest = time.Unix(0, received).UTC()
	}
	return s
}

func add(sum *resequence.Stats, s resequence.Stats) {
	sum.Held += s.Held
	sum.HeldBytes += s.HeldBytes
	sum.Waiting += s.Waiting
	sum.Streams += s.Streams
	sum.StateBytes += s.StateBytes
	sum.InOrder += s.InOrder
	sum.AfterHole += s.AfterHole
	sum.Late += s.Late
	sum.Unsequenced += s.Unsequenced
	sum.Resets += s.Resets
	sum.Duplicates += s.Duplicates
	sum.Missing += s.Missing
	sum.Filled += s.Filled
	sum.Evicted += s.Evicted
	sum.GivenUp.Timeout += s.GivenUp.Timeout
	sum.GivenUp.Items += s.GivenUp.Items
	sum.GivenUp.Bytes += s.GivenUp.Bytes
	sum.GivenUp.Budget += s.GivenUp.Budget
	sum.GivenUp.Restart += s.GivenUp.Restart
	sum.Hold = max(sum.Hold, s.Hold)
}

func (r *Relay) setTrouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = err
}

// drainPoll is how often Drain looks.
const drainPoll = 5 * time.Millisecond

// Drain waits until everything in the spool is in Kafka but what the
// resequencer holds, which a stop must not give up early. It returns how many
// records are left when ctx ends. The relay must be running.
func (r *Relay) Drain(ctx context.Context) (left int) {
	return r.await(ctx, (*lane).unheld)
}

// Settle is Drain with what is held: it waits until that has left in its own time.
func (r *Relay) Settle(ctx context.Context) (left int) {
	return r.await(ctx, (*lane).open)
}

func (r *Relay) await(ctx context.Context, count func(*lane) int) (left int) {
	for {
		left = r.left(count)
		if left == 0 || pause(ctx, drainPoll) != nil {
			return left
		}
	}
}

// left counts the records that are not handed to a lane, and those of the lanes.
func (r *Relay) left(count func(*lane) int) int {
	r.mu.Lock()
	lanes, d := r.lanes, r.dispatcher
	r.mu.Unlock()
	first, end := r.opt.Spool.First(), r.opt.Spool.End()
	if d == nil {
		return int(end - first)
	}
	left := d.unread(end)
	for _, l := range lanes {
		left += count(l)
	}
	return left
}

// unheld counts the open records that the resequencer does not hold.
func (l *lane) unheld() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsettled.open - l.buffer.Stats().Held
}

func (l *lane) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsettled.open
}

// unread counts the records that main has not handed on; those of parked lanes
// count as one, for only reading them would tell how many they are.
func (d *dispatcher) unread(end spool.Position) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	if d.next < end {
		n = int(end - d.next)
	}
	for _, l := range d.lanes {
		if l.parked {
			n++
		}
	}
	return n
}

// reread reads one record again.
func (r *Relay) reread(p spool.Position) (spool.Record, error) {
	reader := r.opt.Spool.NewReader(p)
	defer reader.Close()
	entries, err := reader.TryNext(1)
	if err != nil {
		return spool.Record{}, err
	}
	if len(entries) == 0 || entries[0].Position != p {
		return spool.Record{}, &GoneError{Position: p}
	}
	return entries[0].Record, nil
}

// GoneError says that a record which is not settled is no longer in the spool.
type GoneError struct{ Position spool.Position }

func (e *GoneError) Error() string {
	return "an unsettled record is no longer in the spool; run spool verify"
}
