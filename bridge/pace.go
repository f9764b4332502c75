package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/schema"
)

// pace is how it went from one tally to another.
type pace struct {
	took     time.Duration
	answered []float64 // by outcome; how many
	letters  map[schema.Reason]float64
	stored   float64 // bytes a second
	answer   slowest
	settle   slowest
	oldest   time.Time // receipt of the oldest callback that was not in Kafka at its beginning; zero = none
}

// slowest is the 99th of 100 times, as near as the buckets of a histogram tell.
type slowest struct {
	guess  time.Duration // see distribution.quantile; 0 = nothing was measured
	above  time.Duration // the bounds of its bucket
	within time.Duration // 0 = it is in the last one, which has none
}

// String says below which time it is.
func (s slowest) String() string {
	if s.within == 0 {
		return "in more than " + short(s.above)
	}
	return "within " + short(s.within)
}

// between says both bounds.
func (s slowest) between() string {
	if s.within == 0 {
		return "more than " + short(s.above)
	}
	return fmt.Sprintf("between %s and %s", short(s.above), short(s.within))
}

// paceBetween compares two tallies.
func paceBetween(from, to tally) pace {
	p := pace{took: to.at.Sub(from.at), answered: make([]float64, len(to.answered)), letters: map[schema.Reason]float64{}, oldest: from.oldest}
	if p.took <= 0 {
		p.took = 0
		return p
	}
	for o := range to.answered {
		p.answered[o] = to.answered[o] - from.answered[o]
	}
	for reason, n := range to.letters {
		p.letters[reason] = n - from.letters[reason]
	}
	p.stored = (to.stored - from.stored) / p.took.Seconds()
	p.answer = to.answers.minus(from.answers).slowest()
	p.settle = to.settled.minus(from.settled).slowest()
	return p
}

// count adds up outcomes.
func (p pace) count(outcomes ...ingest.Outcome) float64 {
	sum := 0.0
	for _, o := range outcomes {
		sum += p.answered[o]
	}
	return sum
}

// worst is the most frequent of some outcomes, and how many they are in all.
func (p pace) worst(outcomes ...ingest.Outcome) (ingest.Outcome, float64) {
	return slices.MaxFunc(outcomes, func(a, b ingest.Outcome) int { return cmp.Compare(p.answered[a], p.answered[b]) }), p.count(outcomes...)
}

// taken counts the callbacks that were taken. One that cannot be understood is
// stored, too; a check of the URL is no callback.
func (p pace) taken() float64 {
	return p.count(ingest.Stored, ingest.CallbackStored, ingest.Ignored, ingest.Unreadable)
}

// refused counts what was not taken.
func (p pace) refused() float64 { return p.count(refusals()...) }

// refusals are all outcomes of what is not taken.
func refusals() []ingest.Outcome {
	return slices.DeleteFunc(ingest.Outcomes(), func(o ingest.Outcome) bool { return o.OK() || o == ingest.Unreadable })
}

// why names the most frequent of the refusals, with their numbers.
func (p pace) why() string {
	seen := slices.DeleteFunc(refusals(), func(o ingest.Outcome) bool { return p.answered[o] == 0 })
	slices.SortStableFunc(seen, func(a, b ingest.Outcome) int { return cmp.Compare(p.answered[b], p.answered[a]) })
	var text []string
	for _, o := range seen[:min(len(seen), mostReasons)] {
		text = append(text, fmt.Sprintf("%.0f %s", p.answered[o], o))
	}
	return strings.Join(text, ", ")
}

// mostReasons bounds a sentence.
const mostReasons = 3

// minus is what d counted since from.
func (d distribution) minus(from distribution) distribution {
	out := distribution{bounds: d.bounds, counts: make([]float64, len(d.counts))}
	for i := range d.counts {
		out.counts[i] = d.counts[i]
		if len(from.counts) == len(d.counts) {
			out.counts[i] -= from.counts[i]
		}
	}
	return out
}

// total is how many were counted.
func (d distribution) total() float64 {
	if len(d.counts) == 0 {
		return 0
	}
	return d.counts[len(d.counts)-1]
}

// slowest is the 99th of 100.
func (d distribution) slowest() slowest {
	rank := .99 * d.total()
	if rank == 0 {
		return slowest{}
	}
	s := slowest{guess: d.quantile(.99)}
	for i, bound := range d.bounds {
		if d.counts[i] >= rank {
			s.within = seconds(bound)
			break
		}
		s.above = seconds(bound)
	}
	return s
}

// quantile says below which time the share q of all lies, as near as the buckets
// tell: even within a bucket, and at most the largest bound. 0 where there is
// nothing.
func (d distribution) quantile(q float64) time.Duration {
	rank := q * d.total()
	if rank == 0 {
		return 0
	}
	lower, below := 0.0, 0.0
	for i, bound := range d.bounds {
		if d.counts[i] >= rank {
			share := (rank - below) / (d.counts[i] - below)
			return seconds(lower + (bound-lower)*share)
		}
		lower, below = bound, d.counts[i]
	}
	return seconds(lower)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
