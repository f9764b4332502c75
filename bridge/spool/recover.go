package spool

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// recover finds out what is stored, and makes a new segment to go on in. Only
// the newest segment is read through: what is in the others, and where they
// end, is known from their successors' headers. No segment of an earlier life
// is ever written to again, but for zeros that are cut off: what looks like a
// torn tail stays in the file, behind the end that the new segment's header
// sets, until the file is released.
func (s *Spool) recover() error {
	l, err := list(s.fs, s.opts.Dir)
	if err != nil {
		return err
	}
	for _, name := range l.left {
		if err := s.fs.Remove(filepath.Join(s.opts.Dir, name)); err != nil {
			return fmt.Errorf("remove left-over file: %w", err)
		}
	}
	for _, f := range l.damaged {
		s.quarantined++
		s.keptBytes += f.Size
	}
	s.forAppend.size, s.forRewrite.size = l.reserved[appendReserve], l.reserved[rewriteReserve]
	c := s.committer
	c.lastID = l.lastID
	if err := s.setAsideHeadless(&l); err != nil {
		return err
	}
	for _, f := range l.segments {
		if f.damage != nil {
			s.log.Warn("one copy of a segment's header is damaged, the other is used", zap.Error(f.damage))
		}
		s.room.give(-f.size)
	}
	s.segments = l.bounds()
	c.end = 1
	if n := len(s.segments); n > 0 {
		if err := s.recoverNewest(s.segments[n-1]); err != nil {
			return err
		}
	}
	s.end = c.end
	return s.begin()
}

// setAsideHeadless renames segments whose header is gone: without its salt no
// record in one can be told from noise. Their positions stay used.
func (s *Spool) setAsideHeadless(l *listing) error {
	for _, f := range l.headless {
		name := filepath.Join(s.opts.Dir, f.name)
		if err := s.fs.Rename(name, name+damagedSuffix); err != nil {
			return fmt.Errorf("set unreadable segment aside: %w", err)
		}
		s.quarantined++
		s.keptBytes += f.size
		s.damage = f.damage
		s.committer.floor = max(s.committer.floor, f.base+mostRecords(f.size))
		s.event(EventMissing)
		s.log.Error("segment cannot be read and was set aside", zap.String("kept", f.name+damagedSuffix), zap.Error(f.damage))
	}
	return nil
}

// mostRecords bounds the records that a segment of size bytes can hold.
func mostRecords(size int64) Position { return Position(size/frameHeader) + 1 }

