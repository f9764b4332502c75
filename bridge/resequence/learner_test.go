package resequence

import (
	"math"
	"testing"
	"time"
)

func TestLatenessBucketsCoverAllLatenesses(t *testing.T) {
	t.Parallel()
	last := int64(0)
	for b := range latenessBuckets {
		edge := bucketEdge(b)
		if edge <= last || bucketOf(last) != b || bucketOf(edge-1) != b || last > 0 && float64(edge-last) > float64(last)/8+1000 {
			t.Fatalf("bucket %d is %d to %d", b, last, edge)
		}
		last = edge
	}
	if bucketOf(math.MaxInt64) != latenessBuckets-1 {
		t.Fatal("the greatest lateness has no bucket")
	}
}

// learnt is a learner that was told of n holes that filled so late.
func learnt(r *record, n int, late time.Duration) learner {
	l := newLearner(DefaultFloor, DefaultCeiling)
	for range n {
		l.filled(r, 0, int64(late))
	}
	return l
}

func TestHoldFollowsLateness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ late, least, most time.Duration }{
		{0, DefaultFloor, DefaultFloor},
		{time.Millisecond, DefaultFloor, DefaultFloor},
		{100 * time.Millisecond, 150 * time.Millisecond, 170 * time.Millisecond},
		{900 * time.Millisecond, DefaultCeiling, DefaultCeiling},
	} {
		r := &record{}
		l := learnt(r, 1, c.late)
		if hold := time.Duration(l.hold(r)); hold < c.least || hold > c.most {
			t.Errorf("late by %v gives a hold of %v", c.late, hold)
		}
	}
}

func TestHoldForgetsWhatIsLongAgo(t *testing.T) {
	t.Parallel()
	r := &record{}
	l := learnt(r, 500, 600*time.Millisecond)
	for range 8000 {
		l.filled(r, 0, int64(10*time.Millisecond))
	}
	if hold := time.Duration(l.hold(r)); hold != DefaultFloor {
		t.Errorf("the hold is still %v", hold)
	}
	if l.weight >= sampleLimit || l.fills+l.misses >= shareLimit || int(r.fills)+int(r.misses) >= streamLimit {
		t.Errorf("evidence is never halved: %d %d %d %d", l.weight, l.fills, l.misses, r.fills)
	}
}

// TestLatenessBeyondTheCeilingIsNoEvidence: no hold would have met it.
func TestLatenessBeyondTheCeilingIsNoEvidence(t *testing.T) {
	t.Parallel()
	r := &record{}
	l := learnt(r, 100, DefaultCeiling+1)
	l.gaveUp(r, 5, 5, 0)
	l.late(r, 5, int64(DefaultCeiling)+1)
	if l.weight != 0 || l.fills != 0 || l.misses != 1 {
		t.Errorf("it was counted: %d %d %d", l.weight, l.fills, l.misses)
	}
}

// TestHoldFallsWhereHolesNeverFill: in the stream with tips the floor, in the
// one where holes fill the hold, in a new one what most do.
func TestHoldFallsWhereHolesNeverFill(t *testing.T) {
	t.Parallel()
	tips, chat := &record{key: Key{1}}, &record{key: Key{2}}
	l := learnt(chat, 50, 200*time.Millisecond)
	for n := range uint64(200) {
		l.gaveUp(tips, n, n, 0)
	}
	if hold := time.Duration(l.hold(tips)); hold != DefaultFloor {
		t.Errorf("where holes never fill the hold is %v", hold)
	}
	if hold := time.Duration(l.hold(chat)); hold < 300*time.Millisecond {
		t.Errorf("where they fill it is %v", hold)
	}
	if hold := time.Duration(l.hold(&record{})); hold < 300*time.Millisecond {
		t.Errorf("in a new stream, with a fifth of all filled, it is %v", hold)
	}
	for n := range uint64(5000) {
		l.gaveUp(tips, n, n, 0)
	}
	if hold := time.Duration(l.hold(&record{})); hold != DefaultFloor {
		t.Errorf("in a new stream, with hardly any filled, it is %v", hold)
	}
}

