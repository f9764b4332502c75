package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// Checkpoint is a log of small entries beside the segments, in one file: what
// the relay must know after a restart. What the entries mean is the relay's.
// Its methods may be called from many goroutines; they take turns.
//
// An entry is numbered from 1 in each file. Its frame says how many of the
// entries before it were not synced yet. That tells damage from a crash: an
// entry that is not there although a later one says that it had been synced
// is damage; the rest is a torn tail.
type Checkpoint struct {
	spool *Spool
	name  string // with the directory
	size  atomic.Int64

	mu     sync.Mutex
	file   disk.File // nil: none yet
	seed   uint32
	off    int64  // where the next entry goes
	count  uint64 // entries in the file
	synced uint64 // of these, how many are durable
	loaded bool
	cut    bool  // entries that were written once may be missing
	broken error // the file is given up and no other could be written; nil: it is good
	since  time.Time
	closed bool
	frame  []byte // the next entry, encoded
}

// maxEntry bounds an entry, bytes.
const maxEntry = 256 << 20

func newCheckpoint(s *Spool) *Checkpoint {
	return &Checkpoint{spool: s, name: filepath.Join(s.opts.Dir, checkpointName)}
}

// Size returns the bytes of the log, for the decision to Rewrite it.
func (c *Checkpoint) Size() int64 { return c.size.Load() }

// Load calls fn with every entry, oldest first; an entry is valid until fn
// returns. It is what Append and Rewrite left: all that was synced, and of
// the rest a beginning. A torn tail is cut. Damage elsewhere is a
// *CorruptError, before fn is called at all: the file is kept aside and the
// log begins empty. An error of fn ends Load and is returned.
func (c *Checkpoint) Load(fn func(entry []byte) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if err := c.openLocked(); err != nil {
		return err
	}
	if c.file == nil {
		return nil
	}
	return readEntries(c.file, c.seed, c.off, fn)
}

// Cut reports, after Load and until Rewrite, that the log had lost its end or was
// damaged: entries that were written may be missing. A process that is killed
// leaves at most the one entry cut that it was just writing.
func (c *Checkpoint) Cut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// Append adds an entry. When it returns, the operating system has it: it
// survives a killed process, and after Sync a power loss. Errors: ErrFull
// (the disk is full, and the space kept for appending is used up: Rewrite has
// space of its own, and gives this back), *PoisonedError, ErrClosed; the entry
// may then be in the log or not. Append may be called again, and writes the
// log to a new file if it has to.
func (c *Checkpoint) Append(entry []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(entry) > maxEntry {
		return fmt.Errorf("checkpoint entry of %d bytes: at most %d can be stored", len(entry), maxEntry)
	}
	if err := c.readyLocked(); err != nil {
		return err
	}
	c.encodeLocked(entry)
	_, err := c.file.WriteAt(c.frame, c.off)
	if noSpace(err) && c.spool.freeReserve(c.spool.forAppend) {
		_, err = c.file.WriteAt(c.frame, c.off)
	}
	if noSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return c.healLocked(err, entry)
	}
	c.off += int64(len(c.frame))
	c.count++
	c.size.Store(c.off)
	return nil
}

// Sync makes every entry durable.
func (c *Checkpoint) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil && c.broken == nil && c.loaded {
		return nil // nothing was appended yet
	}
	if err := c.readyLocked(); err != nil {
		return err
	}
	if c.synced == c.count {
		return nil
	}
	if err := c.file.Sync(); err != nil {
		return c.healLocked(err, nil)
	}
	c.synced = c.count
	return nil
}

// Rewrite replaces the log by what write adds, durably and as a whole: after
// a crash it is the old log or the new one. write may be called a second
// time, when the disk was full and the space kept for this was freed; it must
// not call the Checkpoint.
func (c *Checkpoint) Rewrite(write func(add func(entry []byte) error) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	err := c.replaceLocked(write)
	if noSpace(err) && c.spool.freeReserve(c.spool.forAppend, c.spool.forRewrite) {
		err = c.replaceLocked(write)
	}
	if noSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return fmt.Errorf("rewrite checkpoint: %w", err)
	}
	// Also on a disk that is full: the old log is gone.
	c.spool.holdReserve()
	return nil
}

