package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// TestRecordsComeBackAsTheyWent, from memory and from the file, with every
// kind of emptiness.
func TestRecordsComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	records := []Record{
		{ReceivedAt: time.Unix(1700000000, 123456789).UTC(), Query: []byte("a=b&c=d"), Body: []byte(`{"x":1}`)},
		{ReceivedAt: time.Unix(0, 0).UTC(), Query: []byte{}, Body: []byte{}},
		{ReceivedAt: time.Unix(-5, 0).UTC(), Query: []byte("only"), Body: []byte{}},
		{ReceivedAt: time.Unix(1, 1).UTC(), Query: []byte{}, Body: []byte{0, 255, 0}},
		{ReceivedAt: time.Unix(2, 0).UTC(), Query: []byte("q"), Body: []byte(strings.Repeat("large", 700))},
	}
	for _, memory := range []int64{0, -1} {
		d := faultdisk.New(1)
		o := smallSpool(d.Boot(nil))
		o.MemoryBytes = memory
		s := mustOpen(t, o)
		for _, r := range records {
			mine := Record{ReceivedAt: r.ReceivedAt, Query: append([]byte{}, r.Query...), Body: append([]byte{}, r.Body...)}
			_, err := s.Append(t.Context(), mine)
			must(t, err)
			clear(mine.Body) // the caller's again
			clear(mine.Query)
		}
		for range 2 { // then once more from the files of an earlier life
			var got []Record
			r := s.NewReader(1)
			for {
				entries, err := r.TryNext(2)
				must(t, err)
				if len(entries) == 0 {
					break
				}
				for _, e := range entries {
					got = append(got, e.Record)
				}
			}
			if diff := cmp.Diff(records, got); diff != "" {
				t.Fatal(diff)
			}
			must(t, s.Close())
			s = mustOpen(t, smallSpool(d.Boot(nil)))
		}
		must(t, s.Close())
	}
}

// TestReadersWithinBounds: Next returns at most max entries and about 1 MiB.
func TestReadersWithinBounds(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{64 << 20, -1} {
		s := mustOpen(t, Options{Dir: testDir, FS: faultdisk.New(1).Boot(nil), MemoryBytes: memory, SegmentBytes: 4 << 20})
		for range 40 {
			appendBody(t, s, strings.Repeat("x", 100_000))
		}
		r := s.NewReader(0)
		if entries, err := r.Next(t.Context(), 3); err != nil || len(entries) != 3 {
			t.Fatalf("%d, %v", len(entries), err)
		}
		entries, err := r.Next(t.Context(), 1000)
		if err != nil || len(entries) < 10 || len(entries) > 12 {
			t.Fatalf("%d, %v", len(entries), err)
		}
		if r.Position() != Position(4+len(entries)) {
			t.Fatalf("position %d", r.Position())
		}
		if entries, err := r.TryNext(0); err != nil || entries != nil {
			t.Fatalf("%d, %v", len(entries), err)
		}
		must(t, s.Close())
	}
}

// TestReaderWaitsAndWakes: no wake is lost, whoever waits.
func TestReaderWaitsAndWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, smallSpool(faultdisk.New(1).Boot(nil)))
		const records = 300
		var wg sync.WaitGroup
		for reader := range 4 {
			wg.Go(func() {
				r := s.NewReader(0)
				want := Position(1)
				for want <= records {
					entries, err := r.Next(context.Background(), 1+reader)
					if err != nil {
						t.Error(err)
						return
					}
					for _, e := range entries {
						if e.Position != want {
							t.Errorf("reader %d got %d, want %d", reader, e.Position, want)
							return
						}
						want++
					}
				}
			})
		}
		for i := range records {
			if i%3 == 0 {
				synctest.Wait() // now all readers wait
			}
			appendBody(t, s, fmt.Sprint(i))
		}
		wg.Wait()
		must(t, s.Close())
	})
}

