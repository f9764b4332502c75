package relay

import (
	"sync"
	"time"
)

// maxRecordSkew is how far below the newest time of receipt a record may lie
// and still be believed. Concurrent callbacks reach the spool within
// milliseconds of their receipt; more than this is a wall clock that was set back.
const maxRecordSkew = 5 * time.Second

// laneClock is the time by which a lane judges how long something has waited.
//
// It follows the times of receipt of the records read: while a backlog drains,
// an hour of disorder is resequenced exactly as it would have been live, not
// given up because the wall clock is an hour ahead. Only when the lane has been
// handed everything there is does it tick, by the monotonic clock, from the
// newest record on. It never goes back, so a wall clock that jumps can neither
// stretch a hold nor stall one.
type laneClock struct {
	mu      sync.Mutex
	now     func() time.Time
	base    int64     // ns; everything received before it has been handed on
	since   time.Time // when base began to tick; zero while it stands
	reached int64     // the latest reading given out
}

// advance moves the clock to the receipt of records that have been handed on,
// and stops its ticking: there may be more to read.
func (c *laneClock) advance(received int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = max(c.base, received, c.reached)
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
	c.base = max(c.base+int64(c.now().Sub(c.since)), c.reached)
	c.reached, c.since = c.base, time.Time{}
}

// read returns the lane's time in ns, and whether it is ticking.
func (c *laneClock) read() (ns int64, ticking bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ns = c.base
	if !c.since.IsZero() {
		ns += int64(c.now().Sub(c.since))
	}
	c.reached = max(c.reached, ns)
	return c.reached, !c.since.IsZero()
}

// receipt returns the time from which a record's hold counts: its time of
// receipt, unless the wall clock was set back meanwhile.
func receipt(received, laneTime int64) int64 {
	if laneTime-received > int64(maxRecordSkew) {
		return laneTime
	}
	return received
}
