package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// flushBytes is how much is collected before it is handed to the system
// without waiting for [Writer.Flush].
const flushBytes = 64 << 10

// ErrInUse is returned by [Open] where another sender writes the same ledger.
var ErrInUse = errors.New("the ledger is in use by another sender; give each its own --ledger")

// Writer appends to a ledger. Its methods may be called by many goroutines. The
// first error stays: everything after it is discarded and returns it again.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	buf  []byte
	err  error
}

// Open opens or creates the ledger at path, alone, and reads what it already
// holds. A torn last line is cut off.
func Open(path string) (*Writer, *History, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the ledger: %w", err)
	}
	history, err := prepare(f, path)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return &Writer{file: f}, history, nil
}

func prepare(f *os.File, path string) (*History, error) {
	if err := lockSoon(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := cutTornLine(f); err != nil {
		return nil, fmt.Errorf("repairing the end of the ledger %s: %w", path, err)
	}
	return readHistory(path)
}

// lockSoon takes the file, and waits a moment for a sender that was killed to be
// really gone.
func lockSoon(f *os.File) error {
	const tries, pause = 20, 50 * time.Millisecond
	for i := 1; ; i++ {
		if err := lock(f); !errors.Is(err, ErrInUse) || i == tries {
			return err
		}
		time.Sleep(pause)
	}
}

// cutTornLine removes what follows the last newline.
func cutTornLine(f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	tail := make([]byte, min(size, maxLine))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	whole := bytes.LastIndexByte(tail, '\n') + 1
	if whole == len(tail) {
		return nil
	}
	const begin = `{"kind":"`
	torn := tail[whole:]
	if !bytes.HasPrefix(torn, []byte(begin)[:min(len(begin), len(torn))]) {
		return errors.New("its last line is not a ledger's; name a file that chatbridge send wrote, or a new one")
	}
	return f.Truncate(size - int64(len(tail)-whole))
}

// Append adds lines. They reach the operating system at the next Flush, with
// the next Reserve, or when enough has been collected.
func (w *Writer) Append(lines ...*Line) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range lines {
		w.buf = l.append(w.buf)
	}
	if len(w.buf) < flushBytes {
		return w.err
	}
	return w.flushLocked()
}

// Reserve adds a line and returns when the operating system has it.
func (w *Writer) Reserve(l *Line) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = l.append(w.buf)
	return w.flushLocked()
}

// Flush hands to the operating system what has been collected.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

func (w *Writer) flushLocked() error {
	if w.err == nil && len(w.buf) > 0 {
		if _, err := w.file.Write(w.buf); err != nil {
			w.err = fmt.Errorf("writing the ledger: %w", err)
		}
	}
	w.buf = w.buf[:0]
	return w.err
}

// Close flushes and closes the ledger. The run is complete only if an [End]
// line was appended before.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	flushed := w.flushLocked()
	closed := w.file.Close()
	if w.err == nil {
		w.err = errors.New("writing the ledger: it is closed")
	}
	return errors.Join(flushed, closed)
}
