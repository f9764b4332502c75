package bridge

import (
	"time"

	"github.com/chatbridge/chatbridge/bridge/ingest"
)

// pace is how it went from one tally to another.
type pace struct {
	took     time.Duration
	answered []float64 // by outcome; how many
	letters  float64   // how many
	stored   float64   // bytes a second
	answer   time.Duration
	settle   time.Duration // both the 99th of 100
}

// paceBetween compares two tallies.
func paceBetween(from, to tally) pace {
	p := pace{took: to.at.Sub(from.at), answered: make([]float64, len(to.answered))}
	if p.took <= 0 {
		p.took = 0
		return p
	}
	for o := range to.answered {
		p.answered[o] = to.answered[o] - from.answered[o]
	}
	p.letters = to.letters - from.letters
	p.stored = (to.stored - from.stored) / p.took.Seconds()
	p.answer = to.answers.minus(from.answers).quantile(.99)
	p.settle = to.settled.minus(from.settled).quantile(.99)
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

// taken counts what was answered OK.
func (p pace) taken() float64 {
	sum := 0.0
	for _, o := range ingest.Outcomes() {
		if o.OK() {
			sum += p.answered[o]
		}
	}
	return sum
}

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
