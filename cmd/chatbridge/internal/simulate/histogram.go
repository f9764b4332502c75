package simulate

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets that are less than 1 % wide, from
// 1 µs to over an hour. Its methods may be called by many goroutines.
type histogram struct {
	buckets [histogramExponents << histogramBits]atomic.Uint64
	most    atomic.Int64 // ns
}

const (
	histogramBits      = 7 // each power of two has 2^7 buckets
	histogramExponents = 27
)

// add counts one duration; a negative one counts as 0.
func (h *histogram) add(d time.Duration) {
	for most := h.most.Load(); int64(d) > most; most = h.most.Load() {
		if h.most.CompareAndSwap(most, int64(d)) {
			break
		}
	}
	h.buckets[bucketOf(uint64(max(d, 0)/time.Microsecond))].Add(1)
}

// bucketOf returns the bucket of v: v itself while v is small, above that its
// exponent and the histogramBits bits below its highest one.
func bucketOf(v uint64) int {
	const small = 1 << histogramBits
	if v < small {
		return int(v)
	}
	exponent := bits.Len64(v) - histogramBits // ≥ 1
	index := exponent<<histogramBits | int(v>>(exponent-1)&(small-1))
	return min(index, histogramExponents<<histogramBits-1)
}

// lowestOf returns the smallest value of a bucket.
func lowestOf(bucket int) uint64 {
	const small = 1 << histogramBits
	if bucket < small {
		return uint64(bucket)
	}
	exponent := bucket >> histogramBits
	return (small | uint64(bucket&(small-1))) << (exponent - 1)
}

// Latency is the distribution of durations.
type Latency struct {
	P50  time.Duration `json:"p50_ns"`
	P90  time.Duration `json:"p90_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// latency returns the distribution so far.
func (h *histogram) latency() Latency {
	var counts [histogramExponents << histogramBits]uint64
	total := uint64(0)
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		total += counts[i]
	}
	at := func(share float64) time.Duration {
		rank, seen := uint64(share*float64(total)), uint64(0)
		for i, n := range counts {
			if seen += n; n > 0 && seen > rank {
				// The bucket's upper end: never better than it was.
				top := time.Duration(lowestOf(i+1)) * time.Microsecond
				return min(top, time.Duration(h.most.Load()))
			}
		}
		return time.Duration(h.most.Load())
	}
	return Latency{P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: time.Duration(h.most.Load())}
}
