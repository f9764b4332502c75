package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
)

// room keeps count of the bytes of segments against the two bounds: MaxBytes
// for their sum, and MinFree for what must stay free on the disk.
type room struct {
	fs      disk.FS
	dir     string
	max     int64 // 0: none
	minFree int64 // 0: none
	segment int64 // bytes of a full segment

	mu   sync.Mutex
	used int64
}

// take reserves size bytes for a segment, or what there is if that is at
// least least. The error is ErrFull, or the disk's.
func (r *room) take(size, least int64) (int64, error) {
	if r.minFree > 0 {
		free, err := r.fs.Free(r.dir)
		if err != nil {
			return 0, err
		}
		size = min(size, free-r.minFree)
		if size < least {
			return 0, fmt.Errorf("%w (%d bytes are free on the disk, spool.min_free is %d)", ErrFull, free, r.minFree)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.max > 0 {
		size = min(size, r.max-r.used)
		if size < least {
			return 0, fmt.Errorf("%w (segments take %d bytes, spool.max_bytes is %d)", ErrFull, r.used, r.max)
		}
	}
	size &^= frameAlign - 1
	r.used += size
	return size, nil
}

// give returns what take reserved; less than 0 counts what is there already.
func (r *room) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= n
}

// bytes is what segments take, those prepared ahead included.
func (r *room) bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}

// low says whether less than MinFree is left on the disk.
func (r *room) low() error {
	if r.minFree == 0 {
		return nil
	}
	free, err := r.fs.Free(r.dir)
	if err != nil || free >= r.minFree {
		return nil // a disk that is gone shows when it is written to
	}
	return fmt.Errorf("%w (%d bytes are free on the disk, spool.min_free is %d)", ErrFull, free, r.minFree)
}

// eased says whether a full spool may take records again: when there is room
// for two segments, and on the disk for one and for need bytes above MinFree
// and a bit, so that it does not go to and fro with every segment released,
// and does not fight with the checkpoint for the last bytes.
func (r *room) eased(need int64) bool {
	if r.max > 0 && r.bytes()+2*r.segment > r.max {
		return false
	}
	free, err := r.fs.Free(r.dir)
	return err == nil && free >= r.minFree+max(min(r.segment, r.minFree/8), min(r.segment, initialBytes))+need
}

// noSpace tells a full disk from a broken one.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// reserve is a file of allocated blocks that nothing is written to. When the
// disk is full it is removed, so that the checkpoint can be written: it is
// the checkpoint that lets segments go. There are two, one for appending and
// one for rewriting: appends that eat up theirs are followed by a rewrite,
// which makes the log small again and gives both back.
type reserve struct {
	fs   disk.FS
	name string // with the directory
	log  *zap.Logger
	now  func() time.Time

	heldLine loglimit.Limit

	mu   sync.Mutex
	size int64 // 0: there is none
}

// leastReserve is what is reserved for a checkpoint that is still small.
const leastReserve = 1 << 20

func newReserve(o *Options, name string) *reserve {
	return &reserve{fs: o.FS, name: filepath.Join(o.Dir, name), log: o.Logger, now: o.Now}
}

// hold makes the reserve at least size bytes, or as large as it was, where
// that fails.
func (r *reserve) hold(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	had := r.size
	if had >= size {
		return
	}
	err := r.make(size)
	if err == nil {
		return
	}
	r.heldLine.Warn(r.log, r.now(), "no space could be reserved for the checkpoint", zap.Int64("bytes", size), zap.Error(err))
	if had > 0 {
		_ = r.make(had)
	}
}

// missing is how much space hold would take.
func (r *reserve) missing(size int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, size-r.size)
}

// make replaces the file. r.mu is held.
func (r *reserve) make(size int64) error {
	if err := r.fs.Remove(r.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.size = 0
	file, err := r.fs.Create(r.name)
	if err != nil {
		return err
	}
	err = file.Reserve(size)
	err = errors.Join(err, file.Close())
	if err != nil {
		_ = r.fs.Remove(r.name) // a part of it would only be in the way
		return err
	}
	r.size = size
	return nil
}

// use gives the space back to the disk. false: there was none.
func (r *reserve) use() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size == 0 {
		return false
	}
	if err := r.fs.Remove(r.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Warn("reserved space could not be freed", zap.Error(err))
		return false
	}
	r.size = 0
	return true
}
