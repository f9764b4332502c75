package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// The functions of this file and of verify.go only read, and take no lock:
// they may look into a spool that is in use. What they see is a moment old,
// and the last records may be ones whose fsync is still under way.

// Inspect returns what the spool in a directory holds, quickly: it reads the
// newest segment and the headers of the others.
func Inspect(dir string) (Stat, error) { return inspect(disk.OS(), dir) }

func inspect(d disk.FS, dir string) (Stat, error) {
	l, segs, err := look(d, dir)
	if err != nil {
		return Stat{}, err
	}
	st := Stat{First: 1, End: 1, Segments: len(segs), CheckpointBytes: max(0, l.checkpoint)}
	for _, f := range l.damaged {
		st.Quarantined++
		st.QuarantinedBytes += f.Size
	}
	for i, seg := range segs {
		if i == 0 {
			st.First = seg.head.base
		}
		st.Bytes += seg.size
		st.Records += int64(seg.end - seg.head.base)
		st.End = seg.end
		st.Durability = seg.head.mode
		if st.OldestReceipt.IsZero() && seg.end > seg.head.base {
			st.OldestReceipt = firstReceipt(d, dir, seg)
		}
	}
	st.FreeBytes, err = d.Free(dir)
	st.Holder = holder(d, dir)
	return st, err
}

// look lists the directory and says where each segment ends, the newest one
// as far as it can be read.
func look(d disk.FS, dir string) (listing, []*segment, error) {
	l, err := list(d, dir)
	if err != nil {
		return l, nil, fmt.Errorf("look into spool %s: %w", dir, err)
	}
	segs := l.bounds()
	if len(segs) == 0 {
		return l, nil, nil
	}
	newest := segs[len(segs)-1]
	err = withSegment(d, dir, newest, func(file io.ReaderAt) error {
		t, err := readTail(file, newest.name, &newest.head, newest.size)
		newest.end, newest.sound, newest.bytes = t.end, t.sound, t.bytes
		return err
	})
	return l, segs, err
}

// withSegment opens a segment for fn. One that is gone is skipped.
func withSegment(d disk.FS, dir string, seg *segment, fn func(io.ReaderAt) error) error {
	file, err := d.Open(filepath.Join(dir, seg.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = fn(&patientFile{file: file, bad: func(int64, error) {}})
	return errors.Join(err, file.Close())
}

// firstReceipt is when the first record of a segment was received.
func firstReceipt(d disk.FS, dir string, seg *segment) (at time.Time) {
	_ = withSegment(d, dir, seg, func(file io.ReaderAt) error {
		b := make([]byte, frameHeader)
		if _, err := file.ReadAt(b, headerBytes); err != nil {
			return err
		}
		if f, err := parseFrame(b, seg.head.seed()); err == nil && f.kind == kindRecord {
			at = time.Unix(0, f.time).UTC()
		}
		return nil
	})
	return at
}

// holder is what the lock file says, "" if nobody has the spool.
func holder(d disk.FS, dir string) string {
	file, err := d.Open(filepath.Join(dir, lockName))
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	b := make([]byte, 64)
	n, _ := file.ReadAt(b, 0)
	return strings.TrimSpace(string(b[:n]))
}

// Walk calls fn with every record from a position on, in order, until the end
// as it is then, or until fn returns an error, which Walk returns. Damaged
// records are skipped.
func Walk(dir string, from Position, fn func(Entry) error) error {
	return walk(disk.OS(), dir, from, fn)
}

func walk(d disk.FS, dir string, from Position, fn func(Entry) error) error {
	lastID := uint64(0)
	for {
		l, err := list(d, dir)
		if err != nil {
			return fmt.Errorf("walk spool %s: %w", dir, err)
		}
		segs := l.bounds()
		for _, seg := range segs {
			if seg.sealed && seg.end <= from {
				continue
			}
			if from, err = walkSegment(d, dir, seg, from, fn); err != nil {
				return err
			}
		}
		// The newest may have got a successor meanwhile.
		if n := len(segs); n == 0 || segs[n-1].head.id == lastID {
			return nil
		}
		lastID = segs[len(segs)-1].head.id
	}
}

// walkSegment returns the position that comes after what it handed to fn.
func walkSegment(d disk.FS, dir string, seg *segment, from Position, fn func(Entry) error) (Position, error) {
	err := withSegment(d, dir, seg, func(file io.ReaderAt) error {
		limit := seg.size
		if !seg.sealed {
			t, err := readTail(file, seg.name, &seg.head, seg.size)
			if err != nil {
				return err
			}
			limit = t.bytes // what is behind it may be half written
		}
		w := newWalker(file, &seg.head, limit, func(trouble) {})
		w.keep = true
		for !seg.sealed || w.expected < seg.end {
			f, payload, _, err := w.next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			p := Position(f.position)
			if f.kind != kindRecord || p < from || seg.sealed && p >= seg.end {
				continue
			}
			if err := fn(entryOf(&f, payload)); err != nil {
				return err
			}
			from = p + 1
		}
		return nil
	})
	return from, err
}
