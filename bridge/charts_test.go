package bridge

import (
	"math"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
)

// talliesOf is a history of a constant rate: ten callbacks and ten records a second.
func talliesOf(begin time.Time, span time.Duration) []tally {
	var out []tally
	for passed := time.Duration(0); passed <= span; passed += historyEvery {
		t := tally{at: begin.Add(passed), answered: make([]float64, len(ingest.Outcomes())), held: 3}
		t.answered[ingest.Stored] = 10 * passed.Seconds()
		t.published, t.missing = 10*passed.Seconds(), passed.Seconds()
		t.answers = distribution{bounds: []float64{.002, .004}, counts: []float64{5 * passed.Seconds(), 10 * passed.Seconds(), 10 * passed.Seconds()}}
		out = append(out, t)
	}
	return out
}

func chartNamed(t *testing.T, all []ops.Chart, name string) ops.Chart {
	t.Helper()
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no chart %s", name)
	return ops.Chart{}
}

// Whatever is known, a chart has a point for each step, none where nothing is known,
// and says a rate as a rate.
func TestChartsSayWhatTheTalliesSay(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 2, 0, time.UTC) // off the steps' edges
	for _, c := range []struct {
		known  time.Duration
		points int
	}{{0, 60}, {time.Minute, 60}, {10 * time.Minute, 120}, {time.Hour, 240}} {
		now := begin.Add(c.known)
		all := chartsOf(talliesOf(begin, c.known), now)
		for _, chart := range all {
			for _, s := range chart.Series {
				if len(s.Values) != c.points || len(chart.Times) != c.points {
					t.Errorf("%s known: %s has %d points of %s; want %d", c.known, chart.Name, len(s.Values), s.Name, c.points)
				}
			}
		}
		known := 0
		for chart, want := range map[string]float64{"callbacks": 10, "published": 10, "held": 3, "holes": 60, "answers": .002} {
			for _, v := range chartNamed(t, all, chart).Series[0].Values {
				if math.IsNaN(v) {
					continue
				}
				known++
				if math.Abs(v-want) > 1e-9 {
					t.Fatalf("%s known: %s shows %v; want %v", c.known, chart, v, want)
				}
			}
		}
		if (known > 0) != (c.known > 0) {
			t.Errorf("%s known: %d points", c.known, known)
		}
	}
}

func TestOnlyWhatOccurredIsALineAndTheRarestAreOne(t *testing.T) {
	t.Parallel()
	from, to := talliesOf(time.Unix(0, 0), 0)[0], talliesOf(time.Unix(60, 0), 0)[0]
	for i, o := range ingest.Outcomes()[:8] {
		to.answered[o] = float64(60 * (i + 1))
	}
	line := func(name string, value func(interval) float64) ops.Series {
		return ops.Series{Name: name, Values: []float64{value(interval{from, to, true})}}
	}
	got := byOutcome([]interval{{from, to, true}}, line)
	if len(got) != mostOutcomes || got[0].Name != ingest.Outcomes()[7].String() || got[0].Values[0] != 8 {
		t.Fatalf("%+v", got)
	}
	if rest := got[mostOutcomes-1]; rest.Name != "others" || rest.Values[0] != 1+2+3 {
		t.Errorf("the rest is %+v; want 6 a second", rest)
	}
	if got := byOutcome(nil, line); len(got) != 1 || got[0].Name != "stored" {
		t.Errorf("where nothing occurred: %+v", got)
	}
}
