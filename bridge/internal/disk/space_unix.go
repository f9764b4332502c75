//go:build linux || darwin || freebsd

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Free is what an unprivileged user may still write: blocks kept for root do
// not count.
func (osFS) Free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// writeZeros extends f to size with blocks that hold zeros.
func writeZeros(f osFile, size int64) error {
	have, err := f.Size()
	if err != nil {
		return err
	}
	zeros := make([]byte, 256<<10)
	for have < size {
		n := min(size-have, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], have); err != nil {
			return err
		}
		have += n
	}
	return nil
}

// Writable returns nil where this user may make files in dir.
func Writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &os.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// SameVolume says whether two directories are of one file system.
func SameVolume(a, b string) (bool, error) {
	var x, y unix.Stat_t
	for dir, st := range map[string]*unix.Stat_t{a: &x, b: &y} {
		if err := unix.Stat(dir, st); err != nil {
			return false, &os.PathError{Op: "stat", Path: dir, Err: err}
		}
	}
	return x.Dev == y.Dev, nil
}
