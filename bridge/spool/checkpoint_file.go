package spool

import (
	"errors"
	"io"
	"io/fs"
	"math"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// entries is what a checkpoint file holds.
type entries struct {
	seed  uint32
	end   int64  // where the last good entry ends
	count uint64 // good entries
}

// appendEntry encodes the entry with this number; unsynced is how many before
// it are not durable.
func appendEntry(dst, entry []byte, number, unsynced uint64, seed uint32) []byte {
	at := len(dst)
	f := frame{
		length: uint32(len(entry)), bodySum: sumMore(0, entry), kind: kindCheckpoint,
		position: number, index: uint32(min(unsynced, math.MaxUint32)),
	}
	dst = append(dst, make([]byte, frameHeader)...)
	f.put(dst[at:], seed)
	dst = append(dst, entry...)
	return append(dst, make([]byte, f.size()-int64(len(dst)-at))...)
}

// checkEntries reads a checkpoint file through. The entries up to the first
// that is not good are what it holds, unless that one was durable once: by
// what a later one says of it, or because it was there when the file got its
// name (the header's base is the first number that was not). That is a
// *CorruptError.
func checkEntries(file io.ReaderAt, size int64) (entries, error) {
	b := make([]byte, min(size, headerBytes))
	if n, err := file.ReadAt(b, 0); n < len(b) {
		return entries{}, err
	}
	h, _, err := parseHeader(b, magicCheckpoint, checkpointName)
	if err != nil {
		return entries{}, err
	}
	c := cursor{file: file, seed: h.seed(), off: headerBytes, limit: size}
	e := entries{seed: c.seed, end: headerBytes}
	var bad *CorruptError // the first that is not good
	for {
		f, _, err := c.next()
		if err == nil && f.kind == kindCheckpoint && f.position == e.count+1 && bad == nil {
			e.count++
			e.end = c.off
			continue
		}
		if err == nil {
			if bad == nil {
				bad = &CorruptError{checkpointName, c.off - f.size(), errors.New("entry has the wrong number")}
			}
			if f.group() > e.count+1 {
				return e, bad
			}
			continue
		}
		if !isBadFrame(err) {
			return e, err
		}
		if bad == nil {
			bad = &CorruptError{checkpointName, e.end, err}
		}
		found, _, err := c.resync()
		if err != nil {
			return e, err
		}
		if !found {
			break
		}
	}
	if e.count+1 < uint64(h.base) {
		return e, bad
	}
	return e, nil
}

// readEntries calls fn with each entry of a file that holds good ones up to
// end. An entry is valid until fn returns.
func readEntries(file io.ReaderAt, seed uint32, end int64, fn func([]byte) error) error {
	c := cursor{file: file, seed: seed, off: headerBytes, limit: end}
	for c.off < end {
		_, payload, err := c.next()
		if err != nil {
			return &CorruptError{checkpointName, c.off, err}
		}
		if err := fn(payload); err != nil {
			return err
		}
	}
	return nil
}

// replaceLocked writes a new file with what write adds (nil: nothing), makes
// it durable and lets it take the old one's place.
func (c *Checkpoint) replaceLocked(write func(add func([]byte) error) error) error {
	tmp := c.name + tmpSuffix
	d := c.spool.fs
	if err := d.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := d.Create(tmp)
	if err != nil {
		return err
	}
	w := entryWriter{file: file, off: headerBytes}
	err = w.writeAll(c.spool, write)
	if err == nil {
		if err = d.Rename(tmp, c.name); err != nil && c.broken == nil {
			// The new file may have the name, now or after a crash: what is
			// appended to the old one might never be seen.
			c.broken = err
			c.since = c.spool.now()
		}
	}
	if err != nil {
		err = errors.Join(err, file.Close())
		_ = d.Remove(tmp)
		return err
	}
	if c.file != nil {
		_ = c.file.Close() // it has no name any more
	}
	c.loaded, c.broken, c.cut, c.file, c.seed = true, nil, false, file, w.seed
	c.off, c.count, c.synced = w.off, w.count, w.count
	c.size.Store(c.off)
	return nil
}

// entryWriter writes a checkpoint file from the beginning.
type entryWriter struct {
	file  disk.File
	seed  uint32
	off   int64
	count uint64
	buf   []byte
}

const entryBuffer = 256 << 10

func (w *entryWriter) writeAll(s *Spool, write func(add func([]byte) error) error) error {
	salt, err := newSalt()
	if err != nil {
		return err
	}
	h := header{salt: salt, created: s.now().UnixNano()}
	w.seed = h.seed()
	if write != nil {
		if err := write(w.add); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	h.base = Position(w.count + 1)
	if _, err := w.file.WriteAt(h.encode(magicCheckpoint), 0); err != nil {
		return err
	}
	return w.file.Sync()
}

func (w *entryWriter) add(entry []byte) error {
	w.count++
	w.buf = appendEntry(w.buf, entry, w.count, w.count-1, w.seed)
	if len(w.buf) < entryBuffer {
		return nil
	}
	return w.flush()
}

func (w *entryWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(w.buf, w.off); err != nil {
		return err
	}
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}
