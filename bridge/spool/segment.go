package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// initialBytes is the size of the first segment after Open: made in a few
// milliseconds, while a full one of 64 MiB takes a tenth of a second and more.
const initialBytes = 4 << 20

// segment is one file of the log as readers and Release see it.
type segment struct {
	head header // immutable
	name string // immutable

	// Guarded by Spool.mu.
	size    int64     // of the file
	bytes   int64     // where the last durable frame ends
	end     Position  // one past the last durable record
	sound   Position  // see header; only below it is something absent damaged
	sealed  bool      // nothing will be added
	kept    bool      // a copy was put aside for damage
	lost    Position  // positions below it that are gone have been counted
	receipt time.Time // of its first record; zero: not read yet
	told    int64     // damage before this byte has been told of
}

// newSegment is a segment that was just made and holds nothing.
func newSegment(h header, size int64) *segment {
	return &segment{
		head: h, name: segmentName(h.id, h.base), size: size,
		bytes: headerBytes, end: h.base, sound: h.base,
	}
}

// blank is a zero-filled file that waits to become a segment.
type blank struct {
	file disk.File
	name string // with the directory
	size int64
}

// zeroStep is how much is zero-filled between two syncs: large steps would
// hold up the fsyncs of the segment in use.
const zeroStep = 4 << 20

// makeBlank writes and syncs a file of zeros, so that a later fdatasync in it
// has no metadata to write. stop ends it early.
func makeBlank(d disk.FS, name string, size int64, stop <-chan struct{}) (*blank, error) {
	file, err := d.Create(name)
	if err != nil {
		return nil, err
	}
	b := &blank{file: file, name: name, size: size}
	if err := b.fill(stop); err != nil {
		return nil, errors.Join(err, b.discard(d))
	}
	return b, nil
}

func (b *blank) fill(stop <-chan struct{}) error {
	zeros := make([]byte, min(b.size, 1<<20))
	for at := int64(0); at < b.size; {
		select {
		case <-stop:
			return errStopped
		default:
		}
		n := min(b.size-at, int64(len(zeros)))
		if _, err := b.file.WriteAt(zeros[:n], at); err != nil {
			return err
		}
		at += n
		if at%zeroStep == 0 || at == b.size {
			if err := b.file.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

var errStopped = errors.New("stopped")

// discard removes the file. What it fails to remove goes at the next Open.
func (b *blank) discard(d disk.FS) error {
	err := b.file.Close()
	if rerr := d.Remove(b.name); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// become makes a segment of a blank: header, sync, then the name that counts.
// From the first byte of Rename on the segment may exist, whatever the error
// says: the caller must not write to its predecessor any more.
func (b *blank) become(d disk.FS, dir string, h header) error {
	if _, err := b.file.WriteAt(h.encode(magicSegment), 0); err != nil {
		return err
	}
	if err := b.file.Sync(); err != nil {
		return err
	}
	return d.Rename(b.name, filepath.Join(dir, segmentName(h.id, h.base)))
}

// newSalt is a random number that no sender can know.
func newSalt() (uint64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("make a salt: %w", err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// readHeader reads the header of an open file. blank says that no frame
// follows it.
func readHeader(file disk.File, magic, name string) (h header, blank bool, damage *CorruptError, err error) {
	size, err := file.Size()
	if err != nil {
		return header{}, false, nil, err
	}
	b := make([]byte, min(size, headerBytes+frameHeader))
	if n, err := file.ReadAt(b, 0); n < len(b) {
		return header{}, false, nil, fmt.Errorf("read the header of %s: %w", name, err)
	}
	h, damage, err = parseHeader(b, magic, name)
	return h, len(b) <= headerBytes || allZero(b[headerBytes:]), damage, err
}
