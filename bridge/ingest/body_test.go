package ingest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// P8: whatever is announced and whatever comes, a buffer is the body or there is
// none, the loan never exceeds the limit, and all of it comes back.
func TestBuffersReadWholeBodiesWithinTheLimit(t *testing.T) {
	t.Parallel()
	pool := &buffers{limit: 1 << 20}
	rapid.Check(t, func(rt *rapid.T) {
		body := bytes.Repeat([]byte("x"), rapid.IntRange(0, 200<<10).Draw(rt, "length"))
		limit := rapid.Int64Range(1, 200<<10).Draw(rt, "limit")
		announced := int64(len(body))
		if rapid.Bool().Draw(rt, "chunked") {
			announced = -1
		}
		var reader io.Reader = bytes.NewReader(body)
		if rapid.Bool().Draw(rt, "eof with data") {
			reader = iotest.DataErrReader(reader)
		}
		if rapid.Bool().Draw(rt, "in halves") {
			reader = iotest.HalfReader(reader)
		}
		buf, err := pool.read(reader, announced, limit)
		switch {
		case int64(len(body)) > limit:
			if !errors.Is(err, errBodyTooLarge) {
				rt.Errorf("%d of %d bytes: %v", len(body), limit, err)
			}
		case err != nil:
			rt.Errorf("%d of %d bytes: %v", len(body), limit, err)
		case !bytes.Equal(buf.b, body):
			rt.Errorf("%d bytes became %d", len(body), len(buf.b))
		}
		if buf != nil {
			pool.put(buf)
		}
		if n := pool.lent.Load(); n != 0 {
			rt.Errorf("%d bytes are still lent", n)
		}
	})
}

// P8: the announcement of a large body costs little until it comes.
func TestAnnouncementAloneTakesNoMemory(t *testing.T) {
	t.Parallel()
	pool := &buffers{limit: 1 << 30}
	asked := false
	_, err := pool.read(readerFunc(func([]byte) (int, error) {
		asked = true
		if n := pool.lent.Load(); n > firstBuffer {
			t.Errorf("%d bytes for an announcement", n)
		}
		return 0, os.ErrDeadlineExceeded
	}), 512<<20, 1<<30)
	if !asked || bodyOutcome(err) != Timeout {
		t.Errorf("asked %t, %v", asked, err)
	}
}

// P8: at the limit there is no buffer, neither to begin nor to go on with.
func TestBuffersRefuseAtTheLimit(t *testing.T) {
	t.Parallel()
	pool := &buffers{limit: 6 << 10}
	first := pool.get(4 << 10)
	if first == nil || pool.get(4<<10) != nil {
		t.Fatal("want one buffer of 4 KiB within 6 KiB")
	}
	if _, err := pool.read(bytes.NewReader(make([]byte, 1500)), -1, 1<<20); !errors.Is(err, errNoMemory) {
		t.Errorf("growing beyond the limit: %v", err)
	}
	pool.put(first)
	if n := pool.lent.Load(); n != 0 {
		t.Errorf("%d bytes are still lent", n)
	}
	if buf := pool.get(0); cap(buf.b) != 1<<minClass {
		t.Errorf("smallest buffer: %d", cap(buf.b))
	}
}

// readerFunc is a reader made of a function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
