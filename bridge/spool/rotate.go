package spool

import (
	"errors"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// This file is how the committer goes from one segment to the next. Its only
// goroutine is the committer's.

// active is the segment in use.
type active struct {
	seg  *segment
	file disk.File
	off  int64
	seed uint32
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
	c.givenUpLine.Error(c.spool.log, c.spool.now(), "segment is given up after a disk error", zap.String("segment", name), zap.Error(err))
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
