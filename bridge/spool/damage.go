package spool

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// damaged puts a copy of a damaged segment aside and says so, once for each
// place. The log goes on behind the damage.
func (s *Spool) damaged(seg *segment, d *CorruptError) {
	s.mu.Lock()
	s.damage = d
	told := d.Offset < seg.told
	seg.told = max(seg.told, d.Offset+1)
	kept := seg.kept
	seg.kept = true
	s.mu.Unlock()
	if told {
		return
	}
	s.log.Error("segment is damaged, what is good in it is used", zap.String("segment", d.Segment),
		zap.Int64("offset", d.Offset), zap.Error(d.Err))
	if kept {
		return
	}
	size, err := keepAside(s.fs, s.opts.Dir, seg.name)
	if err != nil {
		s.log.Error("damaged segment could not be kept aside", zap.String("segment", seg.name), zap.Error(err))
	}
	if size > 0 {
		s.mu.Lock()
		s.quarantined++
		s.keptBytes += size
		s.mu.Unlock()
	}
	s.event(EventQuarantined)
}

// noteLost counts positions of seg that are gone, each once however many
// readers come by.
func (s *Spool) noteLost(seg *segment, from, to Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from = max(from, seg.lost)
	if from < to {
		s.lost += int64(to - from)
		seg.lost = to
	}
}

// keepAside gives a file a second name that ends in .damaged: a hard link,
// which takes no space and cannot fail for want of it, since no segment is
// written to once it has been given up; or a copy where there are no links.
// It returns the size, 0 if it was kept before.
func keepAside(d disk.FS, dir, name string) (int64, error) {
	from := filepath.Join(dir, name)
	to := from + damagedSuffix
	err := d.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return 0, nil
	}
	if err != nil {
		err = copyFile(d, from, to)
	}
	if err != nil {
		return 0, err
	}
	file, err := d.Open(to)
	if err != nil {
		return 0, err
	}
	size, err := file.Size()
	return size, errors.Join(err, file.Close())
}

// copyFile makes a durable copy under a new name. What cannot be read of the
// original is zeros in the copy.
func copyFile(d disk.FS, from, to string) error {
	src, err := d.Open(from)
	if err != nil {
		return err
	}
	tmp := to + tmpSuffix
	if err := d.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, src.Close())
	}
	dst, err := d.Create(tmp)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	err = copyBytes(dst, src)
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close(), src.Close()); err == nil {
		err = d.Rename(tmp, to)
	}
	if err != nil {
		_ = d.Remove(tmp)
	}
	return err
}

func copyBytes(dst, src disk.File) error {
	size, err := src.Size()
	if err != nil {
		return err
	}
	from := &patientFile{file: src, bad: func(int64, error) {}}
	buf := make([]byte, 256<<10)
	for at := int64(0); at < size; {
		n, err := from.ReadAt(buf[:min(size-at, int64(len(buf)))], at)
		if n > 0 {
			if _, err := dst.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if n == 0 {
			return err
		}
	}
	return nil
}

// patientFile reads a file from a disk that has trouble: it tries again for
// a quarter of a second, and then, if bad is set, goes around the blocks that
// cannot be read. They are zeros then, which no checksum takes for data.
type patientFile struct {
	file io.ReaderAt
	stop <-chan struct{}            // ends the patience; may be nil
	bad  func(off int64, err error) // told of each block; nil: errors are returned
}

// unreadable is the size of a block that is given up as a whole.
const unreadable = 4 << 10

// ReadAt implements io.ReaderAt.
func (p *patientFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.try(b, off, 0, 10*time.Millisecond, 40*time.Millisecond, 200*time.Millisecond)
	if err == nil || errors.Is(err, io.EOF) || p.bad == nil {
		return n, err
	}
	for n = 0; n < len(b); {
		part := b[n:min(len(b), n+unreadable)]
		m, err := p.try(part, off+int64(n), 0)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return n + m, err
		default:
			clear(part)
			p.bad(off+int64(n), err)
		}
		n += len(part)
	}
	return n, nil
}

// try reads once, and again after each of the pauses while the disk fails.
func (p *patientFile) try(b []byte, off int64, pauses ...time.Duration) (n int, err error) {
	for _, pause := range append(pauses, -1) {
		n, err = p.file.ReadAt(b, off)
		if err == nil || errors.Is(err, io.EOF) || pause < 0 {
			break
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.stop:
			timer.Stop()
			return n, err
		}
	}
	return n, err
}
