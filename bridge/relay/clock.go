package relay

import (
	"sync"
	"time"
)

// maxRecordSkew is how far below the lane's time a record's receipt may lie and
// still be believed. Concurrent callbacks reach the spool within milliseconds of
// their receipt; more than this is a wall clock that was set back.
const maxRecordSkew = 5 * time.Second

// laneClock is the time by which a lane judges how long something has waited.
//
// It follows the times of receipt of the records read: while a backlog drains,
// an hour of disorder is resequenced exactly as it would have been live, not
// given up because the wall clock is an hour ahead. Only when the lane has been
// handed everything there is does it tick, by the monotonic clock, from the
// newest record on. It never goes back. When the wall clock is set back, the times
// of receipt are moved on from then by as much: else no record would move the lane's
// time until the wall clock has come back to where it was, and as long as callbacks
// come, so that it hardly ticks, a hold would last until then.
type laneClock struct {
	mu      sync.Mutex
	now     func() time.Time
	base    int64     // ns; everything received before it has been handed on
	since   time.Time // when base began to tick; zero while it stands
	reached int64     // the latest reading given out
	placed  int64     // the latest time of a record
	behind  int64     // by how much the wall clock has been set back in all
}

// place returns the lane's time of a record that is handed on now: its time of
// receipt, as long as the wall clock is not set back. The records of a lane are
// placed in their order.
func (c *laneClock) place(received int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.placeLocked(received)
}

func (c *laneClock) placeLocked(received int64) int64 {
	at := received + c.behind
	if now := max(c.readingLocked(), c.placed); now-at > int64(maxRecordSkew) {
		c.behind += now - at
		at = now
	}
	c.placed = max(c.placed, at)
	return at
}

// advance moves the clock to the receipt of the last record that has been handed
// on, to whatever lane, 0 where there was none, and stops its ticking: there may be
// more to read. The last one and not the newest: before it, the wall clock may have
// been set back.
func (c *laneClock) advance(received int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if received != 0 {
		c.placeLocked(received)
	}
	c.base = max(c.base, c.placed, c.reached)
	c.since = time.Time{}
}

// tick lets the clock run: there is nothing more to read. It reports whether
// the clock stood before.
func (c *laneClock) tick() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.since.IsZero() {
		return false
	}
	c.since = c.now()
	return true
}

// stand stops the clock where it is: there is something to read that the lane is
// not handed now.
func (c *laneClock) stand() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return
	}
	c.base = max(c.readingLocked(), c.reached)
	c.reached, c.since = c.base, time.Time{}
}

// read returns the lane's time in ns, and whether it is ticking.
func (c *laneClock) read() (ns int64, ticking bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached = max(c.reached, c.readingLocked())
	return c.reached, !c.since.IsZero()
}

// look is read for whoever only looks: no reading is given out.
func (c *laneClock) look() (ns int64, ticking bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.reached, c.readingLocked()), !c.since.IsZero()
}

func (c *laneClock) readingLocked() int64 {
	if c.since.IsZero() {
		return c.base
	}
	return c.base + int64(c.now().Sub(c.since))
}
