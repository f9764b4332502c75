package relay

import (
	"context"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// catchUp serves the parked lanes that have room again, several in one pass
// over the spool, from the lowest position that one of them needs.
func (d *dispatcher) catchUp(ctx context.Context) error {
	for {
		served, from := d.parkedWithRoom()
		if len(served) > 0 {
			if err := d.serve(ctx, served, d.open(from)); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.work:
		}
	}
}

func (d *dispatcher) parkedWithRoom() (served map[int]*lane, from spool.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	served = map[int]*lane{}
	for i, l := range d.lanes {
		if !l.parked || !l.hasRoom() {
			continue
		}
		if len(served) == 0 || l.from < from {
			from = l.from
		}
		served[i] = l
	}
	return served, from
}

// serve reads on until it stands where main stands, or every lane it serves is
// full again.
func (d *dispatcher) serve(ctx context.Context, served map[int]*lane, reader Reader) error {
	defer reader.Close()
	for len(served) > 0 && !d.giveBack(served, reader.Position()) {
		entries, err := reader.TryNext(readAtMost)
		if err != nil {
			return err
		}
		byLane, latest := splitFor(served, len(d.lanes), entries)
		for i, l := range served {
			done, err := d.feed(ctx, l, byLane[i])
			if err != nil {
				return err
			}
			if !done {
				delete(served, i)
			}
		}
		d.moveOn(served, reader.Position(), latest)
	}
	return nil
}

// giveBack returns the lanes to main if there is nothing between the two readers.
func (d *dispatcher) giveBack(served map[int]*lane, at spool.Position) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at < d.next {
		return false
	}
	for _, l := range served {
		l.parked, l.from = false, max(l.from, at)
		l.wantsRoom.Store(false)
		if d.atEnd {
			l.handedAll() // main has nothing to hand on that would tell it
		}
	}
	signal(d.turn)
	return true
}

func splitFor(served map[int]*lane, lanes int, entries []spool.Entry) (byLane map[int][]spool.Entry, latest int64) {
	byLane = map[int][]spool.Entry{}
	buf := make([]byte, 0, 64)
	for i := range entries {
		e := &entries[i]
		latest = e.Record.ReceivedAt.UnixNano()
		lane := placeOf(e, buf, lanes)
		if l, ok := served[lane]; ok && e.Position >= l.from {
			byLane[lane] = append(byLane[lane], *e)
		}
	}
	return byLane, latest
}

// feed hands a parked lane its records; false when it is full again, with from
// left at the first record that it did not get.
func (d *dispatcher) feed(ctx context.Context, l *lane, entries []spool.Entry) (bool, error) {
	if len(entries) == 0 {
		return true, nil
	}
	for !l.hasRoom() {
		full, err := stayedFull(ctx, l)
		if err != nil {
			return false, err
		}
		if full {
			d.mu.Lock()
			l.from = entries[0].Position
			d.mu.Unlock()
			return false, nil
		}
	}
	l.hand(entries)
	return true, nil
}

func (d *dispatcher) moveOn(served map[int]*lane, at spool.Position, latest int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range served {
		if at <= l.from {
			continue // it has had all of this
		}
		l.from = at
		l.handedThrough(l.from-1, latest)
	}
}
