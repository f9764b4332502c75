package relay

import (
	"math/rand/v2"
	"testing"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// P1: the low mark never passes an open position. The twin is a map.
func TestLowIsTheLowestOpenPosition(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var u unsettled
		open := map[spool.Position]int64{}
		var next spool.Position
		for range 4000 {
			if r.IntN(2) == 0 || len(open) == 0 {
				next += spool.Position(1 + r.IntN(3))
				u.add(next, int64(next)*10)
				open[next] = int64(next) * 10
				continue
			}
			p := spool.Position(r.Uint64N(uint64(next) + 2))
			want, isOpen := open[p]
			got, wasOpen := u.finish(p)
			if wasOpen != isOpen || got != want {
				t.Fatalf("seed %d: finish(%d) = %d, %v; want %d, %v", seed, p, got, wasOpen, want, isOpen)
			}
			delete(open, p)
			checkLow(t, &u, open)
		}
	}
}

func checkLow(t *testing.T, u *unsettled, open map[spool.Position]int64) {
	t.Helper()
	var low spool.Position
	for p := range open {
		if low == 0 || p < low {
			low = p
		}
	}
	p, received, ok := u.low()
	if ok != (len(open) > 0) || p != low || received != int64(low)*10 || u.open != len(open) {
		t.Fatalf("low() = %d, %d, %v with %d open; want %d with %d open", p, received, ok, u.open, low, len(open))
	}
	u.finished(func(f spool.Position) {
		if _, isOpen := open[f]; isOpen || f < low {
			t.Fatalf("finished lists %d, which is open or below the low mark %d", f, low)
		}
	})
}
