package relay

import (
	"errors"
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
			finishBoth(t, &u, open, spool.Position(r.Uint64N(uint64(next)+2)))
			checkLow(t, &u, open)
		}
	}
}

// P1 and P8: the same where some positions stay open for long while the rest goes
// on, so that what is finished above them is swept.
func TestLowIsTheLowestOpenPositionAboveAStuckOne(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 2))
		var u unsettled
		open := map[spool.Position]int64{}
		var stuck []spool.Position
		swept := false
		for next := spool.Position(1); next < 60_000; next++ {
			u.add(next, int64(next)*10)
			open[next] = int64(next) * 10
			switch {
			case r.IntN(10_000) == 0:
				stuck = append(stuck, next)
			case next%3 == 0: // finished late, by the next step
			default:
				finishBoth(t, &u, open, next)
				finishBoth(t, &u, open, next-2)
			}
			if len(stuck) > 2 && r.IntN(5_000) == 0 {
				finishBoth(t, &u, open, stuck[0])
				stuck = stuck[1:]
			}
			swept = swept || u.swept.count() > 0
			if next%4999 == 0 {
				checkLow(t, &u, open)
				checkFinished(t, &u, open, next)
			}
		}
		if !swept {
			t.Errorf("seed %d: nothing was swept", seed)
		}
	}
}

func finishBoth(t *testing.T, u *unsettled, open map[spool.Position]int64, p spool.Position) {
	t.Helper()
	want, isOpen := open[p]
	got, wasOpen := u.finish(p)
	if wasOpen != isOpen || got != want {
		t.Fatalf("finish(%d) = %d, %v; want %d, %v", p, got, wasOpen, want, isOpen)
	}
	delete(open, p)
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
	if err := u.finished(func(f spool.Position) error {
		if _, isOpen := open[f]; isOpen || f < low {
			t.Fatalf("finished lists %d, which is open or below the low mark %d", f, low)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// checkFinished wants each finished position above the low mark once, all up to
// newest having been added.
func checkFinished(t *testing.T, u *unsettled, open map[spool.Position]int64, newest spool.Position) {
	t.Helper()
	low, _, ok := u.low()
	if !ok {
		return
	}
	listed := map[spool.Position]int{}
	if err := u.finished(func(p spool.Position) error { listed[p]++; return nil }); err != nil {
		t.Fatal(err)
	}
	for p := low; p <= newest; p++ {
		want := 1
		if _, isOpen := open[p]; isOpen {
			want = 0
		}
		if listed[p] != want {
			t.Fatalf("finished lists %d %d times; want %d", p, listed[p], want)
		}
	}
}

// P8: a dead letter that waits for days costs its lane two bytes a record at most.
func TestWhatIsFinishedAboveAStuckPositionTakesLittle(t *testing.T) {
	const records, lanes = 2_000_000, 12
	var u unsettled
	u.add(1, 1)
	for p := spool.Position(2); p < records*lanes; p += lanes {
		u.add(p, int64(p))
		u.finish(p)
	}
	if n := cap(u.slots); n > 2*sweepFrom {
		t.Errorf("%d slots are kept for %d finished records; want no more than %d", n, records, 2*sweepFrom)
	}
	if n := u.swept.set.GetSizeInBytes(); n > 2*records {
		t.Errorf("the set takes %d bytes for %d records; want no more than two each", n, records)
	}
	u.finish(1)
	if _, _, ok := u.low(); ok || u.swept.count() != 0 {
		t.Errorf("low() says that something is open, or %d are kept, after the last was finished", u.swept.count())
	}
}

// P8: nor do letters of which another one always waits.
func TestWhatIsBelowTheStuckPositionIsGivenUp(t *testing.T) {
	const each = 5 * sweepFrom
	var u unsettled
	stuck := spool.Position(1)
	u.add(stuck, 1)
	for p := stuck + 1; p < 40*each; p++ {
		u.add(p, int64(p))
		if p%each == 0 {
			u.finish(stuck)
			stuck = p
			continue
		}
		u.finish(p)
		if n := u.swept.count(); n > 2*each {
			t.Fatalf("%d finished positions are kept at %d, above the open one %d; want no more than %d", n, p, stuck, 2*each)
		}
	}
}

// P1: a snapshot that cannot be written is not taken for a whole one.
func TestASnapshotOfWhatIsFinishedFailsWithItsLog(t *testing.T) {
	full := errors.New("full")
	for _, n := range []spool.Position{10, 3 * sweepFrom} { // none swept; some
		var u unsettled
		u.add(1, 1)
		for p := spool.Position(2); p <= n; p++ {
			u.add(p, int64(p))
			u.finish(p)
		}
		l := &lane{unsettled: u}
		if err := l.snapshotFinished(func([]byte) error { return full }); !errors.Is(err, full) {
			t.Errorf("%d records: snapshotFinished = %v; want %v", n, err, full)
		}
		got := &laneState{finished: &positions{}}
		if err := l.snapshotFinished(func(e []byte) error {
			f := &fields{rest: e[1:]}
			f.uvarint()
			return got.apply(entryKind(e[0]), f)
		}); err != nil {
			t.Fatal(err)
		}
		if want := int(n) - 1; got.finished.count() != want {
			t.Errorf("a snapshot restores %d finished positions; want %d", got.finished.count(), want)
		}
	}
}