// readyLocked makes sure that there is a good file to append to.
func (c *Checkpoint) readyLocked() error {
	if c.closed {
		return ErrClosed
	}
	if err := c.openLocked(); err != nil {
		return err
	}
	if c.broken != nil {
		return c.healLocked(c.broken, nil)
	}
	if c.file != nil {
		return nil
	}
	err := c.replaceLocked(nil)
	if noSpace(err) && c.spool.freeReserve(c.spool.forAppend) {
		err = c.replaceLocked(nil)
	}
	if noSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// openLocked opens the file of an earlier life, cuts its torn tail and makes
// the rest durable. c.file stays nil if there is none.
func (c *Checkpoint) openLocked() error {
	if c.loaded {
		return nil
	}
	file, err := c.spool.fs.OpenWrite(c.name)
	if errors.Is(err, fs.ErrNotExist) {
		c.loaded = true
		return nil
	}
	if err != nil {
		return err
	}
	e, err := c.recoverFile(file)
	if err != nil {
		err = errors.Join(err, file.Close())
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			return c.setAsideLocked(corrupt)
		}
		return fmt.Errorf("read checkpoint: %w", err)
	}
	c.loaded, c.file, c.seed = true, file, e.seed
	c.off, c.count, c.synced = e.end, e.count, e.count
	c.size.Store(c.off)
	return nil
}

// recoverFile is what recovery does to the newest segment, for the
// checkpoint's file. Its tail is cut off in fact, since the file is written
// on: an entry behind the cut must not come to follow a new one.
func (c *Checkpoint) recoverFile(file disk.File) (entries, error) {
	if err := file.Sync(); err != nil {
		return entries{}, err
	}
	if err := file.Forget(); err != nil {
		c.spool.log.Warn("checkpoint is read from memory, not from the disk", zap.Error(err))
	}
	size, err := file.Size()
	if err != nil {
		return entries{}, err
	}
	e, err := checkEntries(&patientFile{file: file, stop: c.spool.closing}, size)
	if err != nil || e.end == size {
		return e, err
	}
	c.cut = true
	c.spool.log.Warn("torn tail of the checkpoint was cut", zap.Int64("offset", e.end), zap.Int64("bytes", size-e.end))
	if err := file.Truncate(e.end); err != nil {
		return entries{}, err
	}
	return e, file.Sync()
}

// setAsideLocked keeps a damaged file under another name.
func (c *Checkpoint) setAsideLocked(corrupt *CorruptError) error {
	s := c.spool
	kept := fmt.Sprintf("%s.%d%s", c.name, s.now().UnixNano(), damagedSuffix)
	if err := s.fs.Rename(c.name, kept); err != nil {
		return errors.Join(corrupt, fmt.Errorf("keep damaged checkpoint aside: %w", err))
	}
	c.loaded, c.cut = true, true
	s.mu.Lock()
	s.damage = corrupt
	s.quarantined++
	s.mu.Unlock()
	s.event(EventQuarantined)
	s.log.Error("checkpoint is damaged and was kept aside", zap.String("kept", filepath.Base(kept)), zap.Error(corrupt))
	return corrupt
}

// encodeLocked puts the next entry's frame into c.frame.
func (c *Checkpoint) encodeLocked(entry []byte) {
	c.frame = appendEntry(c.frame[:0], entry, c.count+1, c.count-c.synced, c.seed)
}

// healLocked gives the file up after a disk error and writes what it holds,
// and entry if there is one, to a new one. Nothing is written to a descriptor
// again that failed; what is read of it counts only by its checksums.
func (c *Checkpoint) healLocked(cause error, entry []byte) error {
	s := c.spool
	if c.broken == nil {
		c.since = s.now()
		s.event(EventPoisoned)
		s.log.Error("checkpoint file is given up after a disk error", zap.Error(cause))
	}
	c.broken = cause
	again := func(add func([]byte) error) error {
		if c.file != nil {
			if err := readEntries(c.file, c.seed, c.off, add); err != nil {
				return err
			}
		}
		if entry == nil {
			return nil
		}
		return add(entry)
	}
	err := c.replaceLocked(again)
	if noSpace(err) && s.freeReserve(s.forAppend, s.forRewrite) {
		err = c.replaceLocked(again)
	}
	if err != nil {
		return &PoisonedError{File: checkpointName, Since: c.since, Err: errors.Join(cause, err)}
	}
	return nil
}

// close lets the file go.
func (c *Checkpoint) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
