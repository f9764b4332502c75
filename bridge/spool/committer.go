package spool

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
)

const (
	// storeAttempts is how many segments are tried for one group before its
	// appends are refused.
	storeAttempts = 3
	// freeEvery is how often MinFree is looked at while records come.
	freeEvery = 250 * time.Millisecond
	// fullEvery and poisonedEvery are how often a spool that refuses tries
	// whether it can store again.
	fullEvery     = 250 * time.Millisecond
	poisonedEvery = time.Second
	// slowSync is when a sync is worth a warning.
	slowSync = time.Second
)

// committer is the one goroutine that writes segments. It takes the group
// that formed, writes and syncs it, shows it to readers, answers its appends,
// and takes the next one.
type committer struct {
	spool *Spool
	queue *queue
	stop  chan struct{} // closed: commit what has formed, then end
	done  chan struct{}

	writing atomic.Int64 // since when the disk is at work for a group or a trial, Unix ns; 0: it is not
	overdue *time.Timer  // says so where it stays at it

	// Only the goroutine touches what follows (and Open, before it starts).
	active *active  // nil: the next group needs a new segment
	newest *segment // the one that a new segment follows; nil in an empty spool
	end    Position // of the log: the next position, unless a jump is asked for
	floor  Position // positions below it may have been used in an earlier life
	lastID uint64   // no segment id above it was ever used

	refusing error     // why appends are refused; nil: they are not
	since    time.Time // of a poisoned disk
	dirty    bool      // under Interval: written and not synced
	synced   time.Time // the last sync
	looked   time.Time // MinFree

	slowLine, stuckLine, givenUpLine loglimit.Limit
}

func newCommitter(s *Spool) *committer {
	c := &committer{
		spool: s, queue: s.queue,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	c.overdue = time.AfterFunc(StuckAfter, c.stuck)
	c.overdue.Stop()
	return c
}

// stuck runs beside a write that does not end.
func (c *committer) stuck() {
	if err := c.spool.Err(); err != nil {
		c.stuckLine.Error(c.spool.log, c.spool.now(), "disk does not answer", zap.Error(err))
	}
}

// begins and ends are around all that the disk may take its time for.
func (c *committer) begins() {
	c.writing.Store(c.spool.now().UnixNano())
	c.overdue.Reset(StuckAfter)
}

func (c *committer) ends() {
	c.overdue.Stop()
	c.writing.Store(0)
}

// run commits until stop. A queue that was closed lets nothing new in, so
// what take returns then is the last.
func (c *committer) run() {
	defer close(c.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var due <-chan time.Time // nil: nothing is due
		if wait := c.wait(); wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-c.queue.kick:
		case <-due:
		case <-c.stop:
			c.drain()
			c.finish()
			return
		}
		c.begins()
		c.tick()
		c.ends()
		c.drain()
	}
}

// drain commits until nothing is left that formed.
//
// Before it takes a group it lets everyone run who can run at once: those that
// the last group answered, and those that are about to append. Without that the
// scheduler puts the committer before all of them, the first append of a group
// is its only one, and under load a sync is paid for a handful of records. With
// nobody to let run, as when appends are rare, it costs nothing.
func (c *committer) drain() {
	for {
		runtime.Gosched()
		g := c.queue.take()
		if g == nil {
			return
		}
		c.begins()
		c.commit(g)
		c.ends()
	}
}

// wait is how long the committer may sleep when nothing comes; 0 is for ever.
func (c *committer) wait() time.Duration {
	switch {
	case c.refusing == nil && c.dirty:
		return max(SyncEvery-c.spool.now().Sub(c.synced), time.Millisecond)
	case c.refusing == nil:
		return 0
	case errors.Is(c.refusing, ErrFull):
		return fullEvery
	default:
		return poisonedEvery
	}
}

