package spool

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// failFrom makes n calls from call k on fail with err.
func failFrom(k, n int, err error) func(faultdisk.Call) faultdisk.Fault {
	return func(c faultdisk.Call) faultdisk.Fault {
		if c.N >= k && c.N < k+n {
			return faultdisk.Fault{Err: err}
		}
		return faultdisk.Fault{}
	}
}

// TestDiskErrorAtEveryCall lets one call after the other fail, for a moment
// or for a while, and the disk go on. What is answered OK is there after a
// kill and after a power loss, what is refused is there at most once, and the
// spool stores again by itself (P1, P4).
func TestDiskErrorAtEveryCall(t *testing.T) {
	t.Parallel()
	survivals := faultdisk.Survivals()
	for _, fault := range []struct {
		err   error
		calls int
	}{{syscall.EIO, 1}, {syscall.EIO, 4}, {syscall.EIO, 25}, {syscall.ENOSPC, 1}, {syscall.ENOSPC, 6}} {
		t.Run(fmt.Sprintf("%v for %d calls", fault.err, fault.calls), inBubble(func(t *testing.T) {
			points, refused := 0, 0
			for k := 1; ; k++ {
				d := faultdisk.New(uint64(k))
				v := d.Boot(failFrom(k, fault.calls, fault.err))
				x := script{h: newHistory(), fs: v}
				err := x.play()
				if d.Calls() < k {
					break
				}
				label := fmt.Sprintf("fault at call %d", k)
				if errors.Is(err, errWrongCheckpoint) {
					t.Fatalf("%s: %v", label, err)
				}
				resumes(t, label, &x)
				if k%2 == 0 {
					d.Crash(survivals[k/2%len(survivals)])
				}
				x.h.reopenAndCheck(t, label, d)
				d.Crash(survivals[k%len(survivals)])
				x.h.reopenAndCheck(t, label+", then a power loss", d)
				points++
				refused += min(1, len(x.h.refused))
			}
			t.Logf("%d fault points, records were refused in %d of them", points, refused)
		}))
	}
}

// resumes opens the spool with the same disk, which works by now.
func resumes(t *testing.T, label string, x *script) {
	t.Helper()
	for range 30 {
		if x.s = nil; x.open() == nil {
			break
		}
	}
	if x.s == nil {
		t.Fatalf("%s: the spool does not open again", label)
	}
	defer x.s.Close()
	for range 60 {
		if x.s.Err() == nil {
			return
		}
		time.Sleep(time.Second) // of the bubble's clock
	}
	t.Fatalf("%s: still refuses after a minute: %v", label, x.s.Err())
}

// switchable is a plan whose fault is turned on and off.
type switchable struct {
	op     faultdisk.Op
	broken atomic.Bool
}

func (f *switchable) plan(c faultdisk.Call) faultdisk.Fault {
	if c.Op == f.op && f.broken.Load() {
		return faultdisk.Fault{Err: syscall.EIO}
	}
	return faultdisk.Fault{}
}

// TestPoisonedSpoolRefusesAndResumes: while the disk fails, appends get a
// *PoisonedError that says so; when it is mended, the spool notices.
func TestPoisonedSpoolRefusesAndResumes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &switchable{op: faultdisk.OpSync}
		d := faultdisk.New(1)
		var events eventLog
		o := smallSpool(d.Boot(f.plan))
		o.Hooks.Event = events.add
		s := mustOpen(t, o)
		defer s.Close()
		h := newHistory()
		h.appendWave(s, 3)
		f.broken.Store(true)
		h.appendWave(s, 4)
		var poisoned *PoisonedError
		if !errors.As(s.Err(), &poisoned) || !errors.Is(poisoned, syscall.EIO) {
			t.Fatalf("Err is %v", s.Err())
		}
		for body, err := range h.refused {
			if !errors.As(err, &poisoned) {
				t.Fatalf("%.20q was refused with %v", body, err)
			}
		}
		if len(h.acked) != 3 || len(h.refused) != 4 {
			t.Fatalf("%d answered, %d refused", len(h.acked), len(h.refused))
		}
		time.Sleep(10 * time.Second)
		if s.Err() == nil {
			t.Fatal("stores on a broken disk")
		}
		f.broken.Store(false)
		time.Sleep(2 * time.Second)
		if err := s.Err(); err != nil {
			t.Fatalf("the disk works again: %v", err)
		}
		h.appendWave(s, 2)
		h.check(t, "resumed", s)
		if n := events.count(EventPoisoned); n == 0 || events.count(EventResumed) != 1 {
			t.Fatalf("events are %v", events.all())
		}
		must(t, s.Close())
		d.Kill()
		h.reopenAndCheck(t, "after a restart", d)
		if got := positions(h.acked); got[3] != 4 {
			t.Fatalf("the refused took positions: %v", got)
		}
	})
}

// TestSyncFailsOnceIsNotSeenOutside: the group goes to a new segment.
func TestSyncFailsOnceIsNotSeenOutside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		syncs := 0
		d := faultdisk.New(1)
		s := mustOpen(t, smallSpool(d.Boot(func(c faultdisk.Call) faultdisk.Fault {
			// Not those of the segment that is prepared ahead.
			if c.Op == faultdisk.OpSync && strings.HasPrefix(c.Name, blankPrefix+"now") {
				if syncs++; syncs == 4 {
					return faultdisk.Fault{Err: syscall.EIO}
				}
			}
			return faultdisk.Fault{}
		})))
		defer s.Close()
		h := newHistory()
		for range 4 {
			h.appendWave(s, 2)
		}
		if len(h.refused) != 0 {
			t.Fatalf("refused: %v", h.refused)
		}
		if n := s.Stat().Segments; n != 2 {
			t.Fatalf("%d segments, want a second one", n)
		}
		must(t, s.Close())
		d.Crash(faultdisk.Survival{Sectors: 1, Names: 1})
		h.reopenAndCheck(t, "after a power loss", d)
	})
}

