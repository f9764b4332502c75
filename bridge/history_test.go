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
