package relay

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// lane carries the records of one Kafka partition: from the dispatcher, through
// its own resequencer, to its own partition. Lanes share nothing that one could
// hold up for another, so a partition without a leader stops only its groups.
//
// Two goroutines work on it: order takes records in and decides, send publishes
// what was decided. The dispatcher only hands in.
type lane struct {
	id        int
	relay     *Relay
	partition *publisher.Partition
	clock     laneClock

	wake  chan struct{} // capacity 1: there is work for order
	ready chan struct{} // capacity 1: there is work for send
	room  chan struct{} // capacity 1: the dispatcher may hand in again

	reader     recordReader // of the order goroutine alone
	scratch    []verdict    // of the order goroutine alone
	parcel     parcel       // of the send goroutine alone
	announcing []decision   // of the send goroutine alone

	dispatcher *dispatcher
	wantsRoom  atomic.Bool // parked: catch-up waits for room

	// Guarded by the dispatcher's mutex.
	parked bool           // the dispatcher passes this lane by; catch-up serves it
	from   spool.Position // the next position to be handed to this lane

	mu        sync.Mutex
	inbox     []arrival
	buffer    *buffer
	unsettled unsettled
	out       []*outgoing // decided, in order, not in flight
	inflight  []*outgoing // announced, not settled; in the order of the batch
	identity  publisher.Identity
	announced int              // so many of inflight, from the first, were announced under identity
	refused   []decision       // Kafka never takes them; on their way to the dead letters
	queued    int64            // bytes in inbox, out and inflight
	finished  []spool.Position // not yet written to the checkpoint
	through   spool.Position   // everything up to here that is this lane's was handed in
	next      int64            // offset after the last settled record; -1 until known
	laneTime  int64            // the latest time given to buffer
	replay    *replay          // nil once nothing that the former run handled can come any more
	holding   bool             // order waits for a deadline and wants to see time pass
	trouble   error            // why the partition's tail cannot be read; nil otherwise
	recent    recent           // for whoever asks after a group
}

func newLane(r *Relay, id, lanes int, s *laneState) *lane {
	return &lane{
		id: id, relay: r, partition: r.client.Partition(r.opt.Topic, id),
		clock: laneClock{now: r.opt.Now},
		wake:  make(chan struct{}, 1), ready: make(chan struct{}, 1), room: make(chan struct{}, 1),
		from: s.low, through: max(s.low, 1) - 1, next: s.next,
		buffer: s.buffer, replay: newReplay(s), recent: newRecent(lanes),
	}
}

// arrival is a record as it was handed to a lane.
type arrival struct {
	spool.Entry
	at int64 // its receipt in the lane's time, ns
}

// signal leaves a note in a channel of capacity 1; a note that is already there
// serves as well, so that no wake-up is lost and none blocks.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hasRoom reports whether the dispatcher may hand in more.
func (l *lane) hasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hasRoomLocked()
}

// hasRoomLocked lets in, besides what fits the bound, all that a restart still
// has to load: the former run held it in memory too, and nothing can leave
// before it is complete.
func (l *lane) hasRoomLocked() bool {
	return l.queued < l.relay.laneBytes || (l.replay != nil && l.replay.loading())
}

// hand gives the lane records of its partition, in order.
func (l *lane) hand(entries []spool.Entry) {
	l.mu.Lock()
	for i := range entries {
		e := &entries[i]
		received := e.Record.ReceivedAt.UnixNano()
		l.unsettled.add(e.Position, received)
		l.queued += recordSize(&e.Record)
		l.inbox = append(l.inbox, arrival{Entry: *e, at: l.clock.place(received)})
	}
	l.mu.Unlock()
	signal(l.wake)
}

// handedThrough tells the lane that it has been handed all of its records up to
// p, the last of the spool below it having been received at received.
func (l *lane) handedThrough(p spool.Position, received int64) {
	l.clock.advance(received)
	l.mu.Lock()
	l.through = max(l.through, p)
	wants := l.holding || l.replay != nil
	l.mu.Unlock()
	if wants {
		signal(l.wake)
	}
}

// handedAll tells the lane that there is nothing more to read for now.
func (l *lane) handedAll() {
	if l.clock.tick() {
		signal(l.wake)
	}
}

// low is the lowest position that this lane has not finished; everything below
// it that was ever the lane's is settled, dead-lettered or dropped.
func (l *lane) lowLocked() spool.Position {
	if p, _, open := l.unsettled.low(); open {
		return p
	}
	return l.through + 1
}

// order is the lane's first goroutine: it takes records in, puts them in order
// and passes on what may leave.
func (l *lane) order(ctx context.Context) error {
	for ctx.Err() == nil {
		// The time is read before the inbox is taken: whatever was received
		// before it is then in what is taken, and nothing is given up whose
		// missing neighbour lies unread.
		laneTime, ticking := l.clock.read()
		entries, through, all := l.take()
		if !all {
			laneTime = 0 // the time of what is left in the inbox has not come yet
		}
		if err := l.decide(ctx, entries, through, laneTime); err != nil {
			return err
		}
		if len(entries) == 0 {
			l.await(ctx, laneTime, ticking)
		}
	}
	return nil
}

