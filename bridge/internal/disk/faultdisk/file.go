package faultdisk

import (
	"io"
	"io/fs"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// file is an open file of a View.
type file struct {
	view   *View
	name   string
	number int
	inode  *inode
	write  bool
	closed bool
}

var _ disk.File = (*file)(nil)

// begin is View.begin for a file that must be open.
func (f *file) begin(op Op, off int64, n int) Fault {
	if f.closed {
		return Fault{Err: fs.ErrClosed}
	}
	if !f.write && (op == OpWrite || op == OpTruncate || op == OpReserve) {
		return Fault{Err: fs.ErrPermission}
	}
	return f.view.beginFile(op, f.name, f.number, off, n)
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(b []byte, off int64) (int, error) {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := f.begin(OpRead, off, len(b)); x.Err != nil {
		return 0, wrap(OpRead, f.name, x.Err)
	}
	if off >= int64(len(f.inode.current)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.current[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt. A write that fails, and one that the
// machine stops in, has written a part from the beginning.
func (f *file) WriteAt(b []byte, off int64) (int, error) {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	x := f.begin(OpWrite, off, len(b))
	if f.view.gone(x) || f.closed || !f.write {
		return 0, wrap(OpWrite, f.name, x.Err)
	}
	n, err := len(b), x.Err
	if err != nil {
		n = d.rng.IntN(len(b) + 1)
	}
	if grow := off + int64(n) - int64(len(f.inode.current)); grow > 0 {
		room, full := d.room(grow)
		if full != nil {
			n = int(max(0, int64(n)-(grow-room)))
			if err == nil {
				err = full
			}
		}
	}
	if n > 0 {
		f.inode.do(change{off: off, data: b[:n]})
	}
	return n, wrap(OpWrite, f.name, err)
}

// Sync implements disk.File.
func (f *file) Sync() error {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	x := f.begin(OpSync, 0, 0)
	switch {
	case x.Err == nil:
		f.inode.sync()
	case x.Crash || f.view.gone(x) || f.closed:
		// What becomes of it is for Crash to say.
	default:
		f.inode.lose(Survival{Sectors: 0.5, Torn: true}, d.rng)
	}
	return wrap(OpSync, f.name, x.Err)
}

// Truncate implements disk.File.
func (f *file) Truncate(size int64) error {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	x := f.begin(OpTruncate, size, 0)
	if f.view.gone(x) || f.closed || !f.write {
		return wrap(OpTruncate, f.name, x.Err)
	}
	if _, err := d.room(size - int64(len(f.inode.current))); err != nil && x.Err == nil {
		return wrap(OpTruncate, f.name, err)
	}
	if x.Err == nil || d.rng.IntN(2) == 0 {
		f.inode.do(change{off: size})
	}
	return wrap(OpTruncate, f.name, x.Err)
}

// Size implements disk.File.
func (f *file) Size() (int64, error) {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := f.begin(OpSize, 0, 0); x.Err != nil {
		return 0, wrap(OpSize, f.name, x.Err)
	}
	return int64(len(f.inode.current)), nil
}

// Forget implements disk.File.
func (f *file) Forget() error {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := f.begin(OpForget, 0, 0); x.Err != nil {
		return wrap(OpForget, f.name, x.Err)
	}
	f.inode.forget()
	return nil
}

// Reserve implements disk.File.
func (f *file) Reserve(size int64) error {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	x := f.begin(OpReserve, size, 0)
	if x.Err != nil {
		return wrap(OpReserve, f.name, x.Err)
	}
	grow := size - int64(len(f.inode.current))
	if _, err := d.room(grow); err != nil {
		return wrap(OpReserve, f.name, err)
	}
	if grow > 0 {
		f.inode.do(change{off: size})
	}
	return nil
}

// Close implements io.Closer. It is not counted: a close does nothing to a
// disk.
func (f *file) Close() error {
	d := f.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.closed {
		return wrap("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	if f.view.boot != d.boot {
		return ErrCrashed
	}
	return nil
}
