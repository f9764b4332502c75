package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync: on Linux it carries the size along when that has
// changed, and leaves the timestamps alone. A signal does not end it.
func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return pathError("fdatasync", f.Name(), err)
	}
}

func (f osFile) Forget() error {
	err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return pathError("fadvise", f.Name(), err)
}

// Reserve falls back to writing zeros where the file system cannot allocate.
func (f osFile) Reserve(size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP):
			return writeZeros(f, size)
		default:
			return pathError("fallocate", f.Name(), err)
		}
	}
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}
