package spool

import (
	"encoding/binary"
	"errors"
	"io"
)

// readBlock is how much a cursor reads at a time.
const readBlock = 256 << 10

// errShrunk: the file ends before limit, which fill has corrected. A writer
// gives back the zeros behind its last frame when it closes.
var errShrunk = errors.New("file is shorter than it was")

// cursor reads the frames of one file in order and knows nothing of what they
// mean. One goroutine.
type cursor struct {
	file  io.ReaderAt
	seed  uint32
	off   int64 // of the next frame; a multiple of 8
	limit int64 // bytes of the file that count; may grow between calls
	keep  bool  // payloads stay valid for ever: a block is not used twice

	block []byte // the file from at
	at    int64
	raw   []byte // header of the last good frame, until the next call
}

// next returns the frame at off and goes behind it. It stays where it is on
// an error: errBlank (nothing but zeros in place of a header, or no room for
// one), errHeaderSum and the like (no frame here), errBodySum and errCut (a
// frame, but its payload is not what was written; off is behind it), or what
// the disk said.
func (c *cursor) next() (frame, []byte, error) {
	if c.limit-c.off < frameHeader {
		return frame{}, nil, errBlank
	}
	b, err := c.peek(frameHeader)
	if errors.Is(err, errShrunk) {
		return c.next()
	}
	if err != nil {
		return frame{}, nil, err
	}
	f, err := parseFrame(b, c.seed)
	if err != nil {
		return frame{}, nil, err
	}
	// The bound comes before the allocation that peek may make.
	if f.size() > c.limit-c.off {
		c.off = c.limit
		return f, nil, errCut
	}
	b, err = c.peek(frameHeader + int(f.length))
	if errors.Is(err, errShrunk) {
		return c.next()
	}
	if err != nil {
		return frame{}, nil, err
	}
	c.off += f.size()
	payload := b[frameHeader:]
	c.raw = b[:frameHeader]
	if sumMore(0, payload) != f.bodySum {
		return f, nil, errBodySum
	}
	return f, payload, nil
}

// resync goes on from where no frame is to the next place where one may be.
// written is where the last byte other than zero before it ends, 0 if there
// is none. found is false at the end of the file.
func (c *cursor) resync() (found bool, written int64, err error) {
	for c.limit-c.off >= frameHeader {
		b, err := c.peek(frameHeader)
		if errors.Is(err, errShrunk) {
			continue
		}
		if err != nil {
			return false, written, err
		}
		// The whole of what is at hand is looked at before more is read.
		if have := c.at + int64(len(c.block)); have > c.off {
			b = c.block[c.off-c.at : min(have, c.limit)-c.at]
		}
		n, hit := c.search(b, &written)
		c.off += int64(n)
		if hit {
			return true, written, nil
		}
	}
	if rest := c.limit - c.off; rest > 0 {
		b, err := c.peek(int(rest))
		if err != nil && !errors.Is(err, errShrunk) {
			return false, written, err
		}
		if !allZero(b) {
			written = c.limit
		}
		c.off = c.limit
	}
	return false, written, nil
}

// search looks for a header in b, which begins at off, and returns how far it
// came. written is kept up to date.
func (c *cursor) search(b []byte, written *int64) (n int, hit bool) {
	for ; n+frameHeader <= len(b); n += frameAlign {
		if binary.LittleEndian.Uint64(b[n:]) != 0 || b[n+20] != 0 {
			if _, err := parseFrame(b[n:], c.seed); err == nil {
				return n, true
			}
		}
		if binary.LittleEndian.Uint64(b[n:]) != 0 {
			*written = c.off + int64(n) + frameAlign
		}
	}
	return n, false
}

// peek returns the n bytes at off. They are within limit.
func (c *cursor) peek(n int) ([]byte, error) {
	start := c.off - c.at
	if start >= 0 && start+int64(n) <= int64(len(c.block)) {
		return c.block[start : start+int64(n)], nil
	}
	if err := c.fill(n); err != nil {
		return nil, err
	}
	return c.block[:n], nil
}

// fill reads a block that begins at off and holds at least n bytes.
func (c *cursor) fill(n int) error {
	size := int(min(max(int64(n), readBlock), c.limit-c.off))
	var have []byte
	if start := c.off - c.at; start >= 0 && start < int64(len(c.block)) {
		have = c.block[start:]
	}
	block := c.block[:0]
	if c.keep || cap(block) < size {
		block = make([]byte, size)
	}
	block = block[:size]
	copied := copy(block, have)
	m, err := c.file.ReadAt(block[copied:], c.off+int64(copied))
	if m < size-copied {
		c.block = nil
		if err == nil || errors.Is(err, io.EOF) {
			c.limit = c.off + int64(copied+m)
			return errShrunk
		}
		return err
	}
	c.block, c.at = block, c.off
	return nil
}
