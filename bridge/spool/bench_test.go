package spool

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func benchRecord() Record {
	return Record{ReceivedAt: time.Unix(1700000000, 0), Query: make([]byte, 100), Body: make([]byte, 600)}
}

// BenchmarkAppend measures durable appends of 700-byte records on the disk
// that holds the temporary directory, with a relay's releases going on.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var groups atomic.Int64
			o := Options{Dir: b.TempDir()}
			o.Hooks.Synced = func(int, int, time.Duration) { groups.Add(1) }
			s := mustOpen(b, o)
			defer s.Close()
			stop := releaseAlong(b, s)
			r := benchRecord()
			b.SetBytes(700)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				n := b.N / writers
				if w < b.N%writers {
					n++
				}
				wg.Go(func() {
					for range n {
						if _, err := s.Append(context.Background(), r); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.N)/float64(groups.Load()), "records/group")
			stop()
		})
	}
}

// releaseAlong lets go of what is 100,000 records old, so that the disk does
// not fill.
func releaseAlong(b *testing.B, s *Spool) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if end := s.End(); end > 100_000 {
					if err := s.Release(end - 100_000); err != nil {
						b.Error(err)
					}
				}
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// BenchmarkSync is what one write and one fdatasync take on the same disk, in
// a zero-filled file: the bound that group commit works against.
func BenchmarkSync(b *testing.B) {
	o, err := Options{Dir: b.TempDir()}.withDefaults()
	must(b, err)
	blank, err := makeBlank(o.FS, filepath.Join(o.Dir, "x"), 64<<20, nil)
	must(b, err)
	buf := make([]byte, frameSize(700)+frameHeader)
	b.ResetTimer()
	for i := range b.N {
		_, err := blank.file.WriteAt(buf, int64(i)*int64(len(buf))%(60<<20))
		must(b, err)
		must(b, blank.file.Sync())
	}
	b.StopTimer()
	must(b, blank.discard(o.FS))
}

// fillSpool stores about n bytes in 700-byte records, without fsyncs.
func fillSpool(b *testing.B, dir string, n int64) (records int) {
	b.Helper()
	s := mustOpen(b, Options{Dir: dir, Durability: Memory})
	r := benchRecord()
	const writers = 256
	records = int(n / frameSize(r.payloadBytes()))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range records / writers {
				if _, err := s.Append(context.Background(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	must(b, s.Close())
	return records / writers * writers
}

// benchBytes is how large a spool the benchmarks of large spools build.
func benchBytes() int64 {
	if os.Getenv("CHATBRIDGE_BENCH_LARGE") != "" {
		return 10 << 30
	}
	return 2 << 30
}

// BenchmarkOpen measures the start on a spool of 2 GiB (10 GiB with
// CHATBRIDGE_BENCH_LARGE set), after a stop in good order and after a kill.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	fillSpool(b, dir, benchBytes())
	for _, killed := range []bool{false, true} {
		b.Run(fmt.Sprintf("killed=%v", killed), func(b *testing.B) {
			for range b.N {
				if killed {
					b.StopTimer()
					growNewest(b, dir)
					b.StartTimer()
				}
				s, err := Open(Options{Dir: dir})
				must(b, err)
				b.StopTimer()
				must(b, s.Close())
				b.StartTimer()
			}
		})
	}
}

// growNewest makes the newest segment look as after a kill: zero-filled to
// its end.
func growNewest(b *testing.B, dir string) {
	b.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	must(b, err)
	must(b, os.Truncate(names[len(names)-1], defaultSegmentBytes))
}

// BenchmarkReadBacklog measures a reader that is behind: 700-byte records from
// the files of a 2 GiB spool.
func BenchmarkReadBacklog(b *testing.B) {
	dir := b.TempDir()
	records := fillSpool(b, dir, benchBytes()/2)
	s := mustOpen(b, Options{Dir: dir})
	defer s.Close()
	b.ReportAllocs()
	b.ResetTimer()
	read := 0
	for range b.N {
		r := s.NewReader(0)
		for n := 0; n < records; {
			entries, err := r.Next(context.Background(), 1000)
			if err != nil && err != io.EOF {
				b.Fatal(err)
			}
			n += len(entries)
			read += len(entries)
		}
		must(b, r.Close())
	}
	b.StopTimer()
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(read)*700/1e6/b.Elapsed().Seconds(), "MB/s")
}
