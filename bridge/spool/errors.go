package spool

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrFull: there is no room, by MaxBytes or MinFree or because the disk
	// said so. Nothing was stored. It passes when segments are released or
	// space is freed.
	ErrFull = errors.New("spool is full: wait until it drains, free disk space, or raise spool.max_bytes")
	// ErrClosed: the spool was closed. Nothing was stored.
	ErrClosed = errors.New("spool is closed")
	// ErrLocked: another process has the directory. The error that wraps it
	// names that process.
	ErrLocked = errors.New("spool is in use by another process")
	// ErrTooLarge: the record can never be stored, it is larger than a
	// segment holds. Nothing was stored.
	ErrTooLarge = errors.New("record is larger than a spool segment: raise spool.max_bytes or lower http.max_body")
)

// PoisonedError says that the disk failed to write or sync, and that records
// are refused until a new segment can be made, which is tried again and again.
type PoisonedError struct {
	File  string    // what was being written
	Since time.Time // the first failure
	Err   error     // the disk's error
}

// Error implements error.
func (e *PoisonedError) Error() string {
	return fmt.Sprintf("spool cannot store since %s, disk error on %s: %v; check the disk, it is tried again by itself",
		e.Since.UTC().Format(time.RFC3339), e.File, e.Err)
}

// Unwrap returns the disk's error.
func (e *PoisonedError) Unwrap() error { return e.Err }

// StuckError says that a write has been under way for longer than StuckAfter.
// What waits for it is neither stored nor refused.
type StuckError struct {
	Dir   string
	Since time.Time // the write's beginning
}

// Error implements error.
func (e *StuckError) Error() string {
	return fmt.Sprintf("the disk of %s has not answered a write since %s; callbacks wait for it. Check the disk, and the kernel's log (dmesg)",
		e.Dir, e.Since.UTC().Format(time.RFC3339))
}

// CorruptError says where stored bytes are not what was stored.
type CorruptError struct {
	Segment string // file name
	Offset  int64  // byte in it where the damage begins
	Err     error  // what is wrong there
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %v", e.Segment, e.Offset, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

// VersionError says that a file was written by a version of this program
// that this one does not know. It is not damage: nothing is changed.
type VersionError struct {
	File    string
	Version uint32 // as found
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program knows %d: run the version that wrote it until it is drained",
		e.File, e.Version, formatVersion)
}
