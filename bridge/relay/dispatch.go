package relay

import (
	"context"
	"sync"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// Reader yields a source's records in the order of their positions.
// *spool.Reader is one.
type Reader interface {
	// Next blocks until there is a record, and returns up to most of them.
	Next(ctx context.Context, most int) ([]spool.Entry, error)
	// TryNext does not block: it returns none at the end.
	TryNext(most int) ([]spool.Entry, error)
	// Position is that of the record to be read next.
	Position() spool.Position
	// Close lets go of the file that it has open.
	Close() error
}

// dispatcher reads the source once and hands each record to the lane of its
// partition. A lane that has been full for parkAfter while another has room is
// parked: the main reader passes it by, and a second reader, catch-up, serves
// it from where it was left once it has room, until it has caught up with the
// main reader. So a partition that is away for an hour costs the others
// nothing, and no memory: its records stay in the spool.
//
// Each record is handed to its lane exactly once: by main when the lane is not
// parked and the record is not below the lane's from, else by catch-up, which
// moves from along and gives the lane back only when both readers stand at the
// same place.
type dispatcher struct {
	lanes []*lane
	open  func(from spool.Position) Reader

	turn chan struct{} // capacity 1, for main: a lane was given back, a pause ended
	work chan struct{} // capacity 1, for catchUp: a parked lane may have room

	mu     sync.Mutex
	next   spool.Position // main has handed on everything below
	atEnd  bool           // and there was nothing more
	paused bool

	scratch [][]spool.Entry // main's, by lane
}

const (
	// readAtMost is how many records are handed on at a time.
	readAtMost = 512
	// parkAfter is how long one full lane may hold up the others, once.
	parkAfter = 200 * time.Millisecond
)

func newDispatcher(lanes []*lane, open func(spool.Position) Reader) *dispatcher {
	return &dispatcher{lanes: lanes, open: open, turn: make(chan struct{}, 1), work: make(chan struct{}, 1)}
}

// main reads from the lowest position that any lane still needs.
func (d *dispatcher) main(ctx context.Context) error {
	from := d.lanes[0].from
	for _, l := range d.lanes[1:] {
		from = min(from, l.from)
	}
	d.mu.Lock()
	d.next = from
	d.mu.Unlock()
	reader := d.open(from)
	defer reader.Close()
	for {
		entries, err := reader.TryNext(readAtMost)
		if err == nil && len(entries) == 0 {
			d.handedAll(reader.Position())
			entries, err = reader.Next(ctx, readAtMost)
		}
		if err != nil {
			return err
		}
		if err := d.awaitTurn(ctx); err != nil {
			return err
		}
		if err := d.dispatch(ctx, entries, reader.Position()); err != nil {
			return err
		}
	}
}

// awaitTurn waits while every lane is parked, for then handing on would only
// pass by what catch-up has to read again, and while the relay asks for a pause.
func (d *dispatcher) awaitTurn(ctx context.Context) error {
	for d.mustWait() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.turn:
		}
	}
	return ctx.Err()
}

func (d *dispatcher) mustWait() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes {
		if !l.parked {
			return d.paused
		}
	}
	return true
}

// pause stops main from handing on, or lets it go on.
func (d *dispatcher) pause(on bool) {
	d.mu.Lock()
	d.paused = on
	d.mu.Unlock()
	signal(d.turn)
}

// handedAll notes that main stands at the end of the source, at next.
func (d *dispatcher) handedAll(next spool.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moveMain(next, 0)
	d.atEnd = true
	for _, l := range d.lanes {
		if !l.parked {
			l.handedAll()
		}
	}
}

// moveMain notes that main has handed on everything below next. Called with the mutex.
func (d *dispatcher) moveMain(next spool.Position, latest int64) {
	if next == d.next {
		return
	}
	d.next, d.atEnd = next, false
	for _, l := range d.lanes {
		if !l.parked && next > l.from { // else it has had all of this, and more
			l.from = next
			l.handedThrough(next-1, latest)
		}
	}
}

// dispatch hands main's records on.
func (d *dispatcher) dispatch(ctx context.Context, entries []spool.Entry, next spool.Position) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	byLane, latest := d.split(entries)
	for i, l := range d.lanes {
		if err := d.offer(ctx, l, byLane[i]); err != nil {
			return err
		}
	}
	d.moveMain(next, latest)
	return nil
}

// split sorts records by lane, leaving out what a lane has had.
func (d *dispatcher) split(entries []spool.Entry) (byLane [][]spool.Entry, latest int64) {
	if d.scratch == nil {
		d.scratch = make([][]spool.Entry, len(d.lanes))
	}
	for i := range d.scratch {
		d.scratch[i] = d.scratch[i][:0]
	}
	buf := make([]byte, 0, 64)
	for i := range entries {
		e := &entries[i]
		latest = e.Record.ReceivedAt.UnixNano()
		lane := placeOf(e, buf, len(d.lanes))
		if l := d.lanes[lane]; !l.parked && e.Position >= l.from {
			d.scratch[lane] = append(d.scratch[lane], *e)
		}
	}
	return d.scratch, latest
}

// placeOf is the lane of a record among n: the partition of its group.
func placeOf(e *spool.Entry, buf []byte, n int) int {
	return publisher.PartitionFor(schema.Route(e.Record.Body, buf), n)
}

// offer hands a lane its records, or parks it when it stays full while another
// lane could go on. Called with the mutex, which catch-up needs only to give a
// lane back.
func (d *dispatcher) offer(ctx context.Context, l *lane, entries []spool.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for !l.hasRoom() {
		d.standStill()
		full, err := stayedFull(ctx, l)
		if err != nil {
			return err
		}
		if full && d.othersWaitFor(l) {
			d.park(l, entries[0].Position)
			return nil
		}
	}
	l.hand(entries)
	return nil
}

// standStill stops the clocks of all lanes that main serves, while it waits with
// records in its hands: what they hold may wait for one of those. A lane that is
// then parked stands until catch-up moves it on.
func (d *dispatcher) standStill() {
	for _, l := range d.lanes {
		if !l.parked {
			l.clock.stand()
		}
	}
}

func (d *dispatcher) park(l *lane, from spool.Position) {
	l.parked, l.from = true, from
	l.wantsRoom.Store(true)
	signal(d.work)
}

// stayedFull waits for room in a lane, for parkAfter at most.
func stayedFull(ctx context.Context, l *lane) (bool, error) {
	t := time.NewTimer(parkAfter)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return true, ctx.Err()
	case <-l.room:
		return false, nil
	case <-t.C:
		return true, nil
	}
}

func (d *dispatcher) othersWaitFor(full *lane) bool {
	for _, l := range d.lanes {
		if l != full && l.hasRoom() {
			return true
		}
	}
	return false
}

// idle reports whether everything below end that belongs to the first n lanes
// has been handed on.
func (d *dispatcher) idle(end spool.Position, n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes[:n] {
		if l.parked {
			return false
		}
	}
	return d.next >= end
}
