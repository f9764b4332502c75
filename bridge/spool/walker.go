package spool

import (
	"errors"
	"fmt"
	"io"
)

// trouble is a place where a segment does not go on as it should. What it
// means is for the caller to say: damage, a torn tail, or nothing at all
// where the segment's successor says that records may be absent.
type trouble struct {
	off      int64    // where
	expected Position // the next position if all were well
	// group is the first position of the group that the trouble lies in. A
	// later frame of a later group proves that this one had been synced: a
	// group is written only after the one before it is durable.
	group   Position
	written int64 // where the last byte other than zero ends, if no frame follows
	err     error
}

// walker goes through the frames of one segment and checks that they follow
// one another: positions dense, groups whole, checksums of groups right. It
// goes around what is damaged and tells of it. One goroutine.
type walker struct {
	cursor
	expected Position      // of the next record
	trouble  func(trouble) // told once for each place
	sealed   bool          // a seal frame was the last one

	group   Position // the first position of the group under way
	pending uint32   // its records so far
	sum     uint32   // CRC32C over their headers
	whole   bool     // all of them were seen
	hurt    bool     // trouble was told since the last good frame
}

// newWalker begins at a segment's first frame.
func newWalker(file io.ReaderAt, h *header, limit int64, tell func(trouble)) *walker {
	return &walker{
		cursor:   cursor{file: file, seed: h.seed(), off: headerBytes, limit: limit},
		expected: h.base,
		trouble:  tell,
	}
}

// next returns the next good frame, its payload and where it lies. io.EOF is
// the end of what was written; other errors are the disk's.
func (w *walker) next() (frame, []byte, int64, error) {
	for {
		at := w.off
		f, payload, err := w.cursor.next()
		if err == nil {
			if w.accept(&f, at) {
				return f, payload, at, nil
			}
			continue
		}
		if !isBadFrame(err) {
			return frame{}, nil, at, err
		}
		behind := w.off // behind the frame, where only its payload is bad
		found, written, rerr := w.resync()
		if rerr != nil {
			return frame{}, nil, at, rerr
		}
		if behind > at {
			written = max(written, behind)
		}
		if !found && written == 0 && errors.Is(err, errBlank) {
			return frame{}, nil, at, io.EOF
		}
		w.tell(at, written, err)
		if !found {
			return frame{}, nil, at, io.EOF
		}
	}
}

// isBadFrame tells what the bytes say from what the disk says.
func isBadFrame(err error) bool {
	return errors.Is(err, errBlank) || errors.Is(err, errHeaderSum) || errors.Is(err, errBodySum) ||
		errors.Is(err, errCut) || errors.Is(err, errShape)
}

// accept takes a frame that is good in itself into the sequence. false: it
// has no place there.
func (w *walker) accept(f *frame, at int64) bool {
	p := Position(f.position)
	if p < w.expected {
		w.tell(at, 0, fmt.Errorf("position %d again, after %d", p, w.expected-1))
		return false
	}
	if p > w.expected && !w.hurt {
		w.tell(at, 0, fmt.Errorf("positions %d to %d are not there", w.expected, p-1))
	}
	switch f.kind {
	case kindRecord:
		w.acceptRecord(f, at)
		w.expected = p + 1
	case kindCommit:
		w.acceptCommit(f, at)
		w.expected = p
	case kindGap:
		w.expected = max(p, Position(f.time))
		w.pending, w.whole = 0, false
	case kindSeal:
		w.expected = p
	default:
		w.tell(at, 0, fmt.Errorf("a frame of kind %d in a segment", f.kind))
		return false
	}
	w.sealed = f.kind == kindSeal
	w.hurt = false
	return true
}

func (w *walker) acceptRecord(f *frame, at int64) {
	if g := Position(f.group()); g != w.group || w.pending == 0 || f.index == 0 {
		if w.pending > 0 && !w.hurt {
			w.tell(at, 0, fmt.Errorf("the group at position %d has no commit", w.group))
		}
		w.group, w.pending, w.sum, w.whole = g, 0, 0, f.index == 0
	}
	w.whole = w.whole && f.index == w.pending
	w.pending++
	w.sum = sumMore(w.sum, w.raw)
}

func (w *walker) acceptCommit(f *frame, at int64) {
	if w.whole && w.pending > 0 && (w.pending != f.index || w.sum != f.query) && !w.hurt {
		w.tell(at, 0, fmt.Errorf("the group at position %d does not match its checksum", w.group))
	}
	w.pending, w.whole = 0, false
}

// tell reports trouble at off, in the group that is under way there.
func (w *walker) tell(off, written int64, err error) {
	t := trouble{off: off, expected: w.expected, group: w.expected, written: written, err: err}
	if w.pending > 0 {
		t.group = w.group
	}
	w.hurt = true
	w.trouble(t)
}

// restart goes on at a frame that lies at off, whose position is expected.
func (w *walker) restart(off int64, expected Position) {
	w.off, w.expected = off, expected
	w.pending, w.whole, w.hurt = 0, false, false
}
