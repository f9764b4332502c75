package disk

import (
	"fmt"
	"io"
)

// FS is a file system as the spool uses it. Its methods may be called from
// many goroutines. Names are paths as for package os. Errors satisfy
// errors.Is with fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC and so on, as
// those of package os do.
type FS interface {
	// MkdirAll makes dir (mode 0700) and its missing parents. On return their
	// names are durable, also that of a directory that existed, which is left as
	// it is.
	MkdirAll(dir string) error
	// Create makes a new, empty file (mode 0600), open for reading and
	// writing; fs.ErrExist if there is one. Neither its name nor its content
	// is durable.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenWrite opens an existing file for reading and writing.
	OpenWrite(name string) (File, error)
	// Rename gives a file a new name in the same directory and replaces what
	// had it. On a nil return it is durable; on an error it may or may not
	// have happened, and may or may not last.
	Rename(from, to string) error
	// Link gives a file a second name in the same directory; fs.ErrExist if
	// the name is taken. Durability as for Rename. Not every file system can.
	Link(from, to string) error
	// Remove takes a name away. Durability as for Rename. A file that is open
	// stays readable.
	Remove(name string) error
	// List returns the plain files of a directory, sorted by name.
	List(dir string) ([]Info, error)
	// Free returns the bytes that this user may still write where dir lies.
	Free(dir string) (int64, error)
	// Lock takes an exclusive lock on the file name, which it makes if need
	// be, and writes owner into it. Where another holds it the error is a
	// *LockedError. The lock ends with Close of what is returned, or with the
	// process.
	Lock(name, owner string) (io.Closer, error)
}

// File is an open file. ReadAt may be called from many goroutines, also while
// another one writes elsewhere in the file. One goroutine at a time writes,
// syncs or truncates.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync is fdatasync: on a nil return all that was written through any
	// descriptor, and the size of the file, is durable (its name is not).
	// After an error nothing is known of what was written since the last good
	// Sync, and a second Sync that succeeds proves nothing: the file must be
	// given up.
	Sync() error
	// Truncate sets the size. Durable after the next Sync.
	Truncate(size int64) error
	// Size returns the size in bytes as it is now.
	Size() (int64, error)
	// Forget asks that later reads come from the disk and not from memory, as
	// far as memory agrees with it for all the system knows. After a failed
	// Sync in an earlier life the two may differ. It is best effort.
	Forget() error
	// Reserve makes the file at least size bytes long with all its blocks
	// allocated, without promising what they hold.
	Reserve(size int64) error
}

// Info is one file of a directory.
type Info struct {
	Name string // without the directory
	Size int64  // bytes
}

// LockedError says who holds a lock.
type LockedError struct {
	Name  string // the lock file
	Owner string // what the holder wrote into it, "" if it could not be read
}

// Error implements error.
func (e *LockedError) Error() string {
	if e.Owner == "" {
		return fmt.Sprintf("lock %s is held by another process", e.Name)
	}
	return fmt.Sprintf("lock %s is held by %s", e.Name, e.Owner)
}