// takeAtMost bounds how many records are worked on before decisions leave.
const takeAtMost = 256

// take takes records from the inbox, and says up to which position the lane
// then has taken all of its own, and whether that was the whole inbox.
func (l *lane) take() (entries []arrival, through spool.Position, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.inbox), takeAtMost)
	entries = append(entries, l.inbox[:n]...)
	clear(l.inbox[:n]) // what has been taken must not be kept alive by what waits
	l.inbox = l.inbox[n:]
	if len(l.inbox) == 0 {
		l.inbox = nil
		return entries, l.through, true
	}
	return entries, l.inbox[0].Position - 1, false
}

// decide reads the records and lets the resequencer judge them and what it held.
func (l *lane) decide(ctx context.Context, entries []arrival, through spool.Position, laneTime int64) error {
	outs := make([]*outgoing, 0, len(entries))
	for i := range entries {
		o, err := l.read(ctx, &entries[i].Entry)
		if err != nil {
			return err
		}
		if o != nil {
			o.at = entries[i].at
			outs = append(outs, o)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ds := l.scratch[:0]
	for _, o := range outs {
		if l.replay != nil && l.replayLocked(o) {
			continue
		}
		l.queued -= o.recordBytes
		l.laneTime = max(l.laneTime, o.at)
		ds = l.buffer.Push(l.laneTime, o.item(), ds)
	}
	// Each record was judged at its own time; only now has the time come to which
	// everything has been taken.
	l.laneTime = max(l.laneTime, laneTime)
	ds = l.buffer.Expire(l.laneTime, ds)
	for i := range ds {
		l.passLocked(&ds[i])
	}
	clear(ds)
	l.scratch = ds[:0]
	if l.replay != nil {
		l.advanceReplayLocked(through)
	}
	l.wakeSendLocked()
	return nil
}

// await waits until there is something to decide.
func (l *lane) await(ctx context.Context, laneTime int64, ticking bool) {
	l.mu.Lock()
	deadline, held := l.buffer.NextDeadline()
	l.holding = held
	l.mu.Unlock()
	var expired <-chan time.Time
	if held && ticking {
		t := time.NewTimer(time.Duration(max(deadline-laneTime, 0)) + timerSlack)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-ctx.Done():
	case <-l.wake:
	case <-expired:
	}
}

// timerSlack makes a timer fire just after the deadline and not just before it.
const timerSlack = 100 * time.Microsecond

// passLocked takes one decision over: into the queue of what is sent, or, for a
// duplicate, out of the books.
func (l *lane) passLocked(d *verdict) {
	o := d.Item.Value
	l.relay.opt.Hooks.decided(d)
	l.recent.decided(d)
	if d.Verdict == resequence.Duplicate {
		l.finishLocked(o.position)
		return
	}
	o.decide(d)
	l.enqueueLocked(o)
}

func (l *lane) enqueueLocked(o *outgoing) {
	l.out = append(l.out, o)
	l.queued += o.size()
}

// finishLocked closes a position for good.
func (l *lane) finishLocked(p spool.Position) {
	l.refused = slices.DeleteFunc(l.refused, func(d decision) bool { return d.position == p })
	if _, open := l.unsettled.finish(p); open {
		l.finished = append(l.finished, p)
	}
}

// finish closes a position that left the lane by another way than its partition.
func (l *lane) finish(p spool.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finishLocked(p)
}

func (l *lane) wakeSendLocked() {
	if l.openLocked() {
		signal(l.ready)
	}
	if l.hasRoomLocked() {
		signal(l.room)
		if l.wantsRoom.Load() {
			signal(l.dispatcher.work)
		}
	}
}

// read reads a record into an event on its way, or sends it aside: unreadable
// ones to the dead letters, other commands to their topic. nil, nil: it went.
func (l *lane) read(ctx context.Context, e *spool.Entry) (*outgoing, error) {
	o, letter := l.reader.read(e)
	if o != nil {
		return o, nil
	}
	l.mu.Lock()
	l.queued -= recordSize(&e.Record)
	went := l.finishedBefore(e.Position)
	l.mu.Unlock()
	if went {
		l.finish(e.Position)
		return nil, nil
	}
	topic := l.relay.deadLetters
	if letter.reason == "" {
		topic = l.relay.callbacks
	}
	if topic == nil {
		l.finish(e.Position)
		return nil, nil
	}
	letter.lane = l
	return nil, topic.send(ctx, letter)
}

// finishedBefore reports whether the former run had finished a position. Called
// with the mutex.
func (l *lane) finishedBefore(p spool.Position) bool {
	return l.replay != nil && l.replay.finished.has(p)
}

func recordSize(r *spool.Record) int64 { return int64(len(r.Body) + len(r.Query) + recordOverhead) }

// recordOverhead is about what a record takes in memory beside its bytes. It is
// that of the event which it becomes, so that a lane that is full does not grow
// by working.
const recordOverhead = outgoingOverhead

func (l *lane) logger() *zap.Logger {
	return l.relay.opt.Logger.With(zap.Int("partition", l.id))
}
