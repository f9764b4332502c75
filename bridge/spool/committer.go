package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
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
}

// active is the segment in use.
type active struct {
	seg  *segment
	file disk.File
	off  int64
	seed uint32
}

func newCommitter(s *Spool) *committer {
	return &committer{
		spool: s, queue: s.queue,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run commits until stop. A queue that was closed lets nothing new in, so
// what take returns then is the last.
func (c *committer) run() {
	defer close(c.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait := c.wait(); wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-c.queue.kick:
		case <-timer.C:
		case <-c.stop:
			c.drain()
			c.finish()
			return
		}
		c.tick()
		c.drain()
	}
}

// drain commits until nothing is left that formed.
func (c *committer) drain() {
	for g := c.queue.take(); g != nil; g = c.queue.take() {
		c.commit(g)
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
	if errors.Is(c.refusing, ErrFull) && !c.spool.room.eased() {
		return
	}
	if c.active == nil {
		if err := c.create(0); err != nil {
			c.refuse(err, nil)
			return
		}
	}
	c.refusing = nil
	c.queue.resume()
	c.spool.holdReserve()
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

// ensure makes sure that need bytes can be written to the segment in use, and
// that the next position is one that was never used.
func (c *committer) ensure(need int64) error {
	c.floor = max(c.floor, c.spool.jump())
	if a := c.active; a != nil {
		if a.off+need <= a.seg.size && c.end >= c.floor {
			return nil
		}
		if err := c.leave(); err != nil {
			return err
		}
	}
	return c.create(need)
}

// leave gives up the segment in use because it is full. Its last group must
// be durable before a successor says that it is.
func (c *committer) leave() error {
	if c.dirty || c.spool.opts.Durability == Memory {
		if err := c.active.file.Sync(); err != nil {
			c.abandon(err)
			return err
		}
		c.dirty = false
	}
	c.close()
	return nil
}

// close lets go of the segment in use. Nothing is written to it any more.
func (c *committer) close() {
	if err := c.active.file.Close(); err != nil {
		c.spool.log.Warn("segment could not be closed", zap.String("segment", c.active.seg.name), zap.Error(err))
	}
	c.active = nil
}

// drop lets go of the segment in use when Open fails.
func (c *committer) drop() {
	if c.active != nil {
		c.close()
	}
}

// abandon gives up the segment in use because of a disk error. After a
// failed fsync the system may call pages clean that never reached the disk,
// so nothing is written to it or synced again; its last good group is where
// the next segment's header says that it ends, whatever else is in it.
func (c *committer) abandon(err error) {
	name := c.active.seg.name
	c.close()
	c.dirty = false
	if !noSpace(err) {
		c.spool.event(EventPoisoned)
	}
	c.spool.log.Error("segment is given up after a disk error", zap.String("segment", name), zap.Error(err))
}

// create makes the next segment, with room for need bytes of frames, and
// makes it the one in use. Its id is used up even where that fails.
func (c *committer) create(need int64) error {
	s := c.spool
	salt, err := newSalt()
	if err != nil {
		return err
	}
	c.floor = max(c.floor, s.jump())
	c.lastID++
	h := header{
		id: c.lastID, salt: salt, base: max(c.end, c.floor), prevEnd: c.end, prevSound: c.end,
		created: s.now().UnixNano(), mode: s.opts.Durability,
	}
	if c.newest != nil {
		h.prevID, h.prevSound = c.newest.head.id, c.newest.sound
	}
	b, err := c.blank(headerBytes + need)
	if err != nil {
		return err
	}
	h.size = b.size
	if err := b.become(s.fs, s.opts.Dir, h); err != nil {
		// It may be there under its own name: nothing counts in it, its
		// successor has the same predecessor and the same base.
		_ = s.fs.Remove(filepath.Join(s.opts.Dir, segmentName(h.id, h.base)))
		s.room.give(b.size)
		return errors.Join(err, b.discard(s.fs))
	}
	seg := newSegment(h, b.size)
	c.active = &active{seg: seg, file: b.file, off: headerBytes, seed: h.seed()}
	c.newest = seg
	c.end = h.base
	s.addSegment(seg)
	s.event(EventRotated)
	return nil
}

// blank returns a zero-filled file of at least least bytes: the one that was
// prepared, else a small one, quickly made.
func (c *committer) blank(least int64) (*blank, error) {
	s := c.spool
	if b := s.preparer.pick(); b != nil {
		if b.size >= least {
			return b, nil
		}
		s.room.give(b.size)
		if err := b.discard(s.fs); err != nil {
			return nil, err
		}
	}
	least = max(least, min(minSegmentBytes, s.opts.SegmentBytes))
	size, err := s.room.take(max(least, min(initialBytes, s.opts.SegmentBytes)), least)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(s.opts.Dir, blankPrefix+"now-"+segmentName(c.lastID, 1)+tmpSuffix)
	b, err := makeBlank(s.fs, name, size, nil)
	if err != nil {
		s.room.give(size)
		return nil, err
	}
	return b, nil
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
		c.spool.log.Warn("disk is slow to sync", zap.Duration("took", took), zap.Int("records", g.count))
	}
}

// finish marks the log as closed in good order and gives back the zeros that
// were not used. Everything is durable without it.
func (c *committer) finish() {
	if c.active == nil {
		return
	}
	if err := c.seal(); err != nil {
		c.spool.log.Warn("segment could not be sealed", zap.String("segment", c.active.seg.name), zap.Error(err))
	}
	c.close()
}

func (c *committer) seal() error {
	a := c.active
	end := a.off
	if end+frameHeader <= a.seg.size {
		var b [frameHeader]byte
		f := frame{kind: kindSeal, position: uint64(c.end)}
		f.put(b[:], a.seed)
		if _, err := a.file.WriteAt(b[:], end); err != nil {
			return err
		}
		end += frameHeader
	}
	if err := a.file.Truncate(end); err != nil {
		return err
	}
	return a.file.Sync()
}