// TestNoWaitForWhatIsThere: what was stored between a look and the wait.
func TestNoWaitForWhatIsThere(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, smallSpool(faultdisk.New(1).Boot(nil)))
	defer s.Close()
	if s.waiter(1) == nil {
		t.Fatal("no wait at the end")
	}
	p := appendBody(t, s, "x")
	if s.waiter(p) != nil {
		t.Fatal("a reader would sleep beside a record")
	}
}

func TestReaderEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, smallSpool(faultdisk.New(1).Boot(nil)))
		r := s.NewReader(0)
		if entries, err := r.TryNext(1); entries != nil || err != nil {
			t.Fatalf("%v, %v", entries, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Next(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error is %v", err)
		}
		done := make(chan error)
		go func() {
			_, err := r.Next(context.Background(), 1)
			done <- err
		}()
		synctest.Wait()
		must(t, s.Close())
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Fatalf("a waiting reader got %v", err)
		}
		if _, err := r.TryNext(1); !errors.Is(err, io.EOF) {
			t.Fatalf("TryNext after Close: %v", err)
		}
		if _, err := s.NewReader(0).Next(context.Background(), 1); !errors.Is(err, io.EOF) {
			t.Fatalf("Next after Close: %v", err)
		}
	})
}

// TestReaderThatFallsBehindReadsTheFile, and memory stays bounded (P8); it
// comes back to memory when it has caught up, without reading anything twice.
func TestReaderThatFallsBehindReadsTheFile(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	d := faultdisk.New(1)
	o := Options{Dir: testDir, SegmentBytes: 1 << 20, MemoryBytes: 64 << 10}
	o.FS = d.Boot(func(c faultdisk.Call) faultdisk.Fault {
		if c.Op == faultdisk.OpRead {
			reads.Add(int64(c.Len))
		}
		return faultdisk.Fault{}
	})
	s := mustOpen(t, o)
	defer s.Close()
	r := s.NewReader(0)
	next := Position(1)
	read := func(n int) {
		t.Helper()
		for range n {
			entries, err := r.TryNext(1)
			must(t, err)
			if len(entries) != 1 || entries[0].Position != next {
				t.Fatalf("got %v, want position %d", entries, next)
			}
			next++
		}
	}
	appendMany := func(n int) {
		for range n {
			appendBody(t, s, strings.Repeat("x", 1000))
		}
	}
	appendMany(10)
	before := reads.Load()
	read(10)
	if reads.Load() != before {
		t.Fatal("what was just stored was read from the disk")
	}
	appendMany(3000)
	if s.memory.bytes > o.MemoryBytes {
		t.Fatalf("%d bytes in memory", s.memory.bytes)
	}
	before = reads.Load()
	read(2990)
	got := reads.Load() - before
	if got < 2_900_000 || got > 3_600_000 {
		t.Fatalf("%d bytes were read for 3 MB", got)
	}
	read(10)
	before = reads.Load()
	for range 100 {
		appendMany(1)
		read(1)
	}
	if reads.Load() != before {
		t.Fatal("the reader does not come back to memory")
	}
	// To and fro: it never begins a segment again to find its place.
	before = reads.Load()
	for range 5 {
		appendMany(5)
		read(2)
		appendMany(100)
		read(103)
	}
	if got := reads.Load() - before; got > 5*400_000 {
		t.Fatalf("%d bytes were read for 0.5 MB", got)
	}
}

func TestReaderBeginsAnywhere(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{0, -1} {
		o := smallSpool(faultdisk.New(1).Boot(nil))
		o.MemoryBytes = memory
		s := mustOpen(t, o)
		for i := range 60 {
			appendBody(t, s, fmt.Sprint(i+1, strings.Repeat("x", 300)))
		}
		for from := Position(0); from <= 60; from++ {
			entries, err := s.NewReader(from).TryNext(1)
			must(t, err)
			if want := max(from, 1); len(entries) != 1 || entries[0].Position != want ||
				!strings.HasPrefix(string(entries[0].Record.Body), fmt.Sprint(want)) {
				t.Fatalf("from %d: %v", from, entries)
			}
		}
		must(t, s.Release(30))
		first := s.First()
		if first <= 1 || first > 30 {
			t.Fatalf("first is %d", first)
		}
		entries, err := s.NewReader(1).TryNext(1)
		must(t, err)
		if entries[0].Position != first {
			t.Fatalf("a released position was read: %d", entries[0].Position)
		}
		must(t, s.Close())
	}
}

