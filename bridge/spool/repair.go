package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// Repair brings a spool that is not in use into a state in which Verify finds
// nothing: of each damaged segment a copy is kept (its name ends in
// .damaged, or .2.damaged and so on: none that is there is replaced), and what is good in it takes its place, with a mark for the
// positions that are gone. Torn tails, segments without a header and
// left-over files are seen to as Open would. A spool need not be repaired to
// be opened: Open and the readers go around damage by themselves. ErrLocked:
// it is in use.
func Repair(dir string) (RepairReport, error) { return repair(disk.OS(), dir) }

func repair(d disk.FS, dir string) (RepairReport, error) {
	// Lock would make the directory's lock file anywhere.
	if _, err := d.List(dir); err != nil {
		return RepairReport{}, fmt.Errorf("repair spool %s: %w", dir, err)
	}
	lock, err := takeLock(d, dir)
	if err != nil {
		return RepairReport{}, err
	}
	r, err := repairLocked(d, dir)
	if err != nil {
		err = fmt.Errorf("repair spool %s: %w", dir, err)
	}
	return r, errors.Join(err, lock.Close())
}

func repairLocked(d disk.FS, dir string) (r RepairReport, err error) {
	if r.Before, err = verify(context.Background(), d, dir); err != nil {
		return r, err
	}
	l, err := list(d, dir)
	if err != nil {
		return r, err
	}
	for _, name := range l.left {
		if err := d.Remove(filepath.Join(dir, name)); err != nil {
			return r, err
		}
		r.Removed = append(r.Removed, name)
	}
	for _, f := range l.headless {
		if err := r.setAside(d, dir, f.name); err != nil {
			return r, err
		}
	}
	damaged := make(map[string]bool)
	for _, s := range r.Before.Segments {
		damaged[s.Name] = len(s.Damage) > 0
		r.Lost += s.Lost
	}
	for _, seg := range l.bounds() {
		if !damaged[seg.name] {
			continue
		}
		if err := r.rewrite(d, dir, seg); err != nil {
			return r, err
		}
	}
	return r, r.repairCheckpoint(d, dir)
}

// rewrite replaces a segment by what is good in it. The header stays, and
// with it what it says of the segment before.
func (r *RepairReport) rewrite(d disk.FS, dir string, seg *segment) error {
	kept, err := keptName(d, dir, seg.name)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, seg.name)
	if err := copyFile(d, name, filepath.Join(dir, kept)); err != nil {
		return fmt.Errorf("keep a copy of %s: %w", seg.name, err)
	}
	r.Kept = append(r.Kept, kept)
	tmp := name + tmpSuffix
	dst, err := d.Create(tmp)
	if err != nil {
		return err
	}
	err = withSegment(d, dir, seg, func(src io.ReaderAt) error {
		return salvage(dst, src, seg)
	})
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err == nil {
		err = d.Rename(tmp, name)
	}
	if err != nil {
		_ = d.Remove(tmp)
		return err
	}
	r.Rewritten = append(r.Rewritten, seg.name)
	return nil
}

// salvage writes the good records of a segment to dst, and a gap frame for
// each run of positions that is gone.
func salvage(dst disk.File, src io.ReaderAt, seg *segment) error {
	end, sound := seg.end, seg.sound
	if !seg.sealed {
		t, err := readTail(src, seg.name, &seg.head, seg.size)
		if err != nil {
			return err
		}
		end, sound = t.end, t.sound
	}
	if _, err := dst.WriteAt(seg.head.encode(magicSegment), 0); err != nil {
		return err
	}
	s := salvager{dst: dst, off: headerBytes, at: seg.head.base, seed: seg.head.seed()}
	w := newWalker(src, &seg.head, seg.size, func(trouble) {})
	for s.at < end {
		f, payload, _, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if p := Position(f.position); f.kind != kindRecord || p < s.at || p >= end {
			continue
		}
		if err := s.add(f, payload); err != nil {
			return err
		}
	}
	return s.finish(max(sound, s.at))
}

// salvager writes records that may have gaps between them.
type salvager struct {
	dst     disk.File
	off     int64
	seed    uint32
	at      Position // the next
	first   Position // of the group under way
	pending uint32
	sum     uint32
}

func (s *salvager) add(f frame, payload []byte) error {
	p := Position(f.position)
	if p > s.at || s.pending == groupRecords {
		if err := s.commit(); err != nil {
			return err
		}
	}
	if p > s.at {
		if err := s.gap(p); err != nil {
			return err
		}
	}
	if s.pending == 0 {
		s.first = p
	}
	f.index = s.pending
	b := make([]byte, f.size())
	f.put(b, s.seed)
	copy(b[frameHeader:], payload)
	s.sum = sumMore(s.sum, b[:frameHeader])
	s.pending++
	s.at = p + 1
	return s.write(b)
}

// gap marks the positions from at to p as gone.
func (s *salvager) gap(p Position) error {
	b := make([]byte, frameHeader)
	f := frame{kind: kindGap, position: uint64(s.at), time: int64(p)}
	f.put(b, s.seed)
	s.at = p
	return s.write(b)
}

func (s *salvager) commit() error {
	if s.pending == 0 {
		return nil
	}
	b := make([]byte, frameHeader)
	f := frame{kind: kindCommit, position: uint64(s.at), index: s.pending, query: s.sum}
	f.put(b, s.seed)
	s.pending, s.sum = 0, 0
	return s.write(b)
}

// finish closes the last group and marks what is gone up to end.
func (s *salvager) finish(end Position) error {
	if err := s.commit(); err != nil {
		return err
	}
	if s.at < end {
		return s.gap(end)
	}
	return nil
}

func (s *salvager) write(b []byte) error {
	_, err := s.dst.WriteAt(b, s.off)
	s.off += int64(len(b))
	return err
}

// repairCheckpoint keeps a damaged checkpoint aside, as Load would.
func (r *RepairReport) repairCheckpoint(d disk.FS, dir string) error {
	if r.Before.Checkpoint.Damage == nil {
		return nil
	}
	return r.setAside(d, dir, checkpointName)
}

// setAside renames a file to the name under which it is kept.
func (r *RepairReport) setAside(d disk.FS, dir, name string) error {
	kept, err := keptName(d, dir, name)
	if err != nil {
		return err
	}
	if err := d.Rename(filepath.Join(dir, name), filepath.Join(dir, kept)); err != nil {
		return err
	}
	r.Kept = append(r.Kept, kept)
	return nil
}

// keptName is a name to keep a damaged file under that is not in use: what was kept
// before is of another damage, or was kept by a bridge that met the same.
func keptName(d disk.FS, dir, name string) (string, error) {
	files, err := d.List(dir)
	if err != nil {
		return "", err
	}
	used := make(map[string]bool, len(files))
	for _, f := range files {
		used[f.Name] = true
	}
	kept := name + damagedSuffix
	for n := 2; used[kept]; n++ {
		kept = fmt.Sprintf("%s.%d%s", name, n, damagedSuffix)
	}
	return kept, nil
}
