package bridge

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
)

// The charts cover what is known of the last hour, or five minutes where that is
// less, in not many more points than chartPoints.
const (
	chartPoints = 240
	leastSpan   = 5 * time.Minute
	mostSpan    = time.Hour
)

// mostOutcomes bounds the lines of one chart; what is rarest is added up.
const mostOutcomes = 6

// interval is what happened between two points; ok is false where that is not known.
type interval struct {
	from, to tally
	ok       bool
}

// charts draws the history for the operator.
func (b *Bridge) charts() []ops.Chart { return chartsOf(b.history.all(), b.opt.Now()) }

// chartsOf makes charts of tallies, oldest first, up to now.
func chartsOf(tallies []tally, now time.Time) []ops.Chart {
	times, intervals := intervalsOf(tallies, now)
	chart := func(name, title string, unit ops.Unit, series ...ops.Series) ops.Chart {
		return ops.Chart{Name: name, Title: title, Unit: unit, Times: times, Series: series}
	}
	line := func(name string, value func(interval) float64) ops.Series {
		s := ops.Series{Name: name, Values: make([]float64, len(intervals))}
		for i, x := range intervals {
			s.Values[i] = math.NaN()
			if x.ok {
				s.Values[i] = value(x)
			}
		}
		return s
	}
	return []ops.Chart{
		chart("callbacks", "Callbacks, by outcome", ops.UnitPerSecond, byOutcome(intervals, line)...),
		chart("answers", "Time to answer", ops.UnitSeconds,
			line("half", quantileOf(.5, tally.answerTimes)), line("99 of 100", quantileOf(.99, tally.answerTimes))),
		chart("published", "Published", ops.UnitPerSecond,
			line("records", func(x interval) float64 { return x.rate(x.to.published - x.from.published) })),
		chart("lag", "From receipt to Kafka", ops.UnitSeconds,
			line("half", quantileOf(.5, tally.settleTimes)), line("99 of 100", quantileOf(.99, tally.settleTimes))),
		chart("spool", "Spool", ops.UnitBytes, line("bytes on disk", func(x interval) float64 { return x.to.spool })),
		chart("held", "Held for their order", ops.UnitCount, line("messages", func(x interval) float64 { return x.to.held })),
		chart("holes", "Holes and late messages", ops.UnitPerMinute,
			line("numbers skipped", func(x interval) float64 { return 60 * x.rate(x.to.missing-x.from.missing) }),
			line("late", func(x interval) float64 { return 60 * x.rate(x.to.late-x.from.late) }),
			line("duplicates dropped", func(x interval) float64 { return 60 * x.rate(x.to.duplicate-x.from.duplicate) })),
	}
}

// intervalsOf cuts the time before now into steps. A step lies between the last
// tallies at or before its two ends.
func intervalsOf(tallies []tally, now time.Time) ([]time.Time, []interval) {
	span := leastSpan
	if len(tallies) > 0 {
		span = min(max(now.Sub(tallies[0].at), leastSpan), mostSpan)
	}
	step := (span / chartPoints).Truncate(historyEvery)
	if step < span/chartPoints {
		step += historyEvery // a step has one tally at least
	}
	points, end := int((span+step-1)/step), now.Truncate(step)
	times, out := make([]time.Time, points), make([]interval, points)
	before := func(at time.Time) int {
		i, found := slices.BinarySearchFunc(tallies, at, func(t tally, at time.Time) int { return t.at.Compare(at) })
		if found {
			return i
		}
		return i - 1
	}
	for i := range out {
		times[i] = end.Add(-time.Duration(points-1-i) * step)
		from, to := before(times[i].Add(-step)), before(times[i])
		if from >= 0 && to > from {
			out[i] = interval{tallies[from], tallies[to], true}
		}
	}
	return times, out
}

// rate is n a second.
func (x interval) rate(n float64) float64 { return n / x.to.at.Sub(x.from.at).Seconds() }

func (t tally) answerTimes() distribution { return t.answers }
func (t tally) settleTimes() distribution { return t.settled }

// quantileOf is in seconds; nothing where nothing was measured.
func quantileOf(q float64, of func(tally) distribution) func(interval) float64 {
	return func(x interval) float64 {
		d := of(x.to).minus(of(x.from))
		if d.total() == 0 {
			return math.NaN()
		}
		return d.quantile(q).Seconds()
	}
}

// byOutcome is a line for each outcome that occurred, the most frequent first.
func byOutcome(intervals []interval, line func(string, func(interval) float64) ops.Series) []ops.Series {
	many := func(x interval, o ingest.Outcome) float64 { return x.to.answered[o] - x.from.answered[o] }
	sums := map[ingest.Outcome]float64{}
	var seen []ingest.Outcome
	for _, o := range ingest.Outcomes() {
		for _, x := range intervals {
			if x.ok {
				sums[o] += many(x, o)
			}
		}
		if sums[o] > 0 || o == ingest.Stored {
			seen = append(seen, o)
		}
	}
	slices.SortStableFunc(seen, func(a, b ingest.Outcome) int { return cmp.Compare(sums[b], sums[a]) })
	var rest []ingest.Outcome
	if len(seen) > mostOutcomes {
		seen, rest = seen[:mostOutcomes-1], seen[mostOutcomes-1:]
	}
	var out []ops.Series
	for _, o := range seen {
		out = append(out, line(o.String(), func(x interval) float64 { return x.rate(many(x, o)) }))
	}
	if len(rest) > 0 {
		out = append(out, line("others", func(x interval) float64 {
			sum := 0.
			for _, o := range rest {
				sum += many(x, o)
			}
			return x.rate(sum)
		}))
	}
	return out
}
