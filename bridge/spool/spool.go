package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// Position is the number of a record: 1, 2, 3 and so on, dense, never used
// again; 0 is none.
type Position uint64

// Spool is an open spool. Its methods may be called from many goroutines.
//
// Lock order: Checkpoint.mu, then one of Spool.mu, queue.mu, room.mu and
// reserve.mu, of which no two are held at once. Nothing is read or written
// under Spool.mu or queue.mu.
type Spool struct {
	// Immutable once open.
	opts       Options
	fs         disk.FS
	log        *zap.Logger
	now        func() time.Time
	lock       io.Closer
	room       *room
	forAppend  *reserve // of the checkpoint
	forRewrite *reserve
	queue      *queue
	committer  *committer
	preparer   *preparer
	checkpoint *Checkpoint
	maxRecord  int64         // of a frame
	closing    chan struct{} // closed by Close

	releasing sync.Mutex // one Release at a time

	mu          sync.Mutex
	segments    []*segment // oldest first; the last one is in use, or was last
	memory      memory
	end         Position      // one past the last durable record
	floor       Position      // a reader asked for it: the next record is not below
	released    Position      // argument of the last Release
	wake        chan struct{} // closed when end grows; nil: nobody waits
	lost        int64         // positions that damage took
	damage      error         // the last damage found; nil: none
	quarantined int
	keptBytes   int64
	closed      bool
}

// Open opens the spool in a directory, which it makes if it is missing, takes
// its lock and recovers what is there. Errors: ErrLocked (the holder is
// named), *VersionError, a setting that cannot work, or the disk's. A full
// disk is no error: the spool opens for reading, and Append refuses.
func Open(o Options) (*Spool, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", o.Dir, err)
	}
	lock, err := takeLock(o.FS, o.Dir)
	if err != nil {
		return nil, err
	}
	s := newSpool(o, lock)
	if err := s.recover(); err != nil {
		s.committer.drop()
		s.preparer.close()
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", o.Dir, err), lock.Close())
	}
	s.holdReserve()
	go s.committer.run()
	return s, nil
}

func newSpool(o Options, lock io.Closer) *Spool {
	s := &Spool{
		opts: o, fs: o.FS, log: o.Logger, now: o.Now, lock: lock,
		room: &room{
			fs: o.FS, dir: o.Dir, max: o.MaxBytes, minFree: o.MinFree, segment: o.SegmentBytes,
		},
		forAppend:  newReserve(&o, appendReserve),
		forRewrite: newReserve(&o, rewriteReserve),
		queue:      newQueue(),
		maxRecord:  o.SegmentBytes - headerBytes - frameHeader,
		closing:    make(chan struct{}),
		memory:     memory{max: o.MemoryBytes},
	}
	s.committer = newCommitter(s)
	s.preparer = newPreparer(s)
	s.checkpoint = newCheckpoint(s)
	return s
}

// takeLock says in its error who has the spool.
func takeLock(d disk.FS, dir string) (io.Closer, error) {
	lock, err := d.Lock(filepath.Join(dir, lockName), fmt.Sprintf("pid %d", os.Getpid()))
	var locked *disk.LockedError
	if errors.As(err, &locked) {
		return nil, fmt.Errorf("open spool %s: %w: %w; stop it first, or use another directory", dir, ErrLocked, locked)
	}
	if err != nil {
		return nil, fmt.Errorf("open spool %s: take its lock: %w", dir, err)
	}
	return lock, nil
}

// Append stores a copy of r and returns its position when it is durable (see
// Durability). The slices of r may be used again afterwards. Errors: ErrFull,
// ErrTooLarge, ErrClosed, *PoisonedError: r was not stored. When ctx ends
// first the error is ctx's, and r may be stored all the same.
func (s *Spool) Append(ctx context.Context, r Record) (Position, error) {
	if frameSize(r.payloadBytes()) > s.maxRecord {
		return 0, fmt.Errorf("%w (%d bytes of %d)", ErrTooLarge, r.payloadBytes(), s.maxRecord-frameHeader)
	}
	g, index, err := s.queue.join(ctx, &r, r.sum())
	if err != nil {
		return 0, err
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if g.err != nil {
		return 0, g.err
	}
	return g.first + Position(index), nil
}

// First returns the oldest position that may be readable: Release moves it,
// by whole segments.
func (s *Spool) First() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.firstLocked()
}

