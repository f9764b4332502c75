//go:build unix

package disk

import (
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxOwner bounds what is read of a lock file that someone else wrote.
const maxOwner = 256

// Lock uses flock: it ends with the process, however that ends, and is held
// by the open file, so that a second Lock in one process is refused as well.
// The file stays when the lock ends; removing it would race with a third.
func (osFS) Lock(name, owner string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder := readOwner(f)
		return nil, errors.Join(&LockedError{Name: name, Owner: holder}, f.Close())
	}
	if err != nil {
		return nil, errors.Join(pathErrorOf("flock", name, err), f.Close())
	}
	// The name of the holder is a help for people. A full disk must not keep
	// the spool from opening to be drained, so errors here do not count.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(owner), 0)
	return lock{f}, nil
}

type lock struct{ f *os.File }

// Close takes the owner out of the file before it lets go.
func (l lock) Close() error {
	_ = l.f.Truncate(0)
	return l.f.Close()
}

func readOwner(f *os.File) string {
	buf := make([]byte, maxOwner)
	n, _ := f.ReadAt(buf, 0)
	return strings.TrimSpace(string(buf[:n]))
}

func pathErrorOf(op, name string, err error) error {
	return &os.PathError{Op: op, Path: name, Err: err}
}
