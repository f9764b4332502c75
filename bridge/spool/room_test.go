package spool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// fill appends until the spool refuses, and returns what it took.
func fill(t *testing.T, s *Spool, size, most int) (taken int) {
	t.Helper()
	for ; taken < most; taken++ {
		_, err := s.Append(context.Background(), Record{Body: make([]byte, size)})
		if errors.Is(err, ErrFull) {
			return taken
		}
		must(t, err)
	}
	t.Fatalf("never full after %d records", taken)
	return 0
}

// TestMaxBytesIsABoundAndPasses: above MaxBytes records are refused, what is
// there can be read, and the spool takes records again when there is room for
// two segments, not before.
func TestMaxBytesIsABoundAndPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events eventLog
		d := faultdisk.New(1)
		o := Options{Dir: testDir, FS: d.Boot(nil), MaxBytes: 128 << 10, Hooks: Hooks{Event: events.add}}
		s := mustOpen(t, o)
		defer s.Close()
		taken := fill(t, s, 900, 1000)
		if taken < 100 {
			t.Fatalf("full after %d records", taken)
		}
		st := s.Stat()
		if st.Bytes > o.MaxBytes || st.Segments < 15 {
			t.Fatalf("%+v", st)
		}
		if n := len(bodies(t, s.NewReader(0))); n != taken {
			t.Fatalf("%d of %d can be read", n, taken)
		}
		seg := s.segments[0]
		must(t, s.Release(seg.end))
		time.Sleep(time.Second)
		if !errors.Is(s.Err(), ErrFull) {
			t.Fatalf("to and fro: after one segment Err is %v", s.Err())
		}
		must(t, s.Release(s.segments[1].end))
		time.Sleep(time.Second)
		if err := s.Err(); err != nil {
			t.Fatalf("after three segments: %v", err)
		}
		if p := appendBody(t, s, "again"); int(p) != taken+1 {
			t.Fatalf("position %d after %d records", p, taken)
		}
		if events.count(EventFull) != 1 || events.count(EventResumed) != 1 {
			t.Fatalf("events %v", events.all())
		}
	})
}

// TestMinFreeIsKept: below MinFree records are refused, also when someone
// else has filled the disk, and taken again when there is space.
func TestMinFreeIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := faultdisk.New(1)
		d.SetSpace(256 << 10)
		o := Options{Dir: testDir, FS: d.Boot(nil), SegmentBytes: 8 << 10, MinFree: 64 << 10}
		s := mustOpen(t, o)
		defer s.Close()
		fill(t, s, 900, 1000)
		if free := (256 << 10) - d.Used(); free < o.MinFree {
			t.Fatalf("%d bytes are free", free)
		}
		must(t, s.Release(s.End()))
		time.Sleep(time.Second)
		must(t, s.Err())
		appendBody(t, s, "again")

		d.SetSpace(d.Used() + 60<<10) // someone else
		time.Sleep(time.Second)
		if n := fill(t, s, 10, 10); n != 0 {
			t.Fatalf("%d taken", n)
		}
		d.SetSpace(d.Used() + 65<<10)
		time.Sleep(time.Second)
		if !errors.Is(s.Err(), ErrFull) {
			t.Fatal("to and fro: as soon as MinFree is there, records are taken")
		}
		d.SetSpace(0)
		time.Sleep(time.Second)
		must(t, s.Err())
		appendBody(t, s, "and again")
	})
}

// TestFullSpoolOpensAndDrains: a process that starts on a full disk can read
// and release, keeps every position, and then stores.
func TestFullSpoolOpensAndDrains(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := faultdisk.New(1)
			h := newHistory()
			s := mustOpen(t, smallSpool(d.Boot(nil)))
			for range 10 {
				h.appendWave(s, 3)
			}
			if crash {
				d.Crash(faultdisk.Survivals()[2])
			}
			_ = s.Close()
			d.SetSpace(1)
			for range 2 { // and once more, since nothing could be written down
				s = mustOpen(t, smallSpool(d.Boot(nil)))
				if !errors.Is(s.Err(), ErrFull) {
					t.Fatalf("Err is %v", s.Err())
				}
				h.check(t, "opened on a full disk", s)
				must(t, s.Close())
			}
			s = mustOpen(t, smallSpool(d.Boot(nil)))
			defer s.Close()
			end := s.End()
			must(t, h.release(s, end))
			d.SetSpace(0)
			time.Sleep(time.Second)
			must(t, s.Err())
			if p := appendBody(t, s, "x"); p != end {
				t.Fatalf("position %d, want %d", p, end)
			}
		})
	}
}

// TestSmallestSpool: 256 MiB with 32 MiB free is a spool (design 11).
func TestSmallestSpool(t *testing.T) {
	t.Parallel()
	o, err := Options{Dir: "x", MaxBytes: 256 << 20, MinFree: 32 << 20}.withDefaults()
	must(t, err)
	if o.SegmentBytes != 16<<20 {
		t.Fatalf("segments of %d", o.SegmentBytes)
	}
	o, err = Options{Dir: "x", MaxBytes: 10 << 30}.withDefaults()
	must(t, err)
	if o.SegmentBytes != 64<<20 || o.MemoryBytes != 8<<20 {
		t.Fatalf("%+v", o)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no directory":       {},
		"negative":           {Dir: "x", MinFree: -1},
		"too few segments":   {Dir: "x", MaxBytes: 1 << 20, SegmentBytes: 1 << 20},
		"unknown mode":       {Dir: "x", Durability: 9},
		"MaxBytes too small": {Dir: "x", MaxBytes: 10},
	} {
		if s, err := Open(o); err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", name)
		}
	}
}
