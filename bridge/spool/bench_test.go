package spool_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// BenchmarkAppend measures durable appends of 700-byte records on the disk
// that holds the test's temporary directory.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := spool.Open(spool.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			ctx := context.Background()
			r := spool.Record{ReceivedAt: time.Now(), Query: make([]byte, 100), Body: make([]byte, 600)}
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
						if _, err := s.Append(ctx, r); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			if err := s.Release(s.End()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