// tick does what is due without an append: the sync of Interval, and the
// trial whether a spool that refuses can store again.
func (c *committer) tick() {
	if c.refusing == nil {
		if c.dirty && c.spool.now().Sub(c.synced) >= SyncEvery {
			if err := c.sync(); err != nil {
				c.abandon(err)
			}
		}
		return
	}
	if errors.Is(c.refusing, ErrFull) {
		if !c.spool.eased() {
			return
		}
		c.spool.holdReserve() // first, so that it is there when it is needed next
	}
	if c.active == nil {
		if err := c.create(0); err != nil {
			c.refuse(err, nil)
			return
		}
	}
	c.refusing = nil
	c.queue.resume()
	c.spool.event(EventResumed)
	c.spool.log.Info("spool stores again")
}

// commit stores one group and answers its appends, in up to storeAttempts
// segments. A group is either durable in one segment, and then void in all
// that it was tried in before, or refused.
func (c *committer) commit(g *group) {
	if c.refusing != nil {
		g.settle(c.refusing)
		return
	}
	if err := c.lowWater(); err != nil {
		c.refuse(err, g)
		return
	}
	for attempt := 1; ; attempt++ {
		started := c.spool.now()
		err := c.store(g)
		if err == nil {
			took := c.spool.now().Sub(started)
			c.queue.reuse(g.own())
			c.spool.publish(g)
			g.settle(nil)
			c.report(g, took)
			return
		}
		if errors.Is(err, ErrFull) || noSpace(err) || attempt == storeAttempts {
			c.refuse(err, g)
			return
		}
	}
}

// store makes g durable as the durability mode has it.
func (c *committer) store(g *group) error {
	if g.records > 0 {
		g.buf = g.buf[:g.records] // tried before
	}
	if err := c.ensure(int64(len(g.buf)) + frameHeader); err != nil {
		return err
	}
	a := c.active
	g.finish(c.end, a.seed)
	if _, err := a.file.WriteAt(g.buf, a.off); err != nil {
		c.abandon(err)
		return err
	}
	c.dirty = true
	if c.spool.opts.Durability == Fsync || c.spool.opts.Durability == Interval && c.spool.now().Sub(c.synced) >= SyncEvery {
		if err := c.sync(); err != nil {
			c.abandon(err)
			return err
		}
	}
	g.seg, g.off = a.seg, a.off
	a.off += int64(len(g.buf))
	c.end = g.end()
	if a.off >= a.seg.size/8 {
		c.spool.preparer.ask(c.spool.opts.SegmentBytes)
	}
	return nil
}

// sync is one fdatasync of the segment in use.
func (c *committer) sync() error {
	if c.spool.opts.Durability == Memory {
		return nil
	}
	err := c.active.file.Sync()
	c.dirty = false
	c.synced = c.spool.now()
	return err
}

// lowWater looks at MinFree, now and then.
func (c *committer) lowWater() error {
	now := c.spool.now()
	if now.Sub(c.looked) < freeEvery {
		return nil
	}
	c.looked = now
	return c.spool.room.low()
}

// refuse answers g (which may be nil), what has formed and all that come with
// why nothing can be stored, until tick finds that it can.
func (c *committer) refuse(err error, g *group) {
	s := c.spool
	was := c.refusing
	if noSpace(err) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	kind := EventFull
	if !errors.Is(err, ErrFull) {
		kind = EventPoisoned
		if was == nil || errors.Is(was, ErrFull) {
			c.since = s.now()
		}
		err = &PoisonedError{File: s.opts.Dir, Since: c.since, Err: err}
	}
	c.refusing = err
	formed := c.queue.stop(err)
	for _, refused := range []*group{g, formed} {
		if refused != nil {
			refused.settle(err)
		}
	}
	if was == nil || errors.Is(was, ErrFull) != errors.Is(err, ErrFull) {
		s.event(kind)
		s.log.Error("spool refuses records", zap.Error(err))
	}
}

// report tells of a stored group.
func (c *committer) report(g *group, took time.Duration) {
	if h := c.spool.opts.Hooks.Synced; h != nil {
		h(g.count, len(g.buf), took)
	}
	if took > slowSync {
		c.slowLine.Warn(c.spool.log, c.spool.now(), "disk is slow to sync", zap.Duration("took", took), zap.Int("records", g.count))
	}
}