// TestLateNumbersRaiseTheHold: what came after giving up is evidence, too, or
// a hold that is too short could not learn that it is.
func TestLateNumbersRaiseTheHold(t *testing.T) {
	t.Parallel()
	b := New[int](Config{})
	now := int64(0)
	out := b.Push(now, numbered(1, 0, now), nil)
	late := 0
	for seq := uint64(1); seq < 400; seq += 2 {
		out = b.Push(now, numbered(1, seq+1, now), out[:0])
		for filled := now + 300*ms; now < filled; now += 10 * ms {
			out = b.Expire(now, out)
		}
		out = b.Push(now, numbered(1, seq, now), out)
		for _, d := range out {
			if d.Verdict == Late {
				late++
			}
		}
	}
	if late != 1 {
		t.Errorf("%d were late until the hold was long enough", late)
	}
	if hold := b.Stats().Hold; hold < 450*time.Millisecond || hold > 520*time.Millisecond {
		t.Errorf("the hold is %v", hold)
	}
}

// TestMissIsForgottenOnce: a hole of many numbers that come late is one miss
// less, and each number a fill.
func TestMissIsForgottenOnce(t *testing.T) {
	t.Parallel()
	r := &record{}
	l := newLearner(DefaultFloor, DefaultCeiling)
	l.gaveUp(r, 5, 9, 0)
	l.gaveUp(r, 11, 11, 0)
	for seq := uint64(4); seq <= 10; seq++ {
		l.late(r, seq, 1)
	}
	if l.fills != 5 || l.misses != 1 || r.fills != 5 || r.misses != 1 {
		t.Errorf("%d fills and %d misses in all, %d and %d in the stream", l.fills, l.misses, r.fills, r.misses)
	}
}

// TestLatenessCountsFromTheEarliestThatWaited: of all that is held above the
// missing number, whether it fills a hole or comes after it was given up.
func TestLatenessCountsFromTheEarliestThatWaited(t *testing.T) {
	t.Parallel()
	b := New[int](Config{})
	b.learner.usual = 70 * ms
	now := int64(0)
	lateness := func(seq uint64, at int64) time.Duration {
		before := b.learner.lateness
		now = at
		b.Push(now, numbered(1, seq, now), b.Expire(now, nil))
		for bucket, weight := range b.learner.lateness {
			if weight > before[bucket] {
				return time.Duration(bucketEdge(bucket))
			}
		}
		return 0
	}
	near := func(got, want time.Duration) bool { return got >= want && got <= want+want/8 }
	steps := []struct {
		seq  uint64
		at   int64
		want time.Duration
	}{
		{1, 0, 0},
		{3, 0, 0},
		{9, 20 * ms, 0}, // held, fills nothing
		{7, 50 * ms, 30 * time.Millisecond},
		{6, 60 * ms, 40 * time.Millisecond}, // not 10: 9 waits since 20
		{2, 65 * ms, 65 * time.Millisecond},
	}
	for _, s := range steps {
		if got := lateness(s.seq, s.at); !near(got, s.want) {
			t.Fatalf("%d at %v is late by %v, not %v", s.seq, time.Duration(s.at), got, s.want)
		}
	}
	// 6, 7 and 9 have given up by then; 9 was the first to wait for 5, since 20.
	if got := lateness(5, 400*ms); !near(got, 380*time.Millisecond) {
		t.Fatalf("5 is late by %v", got)
	}
}

// TestLateNumberOfAnotherStreamIsNoEvidence, also where the two share a set.
func TestLateNumberOfAnotherStreamIsNoEvidence(t *testing.T) {
	t.Parallel()
	a, b := &record{key: Key{1}}, &record{}
	for n := 2; b.key == (Key{}); n++ {
		if key := (Key{byte(n), byte(n >> 8)}); setOf(key) == setOf(a.key) {
			b.key = key
		}
	}
	l := newLearner(DefaultFloor, DefaultCeiling)
	l.gaveUp(a, 5, 5, 0)
	l.late(b, 5, 1)
	if l.fills != 0 || l.misses != 1 {
		t.Errorf("%d fills, %d misses", l.fills, l.misses)
	}
}