// TestReaderBeyondTheEndMovesIt: what was settled in an earlier life, by the
// checkpoint, and is lost here, keeps its positions.
func TestReaderBeyondTheEndMovesIt(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	appendBody(t, s, "one")
	r := s.NewReader(100)
	if s.End() != 100 || r.Position() != 100 {
		t.Fatalf("end is %d", s.End())
	}
	if p := appendBody(t, s, "hundred"); p != 100 {
		t.Fatalf("position %d", p)
	}
	if p := appendBody(t, s, "and one"); p != 101 {
		t.Fatalf("position %d", p)
	}
	want := map[Position]string{1: "one", 100: "hundred", 101: "and one"}
	if diff := cmp.Diff(want, bodies(t, s.NewReader(0))); diff != "" {
		t.Fatal(diff)
	}
	if got := bodies(t, r); len(got) != 2 {
		t.Fatalf("the reader got %v", got)
	}
	must(t, s.Close())
	s = mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	if diff := cmp.Diff(want, bodies(t, s.NewReader(0))); diff != "" {
		t.Fatal(diff)
	}
	if s.Damage() != nil || s.Stat().Lost != 0 || s.Stat().Records != 3 {
		t.Fatalf("skipped positions count as lost: %+v", s.Stat())
	}
}

// TestManyAtOnce: appends, readers, releases, stats and checkpoints together,
// for the race detector; every reader sees every record once and in order.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	o := smallSpool(d.Boot(nil))
	o.SegmentBytes = 32 << 10
	s := mustOpen(t, o)
	const writers, each = 16, 150
	var appends, readers sync.WaitGroup
	var slowest [3]atomic.Uint64
	for w := range writers {
		appends.Go(func() {
			for i := range each {
				_, err := s.Append(context.Background(), Record{
					ReceivedAt: time.Unix(int64(w), int64(i)), Body: fmt.Appendf(nil, "%d %d", w, i),
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range slowest {
		readers.Go(func() {
			r := s.NewReader(1)
			var next [writers]int
			for n := 0; n < writers*each; {
				entries, err := r.Next(context.Background(), 1+i*50)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range entries {
					n++
					w := e.Record.ReceivedAt.Unix()
					if int(e.Position) != n || string(e.Record.Body) != fmt.Sprint(w, next[w]) {
						t.Errorf("reader %d: record %d is position %d: %q", i, n, e.Position, e.Record.Body)
						return
					}
					next[w]++
				}
				slowest[i].Store(uint64(r.Position()))
			}
		})
	}
	stop := make(chan struct{})
	var settler sync.WaitGroup
	settler.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			before := min(slowest[0].Load(), slowest[1].Load(), slowest[2].Load())
			err := errors.Join(
				s.Checkpoint().Append(fmt.Append(nil, before)),
				s.Checkpoint().Sync(),
				s.Release(Position(before)),
			)
			if n%10 == 0 {
				err = errors.Join(err, s.Checkpoint().Rewrite(addAll(fmt.Sprint(before))))
			}
			if err != nil || s.Err() != nil || s.Damage() != nil || s.Stat().Records < 0 {
				t.Error(err, s.Err(), s.Damage())
				return
			}
		}
	})
	appends.Wait()
	readers.Wait()
	close(stop)
	settler.Wait()
	must(t, s.Release(s.End()))
	if n := s.Stat().Segments; n != 1 {
		t.Errorf("%d segments after all was released", n)
	}
	must(t, s.Close())
}
