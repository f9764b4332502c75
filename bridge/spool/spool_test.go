package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// TestSecondProcessIsRefused and told who has the spool.
func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 8 << 10})
	_, err := Open(Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Fatalf("error is %v", err)
	}
	if _, err := Repair(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("repair of a spool in use: %v", err)
	}
	must(t, s.Close())
	s = mustOpen(t, Options{Dir: dir, SegmentBytes: 8 << 10})
	must(t, s.Close())
	must(t, s.Close()) // a second Close does nothing
}

func TestFilesAreNobodyElses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 8 << 10})
	appendBody(t, s, "x")
	must(t, s.Checkpoint().Append(nil))
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("directory has mode %o", info.Mode().Perm())
	}
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		info, err := f.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", f.Name(), info.Mode().Perm())
		}
	}
	must(t, s.Close())
}

// TestBodiesLieAsTheyCame: plain tools can read them (design 11).
func TestBodiesLieAsTheyCame(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	const query, body = "SdkAppid=1&CallbackCommand=x", `{"GroupId":"@TGS#1","MsgSeq":7}`
	_, err := s.Append(t.Context(), Record{Query: []byte(query), Body: []byte(body)})
	must(t, err)
	must(t, s.Close())
	if !strings.Contains(string(d.Bytes(filepath.Join(testDir, segmentNames(d)[0]))), query+body) {
		t.Fatal("not in the file")
	}
}

func TestAppendAfterClose(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, smallSpool(faultdisk.New(1).Boot(nil)))
	must(t, s.Close())
	if _, err := s.Append(t.Context(), Record{}); !errors.Is(err, ErrClosed) || !errors.Is(s.Err(), ErrClosed) {
		t.Fatalf("%v, %v", err, s.Err())
	}
}

// TestCloseStoresWhatWaits: an append that was taken is answered truly.
func TestCloseStoresWhatWaits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		d := faultdisk.New(seed)
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		h := newHistory()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = s.Close()
		}()
		h.appendWave(s, 8)
		<-closed
		for _, err := range h.refused {
			if !errors.Is(err, ErrClosed) {
				t.Fatalf("refused with %v", err)
			}
		}
		d.Crash(faultdisk.Survival{})
		h.reopenAndCheck(t, "after close", d)
	}
}

func TestTooLargeIsRefusedForGood(t *testing.T) {
	t.Parallel()
	o := smallSpool(faultdisk.New(1).Boot(nil))
	s := mustOpen(t, o)
	defer s.Close()
	largest := int(s.maxRecord) - frameHeader
	if p := appendBody(t, s, strings.Repeat("x", largest-1)); p != 1 { // and a query of one byte
		t.Fatalf("position %d", p)
	}
	if _, err := s.Append(t.Context(), Record{Body: make([]byte, largest+1)}); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("error is %v", err)
	}
	if got := bodies(t, s.NewReader(0)); len(got) != 1 || len(got[1]) != largest-1 {
		t.Fatalf("%d records", len(got))
	}
}

// TestGroupsFormWhileTheDiskIsBusy: what comes during one sync shares the
// next one, and the queue is bounded.
func TestGroupsFormWhileTheDiskIsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var groups []int
		d := faultdisk.New(1)
		v := d.Boot(nil)
		o := Options{Dir: testDir, FS: v, SegmentBytes: 8 << 20}
		busy := make(chan struct{}, 1)
		o.Hooks.Synced = func(records, bytes int, took time.Duration) {
			groups = append(groups, records)
			if records == 1 {
				busy <- struct{}{}
				<-gate
			}
		}
		s := mustOpen(t, o)
		appendBody(t, s, "first")
		<-busy // the committer is held up, as by a slow disk
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		var gaveUp int
		var mu sync.Mutex
		for range 3000 {
			wg.Go(func() {
				if _, err := s.Append(ctx, Record{Body: make([]byte, 100)}); err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					mu.Lock()
					gaveUp++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		s.queue.mu.Lock()
		formed := s.queue.forming.count
		s.queue.mu.Unlock()
		if formed != groupRecords {
			t.Errorf("%d records wait in the queue, want %d", formed, groupRecords)
		}
		cancel() // all give up; those in the queue may be stored all the same
		wg.Wait()
		if gaveUp != 3000 {
			t.Errorf("%d gave up", gaveUp)
		}
		close(gate)
		must(t, s.Close())
		if len(groups) != 2 || groups[1] != groupRecords {
			t.Errorf("groups of %v", groups)
		}
	})
}