// TestFullDiskWhileWritingIsFull: ENOSPC is ErrFull, not a broken disk, and
// passes when there is space.
func TestFullDiskWhileWritingIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := faultdisk.New(1)
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		defer s.Close()
		h := newHistory()
		d.SetSpace(d.Used() + 100)
		for len(h.refused) == 0 {
			h.appendWave(s, 3)
		}
		if !errors.Is(s.Err(), ErrFull) || !errors.Is(s.Err(), syscall.ENOSPC) {
			t.Fatalf("Err is %v", s.Err())
		}
		h.check(t, "full", s)
		d.SetSpace(0)
		time.Sleep(time.Second)
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		h.appendWave(s, 3)
		h.check(t, "resumed", s)
	})
}

// TestNothingIsWrittenToAFailedFile: after a failed write or sync, the file is
// neither written nor synced again, whatever it is.
func TestNothingIsWrittenToAFailedFile(t *testing.T) {
	t.Parallel()
	for _, op := range []faultdisk.Op{faultdisk.OpWrite, faultdisk.OpSync} {
		for n := 1; n < 40; n++ {
			t.Run(fmt.Sprintf("%s %d", op, n), inBubble(func(t *testing.T) {
				failed, count := 0, 0
				d := faultdisk.New(uint64(n))
				x := script{h: newHistory(), fs: d.Boot(func(c faultdisk.Call) faultdisk.Fault {
					if failed != 0 && c.File == failed && (c.Op == faultdisk.OpWrite || c.Op == faultdisk.OpSync) {
						t.Errorf("%s of %s after it failed", c.Op, c.Name)
					}
					if c.Op == op {
						if count++; count == n {
							failed = c.File
							return faultdisk.Fault{Err: syscall.EIO}
						}
					}
					return faultdisk.Fault{}
				})}
				_ = x.play()
				x.h.reopenAndCheck(t, "afterwards", d)
			}))
		}
	}
}

// TestNoReturnToASegmentWhoseSuccessorMayExist: when a new segment could not
// be made for sure, it may come to light after a crash, and says where its
// predecessor ends. What is stored later must not be in the predecessor.
func TestNoReturnToASegmentWhoseSuccessorMayExist(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		d := faultdisk.New(1)
		s := mustOpen(t, smallSpool(d.Boot(func(c faultdisk.Call) faultdisk.Fault {
			if broken.Load() && (c.Op == faultdisk.OpSyncDir || c.Op == faultdisk.OpRemove) {
				return faultdisk.Fault{Err: syscall.EIO}
			}
			return faultdisk.Fault{}
		})))
		defer s.Close()
		h := newHistory()
		for range 5 {
			h.appendWave(s, 2)
		}
		broken.Store(true)
		_, err := s.Append(t.Context(), Record{Body: make([]byte, 5000)}) // does not fit any more
		var poisoned *PoisonedError
		if !errors.As(err, &poisoned) {
			t.Fatalf("stored without a segment: %v", err)
		}
		broken.Store(false)
		time.Sleep(2 * time.Second)
		h.appendWave(s, 1) // would fit into the first segment
		if len(h.acked) != 11 {
			t.Fatalf("refused: %v", h.refused)
		}
		must(t, s.Close())
		d.Crash(faultdisk.Survival{Sectors: 1, Names: 1})
		h.waves[string(make([]byte, 5000))] = h.wave
		h.reopenAndCheck(t, "after a crash", d)
	})
}

// TestStuckDiskIsSaid: a disk that does not answer a sync makes the spool say that
// it cannot store, although nothing has failed; when it answers, what waited is
// stored.
func TestStuckDiskIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var freeze atomic.Bool
		thaw := make(chan struct{})
		o := smallSpool(faultdisk.New(1).Boot(func(c faultdisk.Call) faultdisk.Fault {
			if c.Op == faultdisk.OpSync && freeze.Load() {
				<-thaw
			}
			return faultdisk.Fault{}
		}))
		core, logs := observer.New(zap.ErrorLevel)
		o.Logger = zap.New(core)
		s := mustOpen(t, o)
		defer s.Close()
		freeze.Store(true)
		stored := make(chan error, 1)
		go func() {
			_, err := s.Append(t.Context(), Record{Body: []byte("waits")})
			stored <- err
		}()
		time.Sleep(StuckAfter - time.Millisecond)
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Fatalf("it says %v too early", err)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		var stuck *StuckError
		if err := s.Err(); !errors.As(err, &stuck) || time.Since(stuck.Since) != StuckAfter {
			t.Fatalf("Err is %v", err)
		}
		if n := logs.FilterMessage("disk does not answer").Len(); n != 1 {
			t.Errorf("the log says it %d times", n)
		}
		freeze.Store(false)
		close(thaw)
		if err := <-stored; err != nil {
			t.Errorf("what waited: %v", err)
		}
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("afterwards Err is %v", err)
		}
	})
}
