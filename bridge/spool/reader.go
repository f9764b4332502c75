package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// readBytes is about the most that one Next returns.
const readBytes = 1 << 20

// Reader reads a spool in order, from memory what was just stored, from the
// files what was stored longer ago. One goroutine at a time; several readers
// do not disturb each other.
type Reader struct {
	spool *Spool
	pos   Position // next to be read

	// Where pos lies, if that is known: seg is nil if not.
	seg *segment
	off int64

	// An open file; walk reads it, bounded by what was durable at last look.
	open *segment
	file disk.File
	walk *walker
	view view
}

// view is what a reader may see of the log at one moment.
type view struct {
	group *group // pos is in here; nil: in a file
	seg   *segment
	end   Position // of the segment
	sound Position
	bytes int64
}

// NewReader returns a reader whose first record is the one at from, or the
// first that there is. A from beyond End means that records were read and
// settled in an earlier life that this log has lost since (a disk that lied):
// the log then goes on at from, so that no position has a second meaning.
func (s *Spool) NewReader(from Position) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from > s.end {
		s.floor = max(s.floor, from)
	}
	return &Reader{spool: s, pos: max(from, s.firstLocked())}
}

// Position returns the position of the record that is read next.
func (r *Reader) Position() Position { return r.pos }

// Next returns the records that come next: at least one, at most max, and
// about 1 MiB. It waits for one. Records that damage took are skipped, so
// that positions jump. io.EOF: the spool was closed. After another error,
// ctx's or the disk's, Next may be called again and goes on where it was.
func (r *Reader) Next(ctx context.Context, max int) ([]Entry, error) {
	for {
		entries, err := r.TryNext(max)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
		wake := r.spool.waiter(r.pos)
		if wake == nil {
			continue // it came between the look and now
		}
		select {
		case <-wake:
		case <-r.spool.closing:
			return nil, errors.Join(io.EOF, r.close())
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// waiter returns a channel that is closed when something after p is stored;
// nil if it is already. Since publish looks at the channel under the lock
// under which it moves end, no wake is lost.
func (s *Spool) waiter(p Position) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end > p {
		return nil
	}
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// TryNext is Next without the wait: nil and no error when there is nothing
// to read.
func (r *Reader) TryNext(max int) ([]Entry, error) {
	var out []Entry
	bytes := 0
	for len(out) < max && bytes < readBytes {
		more, err := r.look()
		if err == nil && more {
			n := len(out)
			if r.view.group != nil {
				out = r.fromMemory(out, max, readBytes-bytes)
			} else {
				out, err = r.fromFile(out, max, readBytes-bytes)
			}
			for _, e := range out[n:] {
				bytes += e.Record.payloadBytes()
			}
		}
		if len(out) > 0 && (err != nil || !more) {
			return out, nil // the error comes again with the next call
		}
		if err != nil || !more {
			return nil, err
		}
	}
	return out, nil
}

// look finds out where pos lies. false: nowhere yet.
func (r *Reader) look() (bool, error) {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, errors.Join(io.EOF, r.close())
	}
	r.pos = max(r.pos, s.firstLocked())
	for r.pos < s.end {
		if g := s.memory.find(r.pos); g != nil {
			r.view = view{group: g, seg: g.seg}
			return true, nil
		}
		seg, next := s.segmentOf(r.pos)
		if seg != nil {
			r.view = view{seg: seg, end: seg.end, sound: seg.sound, bytes: seg.bytes}
			return true, nil
		}
		r.pos = next // positions that were skipped for good
	}
	return false, nil
}

// segmentOf returns the segment that answers for p, or nil and the next
// position that a segment answers for. s.mu is held.
func (s *Spool) segmentOf(p Position) (*segment, Position) {
	for _, seg := range s.segments {
		if p < seg.end {
			if p < seg.head.base {
				return nil, seg.head.base
			}
			return seg, p
		}
	}
	return nil, s.end
}

// fromMemory adds the records of the view's group from pos on.
func (r *Reader) fromMemory(out []Entry, max, bytes int) []Entry {
	g := r.view.group
	at, pos := int64(0), g.first
	if r.seg == g.seg && r.off >= g.off && r.off < g.off+g.records {
		at, pos = r.off-g.off, r.pos
	}
	out = slices.Grow(out, min(max-len(out), int(g.end()-r.pos)))
	for at < g.records && len(out) < max && bytes > 0 {
		f := peekFrame(g.buf[at:])
		if pos >= r.pos {
			payload := g.buf[at+frameHeader : at+frameHeader+int64(f.length)]
			out = append(out, entryOf(&f, payload))
			bytes -= len(payload)
			r.pos = pos + 1
		}
		at += f.size()
		pos++
	}
	r.seg, r.off = g.seg, g.off+at
	if at == g.records {
		r.off += frameHeader // behind the commit
	}
	return out
}

// fromFile adds records of the view's segment from pos on, and moves pos to
// the segment's end when there are no more.
func (r *Reader) fromFile(out []Entry, max, bytes int) ([]Entry, error) {
	if err := r.seat(); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
		if r.spool.First() <= r.pos { // not released meanwhile: someone took it
			r.lost(0, r.view.end)
		}
		return out, nil // look again
	}
	w, v := r.walk, &r.view
	for len(out) < max && bytes > 0 && r.pos < v.end {
		before := w.expected
		f, payload, _, err := w.next()
		if errors.Is(err, io.EOF) {
			r.lost(w.off, v.end)
			break
		}
		if err != nil {
			err = errors.Join(fmt.Errorf("read %s: %w", v.seg.name, err), r.close())
			r.seg = nil
			return out, err
		}
		if f.kind == kindGap {
			r.pos = w.expected // told of when it was found
			continue
		}
		if p := Position(f.position); p > before && p > r.pos {
			r.skip(min(p, v.end))
		}
		if f.kind == kindRecord && Position(f.position) >= r.pos && r.pos < v.end {
			out = append(out, entryOf(&f, payload))
			bytes -= len(payload)
			r.pos = Position(f.position) + 1
		}
	}
	r.seg, r.off = v.seg, w.off
	return out, nil
}

// skip goes on at p. What is not there below the sound end was damaged.
func (r *Reader) skip(p Position) {
	if gone := min(p, r.view.sound); r.pos < gone {
		r.spool.noteLost(r.view.seg, r.pos, gone)
	}
	r.pos = p
}

// lost is skip where the walker saw nothing wrong: it just ended, at off.
func (r *Reader) lost(off int64, p Position) {
	v := &r.view
	if gone := min(p, v.sound); r.pos < gone {
		r.spool.damaged(v.seg, &CorruptError{v.seg.name, off,
			fmt.Errorf("positions %d to %d are not there", r.pos, gone-1)})
	}
	r.skip(p)
}

// seat opens the view's segment and brings the walker to pos, or to the
// beginning of the segment, from where it comes to pos.
func (r *Reader) seat() error {
	v := &r.view
	if r.open != v.seg {
		if err := r.close(); err != nil {
			return err
		}
		file, err := r.spool.fs.Open(filepath.Join(r.spool.opts.Dir, v.seg.name))
		if err != nil {
			return err
		}
		patient := &patientFile{file: file, stop: r.spool.closing, bad: r.unreadable}
		r.open, r.file = v.seg, file
		r.walk = newWalker(patient, &v.seg.head, v.bytes, r.trouble)
		r.walk.keep = true
	}
	w := r.walk
	w.limit = v.bytes
	switch {
	case r.seg == v.seg && w.off == r.off:
	case r.seg == v.seg:
		w.restart(r.off, r.pos)
	case w.expected > r.pos:
		w.restart(headerBytes, v.seg.head.base)
	}
	return nil
}

// trouble is told by the walker. Behind the sound part of a segment it is
// what a crash left of a group that was not acknowledged.
func (r *Reader) trouble(t trouble) {
	if v := &r.view; t.expected < v.sound {
		r.spool.damaged(v.seg, &CorruptError{v.seg.name, t.off, t.err})
	}
}

func (r *Reader) unreadable(off int64, err error) {
	r.spool.damaged(r.view.seg, &CorruptError{r.view.seg.name, off, err})
}

// Close lets go of the file that the reader has open. The reader may go on
// being used.
func (r *Reader) Close() error { return r.close() }

func (r *Reader) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.open, r.file, r.walk = nil, nil, nil
	return err
}