// TestDurabilityModes: under Interval and Memory a killed process loses
// nothing, a power loss may; no position is ever used twice.
func TestDurabilityModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []Durability{Fsync, Interval, Memory} {
		for _, power := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/power=%v", mode, power), inBubble(func(t *testing.T) {
				d := faultdisk.New(1)
				o := smallSpool(d.Boot(nil))
				o.Durability = mode
				s := mustOpen(t, o)
				h := newHistory()
				for range 6 {
					h.appendWave(s, 3)
				}
				if mode == Interval {
					time.Sleep(2 * SyncEvery)
				}
				end := s.End()
				if power {
					d.Crash(faultdisk.Survival{})
				} else {
					d.Kill()
				}
				_ = s.Close()
				if mode == Memory && power {
					h.acked = make(map[Position]string)
				}
				o.FS = d.Boot(nil)
				s = mustOpen(t, o)
				defer s.Close()
				h.check(t, "reopened", s)
				if p := appendBody(t, s, "x"); p < end || mode == Fsync && p != end {
					t.Fatalf("position %d after %d", p, end)
				}
				if s.Damage() != nil {
					t.Fatal(s.Damage())
				}
			}))
		}
	}
}

func TestDurabilityNames(t *testing.T) {
	t.Parallel()
	for _, d := range []Durability{Fsync, Interval, Memory} {
		if got, err := ParseDurability(d.String()); err != nil || got != d {
			t.Errorf("%v: %v, %v", d, got, err)
		}
	}
	if _, err := ParseDurability("sometimes"); err == nil {
		t.Error("sometimes is durable")
	}
}

// TestStat: what an operator sees.
func TestStat(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	o := smallSpool(d.Boot(nil))
	o.MaxBytes, o.MinFree, o.MemoryBytes = 1<<20, 1<<10, 1<<20
	s := mustOpen(t, o)
	for i := range 40 {
		_, err := s.Append(t.Context(), Record{ReceivedAt: time.Unix(int64(1000+i), 0), Body: make([]byte, 500)})
		must(t, err)
	}
	must(t, s.Release(31))
	st := s.Stat()
	if st.Records != 10 || st.End != 41 || st.Released != 31 || st.First > 31 || st.MaxBytes != 1<<20 || st.MinFree != 1<<10 {
		t.Errorf("%+v", st)
	}
	if want := time.Unix(1030, 0); !st.OldestReceipt.Equal(want) {
		t.Errorf("oldest is %v, want %v", st.OldestReceipt, want)
	}
	must(t, s.Release(41))
	if st := s.Stat(); st.Records != 0 || !st.OldestReceipt.IsZero() {
		t.Errorf("%+v", st)
	}
	must(t, s.Close())
	s = mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	st = s.Stat()
	if st.OldestReceipt.IsZero() || st.Records != int64(st.End-st.First) || st.Bytes <= 0 || st.FreeBytes <= 0 {
		t.Errorf("%+v", st)
	}
}

// TestManyRestartsLeaveNoFiles: an empty segment goes with its successor.
func TestManyRestartsLeaveNoFiles(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	for i := range 10 {
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		if s.End() != Position(1+i/5) {
			t.Fatalf("end is %d", s.End())
		}
		if i == 4 {
			appendBody(t, s, "one")
		}
		must(t, s.Close())
	}
	if n := len(segmentNames(d)); n > 2 {
		t.Fatalf("files are %v", d.Names(testDir))
	}
}

// TestLeftOversGo: what a crash left half made is removed.
func TestLeftOversGo(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	d.SetBytes(testDir+"/blank-ahead-1.tmp", make([]byte, 1000))
	d.SetBytes(testDir+"/checkpoint.log.tmp", []byte("half"))
	d.SetBytes(testDir+"/notes.txt", []byte("someone's"))
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	must(t, s.Close())
	names := strings.Join(d.Names(testDir), " ")
	if strings.Contains(names, tmpSuffix) || !strings.Contains(names, "notes.txt") {
		t.Fatalf("files are %s", names)
	}
}
