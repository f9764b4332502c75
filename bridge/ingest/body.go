package ingest

import (
	"errors"
	"io"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// What can go wrong while a body is read; each is an outcome.
var (
	errBodyTooLarge = errors.New("body over the limit")
	errNoMemory     = errors.New("no memory for one more body")
)

// firstBuffer bounds the buffer that a mere announcement of a size can take:
// above it a buffer grows as bytes arrive.
const firstBuffer = 64 << 10

// smallest buffer is 1 << minClass bytes, each class doubles.
const minClass, classes = 10, 24

// buffers lends body buffers of doubling sizes, and never more than limit bytes at
// once. Safe for many goroutines.
type buffers struct {
	limit int64
	lent  atomic.Int64
	pools [classes]sync.Pool // of *buffer
}

// buffer is one body in memory.
type buffer struct {
	b     []byte // what has been read; its capacity is the class's size
	class int
}

// get lends a buffer of at least size bytes; nil when the limit is reached.
func (p *buffers) get(size int64) *buffer {
	class := max(0, bits.Len64(uint64(max(size, 1)-1))-minClass)
	bytes := int64(1) << (minClass + class)
	if p.lent.Add(bytes) > p.limit {
		p.lent.Add(-bytes)
		return nil
	}
	if class < classes {
		if buf, ok := p.pools[class].Get().(*buffer); ok {
			return buf
		}
	}
	return &buffer{b: make([]byte, 0, bytes), class: class}
}

// put takes buf back. Nobody may use its bytes any more.
func (p *buffers) put(buf *buffer) {
	p.forget(buf)
	buf.b = buf.b[:0]
	if buf.class < classes {
		p.pools[buf.class].Put(buf)
	}
}

// forget returns only buf's share of the limit: somebody may still read its bytes.
func (p *buffers) forget(buf *buffer) { p.lent.Add(-int64(cap(buf.b))) }

// grow returns a buffer with buf's bytes and at least twice its room. buf goes
// back, also where the answer is nil.
func (p *buffers) grow(buf *buffer) *buffer {
	defer p.put(buf)
	bigger := p.get(2 * int64(cap(buf.b)))
	if bigger != nil {
		bigger.b = append(bigger.b, buf.b...)
	}
	return bigger
}

// read reads body to its end. announced is its length, -1 where that is unknown;
// limit is the most that is accepted. The buffer is nil on an error.
func (p *buffers) read(body io.Reader, announced, limit int64) (*buffer, error) {
	// One byte more than announced or allowed: the read that finds the end needs room.
	buf := p.get(min(max(announced, 0), limit, firstBuffer-1) + 1)
	if buf == nil {
		return nil, errNoMemory
	}
	for {
		if len(buf.b) == cap(buf.b) {
			if buf = p.grow(buf); buf == nil {
				return nil, errNoMemory
			}
		}
		n, err := body.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if int64(len(buf.b)) > limit {
			err = errBodyTooLarge
		}
		switch {
		case err == io.EOF:
			return buf, nil
		case err != nil:
			p.put(buf)
			return nil, err
		}
	}
}

// discard reads body to its end and keeps nothing.
func discard(body io.Reader, limit int64) error {
	n, err := io.Copy(io.Discard, io.LimitReader(body, limit+1))
	if n > limit {
		return errBodyTooLarge
	}
	return err
}

// bodyOutcome is the row for an error of reading a body.
func bodyOutcome(err error) Outcome {
	switch {
	case errors.Is(err, errBodyTooLarge):
		return TooLarge
	case errors.Is(err, errNoMemory):
		return Overloaded
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	default:
		return CutOff
	}
}