// recoverNewest reads the newest segment through and says where the log ends.
func (s *Spool) recoverNewest(seg *segment) error {
	file, err := s.fs.OpenWrite(filepath.Join(s.opts.Dir, seg.name))
	if err != nil {
		return err
	}
	t, err := s.readNewest(seg, file)
	if err == nil && t.used < seg.size {
		if terr := file.Truncate(t.used); terr == nil {
			s.room.give(seg.size - t.used)
			seg.size = t.used
		}
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	seg.end, seg.sound, seg.bytes, seg.sealed = t.end, t.sound, t.bytes, true
	s.lost += t.lost
	seg.lost = t.sound
	c := s.committer
	c.end, c.newest = t.end, seg
	if seg.head.mode != Fsync && !t.sealed {
		// What was handed to readers may be lost: its positions are used.
		c.floor = max(c.floor, t.end+mostRecords(seg.head.size))
	}
	s.reportTail(seg, &t)
	return nil
}

// readNewest makes durable what a killed process left in the system's memory,
// before any of it is shown; and reads from the disk, not from memory, since
// memory may hold what an earlier fsync failed to write.
func (s *Spool) readNewest(seg *segment, file disk.File) (tail, error) {
	if err := file.Sync(); err != nil {
		return tail{}, err
	}
	if err := file.Forget(); err != nil {
		s.log.Warn("segment is read from memory, not from the disk", zap.Error(err))
	}
	patient := &patientFile{file: file, stop: s.closing}
	return readTail(patient, seg.name, &seg.head, seg.size)
}

func (s *Spool) reportTail(seg *segment, t *tail) {
	if len(t.damage) > 0 {
		for _, d := range t.damage {
			s.damaged(seg, d)
		}
	}
	if t.torn {
		s.event(EventTruncated)
		s.log.Warn("torn tail was cut: it was never acknowledged", zap.String("segment", seg.name),
			zap.Int64("offset", t.bytes), zap.Int64("bytes", t.tornBytes), zap.Uint64("next_position", uint64(t.end)))
	}
}

// begin makes the first segment of this life. A full disk is no error.
func (s *Spool) begin() error {
	c := s.committer
	err := c.create(0)
	if errors.Is(err, ErrFull) || noSpace(err) {
		c.refuse(err, nil)
		return nil
	}
	if err != nil {
		return err
	}
	// Now that the positions are safe in a new header, empty segments of
	// earlier lives have nothing left to say.
	kept := s.segments[:0]
	for i, seg := range s.segments {
		if i+1 < len(s.segments) && seg.empty() {
			if err := s.fs.Remove(filepath.Join(s.opts.Dir, seg.name)); err == nil {
				s.room.give(seg.size)
				continue
			}
		}
		kept = append(kept, seg)
	}
	s.segments = kept
	return nil
}

// tail is what reading a newest segment found.
type tail struct {
	end     Position // one past the last record that counts
	sound   Position // from here to end records may be absent: a torn group
	bytes   int64    // where the last good frame ends
	used    int64    // where the last byte other than zero ends
	records int64
	groups  int64
	lost    int64 // positions below sound that are gone
	sealed  bool  // closed in good order
	damage  []*CorruptError

	torn      bool
	tornBytes int64
}

// readTail reads a newest segment. Every record whose checksums hold counts,
// also behind a place where they do not. What is wrong there is damage if a
// later group follows, since a group is written only when the one before it
// is durable; else it is a group that was being written when the machine
// stopped, which no one was told is stored.
func readTail(file io.ReaderAt, name string, h *header, size int64) (tail, error) {
	t := tail{end: h.base, sound: h.base, bytes: headerBytes, used: headerBytes}
	var open []suspect
	w := newWalker(file, h, size, func(x trouble) { open = append(open, suspect{trouble: x}) })
	for {
		expected := w.expected
		f, _, at, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t, fmt.Errorf("read %s: %w", name, err)
		}
		if p := Position(f.position); f.kind != kindGap && p > expected {
			if n := len(open); n > 0 {
				open[n-1].missing += int64(p - expected)
			} else {
				t.lost += int64(p - expected)
			}
		}
		if h.mode == Fsync {
			open = t.judge(name, open, Position(f.group()))
		}
		t.count(&f)
		t.end = w.expected
		t.bytes = at + f.size()
		t.used = max(t.used, t.bytes)
	}
	t.sealed = w.sealed
	t.sound = t.end
	for _, x := range open {
		t.torn = true
		t.sound = min(t.sound, x.expected)
		t.used = max(t.used, x.written)
		t.tornBytes += max(0, x.written-x.off)
	}
	return t, nil
}

// suspect is trouble of which it is not known yet whether it is a torn tail or
// damage.
type suspect struct {
	trouble
	missing int64 // positions that are not there because of it
}

// judge moves to damage what a frame of a later group proves to be.
func (t *tail) judge(name string, open []suspect, group Position) []suspect {
	rest := open[:0]
	for _, x := range open {
		if group > x.group {
			t.damage = append(t.damage, &CorruptError{name, x.off, x.err})
			t.lost += x.missing
		} else {
			rest = append(rest, x)
		}
	}
	return rest
}

func (t *tail) count(f *frame) {
	switch f.kind {
	case kindRecord:
		t.records++
	case kindCommit:
		t.groups++
	}
}

// empty reports whether a sealed segment never held anything and says nothing
// of the one before it that its successor does not say as well.
func (seg *segment) empty() bool {
	const most = headerBytes + frameHeader // a seal, at most
	h := &seg.head
	return seg.end == h.base && seg.size <= most && !seg.kept && h.prevSound == h.prevEnd && h.prevEnd == h.base
}