func (s *Spool) firstLocked() Position {
	if len(s.segments) == 0 {
		return max(s.end, s.floor)
	}
	return s.segments[0].head.base
}

// End returns one past the last durable position: the next one to be used,
// if all goes well.
func (s *Spool) End() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.end, s.floor)
}

// jump returns the position below which no new record may be.
func (s *Spool) jump() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floor
}

// StuckAfter is how long a write may take before the disk counts as stuck: Tencent
// waits for an answer as long.
const StuckAfter = 2 * time.Second

// Err says why the spool cannot store now: it wraps ErrFull, or is a
// *PoisonedError or a *StuckError, or is ErrClosed. nil: it can. It changes by
// itself.
func (s *Spool) Err() error {
	if err := s.queue.err(); err != nil {
		return err
	}
	began := s.committer.writing.Load()
	if began == 0 || s.now().Sub(time.Unix(0, began)) < StuckAfter {
		return nil
	}
	return &StuckError{Dir: s.opts.Dir, Since: time.Unix(0, began)}
}

// Damage returns the damage that was found last, nil if there was none since
// Open. The spool works on; the damaged file is kept aside.
func (s *Spool) Damage() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damage
}

// Checkpoint returns the spool's checkpoint log, always the same one.
func (s *Spool) Checkpoint() *Checkpoint { return s.checkpoint }

// Close refuses new appends, stores those that wait, ends all readers and
// lets the lock go. The checkpoint is closed as it is, not synced. A second
// Close does nothing.
func (s *Spool) Close() error {
	if !s.queue.close() {
		return nil
	}
	close(s.committer.stop)
	<-s.committer.done
	s.preparer.close()
	s.mu.Lock()
	s.closed = true
	s.memory.clear()
	s.mu.Unlock()
	close(s.closing)
	return errors.Join(s.checkpoint.close(), s.lock.Close())
}

// publish shows a durable group to readers.
func (s *Spool) publish(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.seg.bytes = g.off + int64(len(g.buf))
	g.seg.end = g.end()
	g.seg.sound = g.seg.end
	s.end = g.seg.end
	s.memory.push(g)
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// addSegment makes seg the one in use and seals the one before.
func (s *Spool) addSegment(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.segments); n > 0 {
		s.segments[n-1].sealed = true
	}
	s.segments = append(s.segments, seg)
	s.end = seg.end
}

// event tells the hook.
func (s *Spool) event(kind string) {
	if h := s.opts.Hooks.Event; h != nil {
		h(kind)
	}
}

// reserved is how much is kept aside for the checkpoint to be appended to, and
// to be rewritten at twice its size.
func (s *Spool) reserved() (appending, rewriting int64) {
	least := min(leastReserve, s.opts.SegmentBytes/4)
	return least, max(least, 2*s.checkpoint.Size())
}

func (s *Spool) holdReserve() {
	appending, rewriting := s.reserved()
	s.forRewrite.hold(rewriting)
	s.forAppend.hold(appending)
}

// eased says whether there is room to store again, with the reserves.
func (s *Spool) eased() bool {
	appending, rewriting := s.reserved()
	return s.room.eased(s.forAppend.missing(appending) + s.forRewrite.missing(rewriting))
}

// freeReserve gives up the space kept for the checkpoint, and the segment that
// was prepared. false: there was none.
func (s *Spool) freeReserve(kept ...*reserve) bool {
	freed := s.preparer.dropReady()
	for _, r := range kept {
		if r.use() {
			freed = true
			s.event(EventReserveUsed)
		}
	}
	return freed
}
