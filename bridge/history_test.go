package bridge

import (
	"testing"
	"time"
)

func TestTheHistoryIsTheLastHourInOrder(t *testing.T) {
	t.Parallel()
	h := newHistory()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, ok := h.since(begin); ok || len(h.all()) != 0 {
		t.Error("an empty history has something to tell")
	}
	const more = 100
	for i := range historyLength + more {
		h.add(tally{at: begin.Add(time.Duration(i) * historyEvery)})
	}
	all := h.all()
	if len(all) != historyLength {
		t.Fatalf("%d tallies; want %d", len(all), historyLength)
	}
	for i, x := range all {
		if want := begin.Add(time.Duration(i+more) * historyEvery); !x.at.Equal(want) {
			t.Fatalf("tally %d is of %s; want %s", i, x.at, want)
		}
	}
	if got := all[len(all)-1].at.Sub(all[0].at); got != time.Hour {
		t.Errorf("it covers %s; want an hour", got)
	}
	last := all[len(all)-1].at
	for since, want := range map[time.Time]bool{last: true, last.Add(1): false} {
		if got := h.any(since, func(t *tally) bool { return t.at.Equal(last) }); got != want {
			t.Errorf("since %s the last one is there: %v", since, got)
		}
	}
	if h.any(last.Add(-time.Minute), func(t *tally) bool { return t.at.Before(last.Add(-time.Minute)) }) {
		t.Error("an older one counts")
	}
	from, ok := h.since(all[len(all)-1].at.Add(-time.Minute))
	if got := all[len(all)-1].at.Sub(from.at); !ok || got != time.Minute {
		t.Errorf("the tally of a minute ago is %s old", got)
	}
}

func TestQuantilesAreEvenWithinABucket(t *testing.T) {
	t.Parallel()
	d := distribution{bounds: []float64{.1, .2, .4}, counts: []float64{50, 90, 100, 101}}
	for q, want := range map[float64]time.Duration{
		.5 * 100 / 101: 100 * time.Millisecond, 70. / 101: 150 * time.Millisecond, 95. / 101: 300 * time.Millisecond, 1: 400 * time.Millisecond,
	} {
		if got := d.quantile(q).Round(time.Microsecond); got != want {
			t.Errorf("quantile %.3f = %s; want %s", q, got, want)
		}
	}
	if got := (distribution{}).quantile(.99); got != 0 {
		t.Errorf("the quantile of nothing is %s", got)
	}
	if got := d.minus(d).total(); got != 0 {
		t.Errorf("a distribution without itself has %.0f", got)
	}
}

// What a sentence says of the slowest is a bound that the buckets know, and no guess.
func TestTheSlowestIsSaidByTheBoundsOfItsBucket(t *testing.T) {
	t.Parallel()
	bounds := []float64{.02, 30, 300}
	for name, c := range map[string]struct {
		counts          []float64
		within, between string
	}{
		"in the first":  {[]float64{100, 100, 100, 100}, "within 20 ms", "between 0 ms and 20 ms"},
		"in the middle": {[]float64{0, 0, 100, 100}, "within 5 min", "between 30 s and 5 min"},
		"just within":   {[]float64{0, 99, 100, 100}, "within 30 s", "between 20 ms and 30 s"},
		"in the last":   {[]float64{0, 0, 0, 100}, "in more than 5 min", "more than 5 min"},
	} {
		s := distribution{bounds: bounds, counts: c.counts}.slowest()
		if s.guess == 0 || s.String() != c.within || s.between() != c.between {
			t.Errorf("%s: %s, %s; want %s, %s", name, s, s.between(), c.within, c.between)
		}
	}
	if s := (distribution{}).slowest(); s != (slowest{}) {
		t.Errorf("of nothing: %+v", s)
	}
}
