package simulate

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreNeverTooGoodAndLessThanOnePercentTooBad(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{50, 3_000, 1e6, 5e8} { // µs
		var h histogram
		var all []time.Duration
		for range 20_000 {
			d := time.Duration(rnd.ExpFloat64()*scale) * time.Microsecond
			h.add(d)
			all = append(all, d)
		}
		slices.Sort(all)
		l := h.latency()
		for _, c := range []struct {
			share float64
			got   time.Duration
		}{{0.5, l.P50}, {0.9, l.P90}, {0.99, l.P99}, {0.999, l.P999}} {
			want := all[int(c.share*float64(len(all)))]
			if c.got < want || float64(c.got) > float64(want)*1.01+float64(time.Microsecond) {
				t.Errorf("scale %.0f µs, %.1f %%: %s, want %s", scale, 100*c.share, c.got, want)
			}
		}
		if l.Max != all[len(all)-1] {
			t.Errorf("max %s, want %s", l.Max, all[len(all)-1])
		}
	}
}

func TestHistogramTakesAnyDuration(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-time.Hour, 0, 1, time.Microsecond, 127 * time.Microsecond, 128 * time.Microsecond, 1 << 62} {
		var h histogram
		h.add(d)
		if l := h.latency(); l.P50 > max(d, time.Microsecond) {
			t.Errorf("%s alone has a median of %s", d, l.P50)
		}
	}
	for v := uint64(1); v < 1<<40; v += v/100 + 1 {
		b := bucketOf(v)
		if b < histogramExponents<<histogramBits-1 && (lowestOf(b) > v || lowestOf(b+1) <= v) {
			t.Fatalf("%d is in bucket %d, which is %d to %d", v, b, lowestOf(b), lowestOf(b+1))
		}
	}
}

func TestNoDurationHasNoLatency(t *testing.T) {
	t.Parallel()
	var h histogram
	if l := h.latency(); l != (Latency{}) {
		t.Errorf("%+v", l)
	}
}
