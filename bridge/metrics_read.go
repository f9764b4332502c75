package bridge

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/schema"
)

// tally is what the metrics had counted at one moment. What an operator is shown
// is the difference of two: so the page and the sentence say what Prometheus
// says, and cost a request nothing.
type tally struct {
	at        time.Time
	answered  []float64    // by outcome
	answers   distribution // seconds
	settled   distribution // seconds
	published float64
	stored    float64 // bytes
	missing   float64
	late      float64
	duplicate float64
	letters   map[schema.Reason]float64
	failing   bool      // Kafka does not take something
	oldest    time.Time // receipt of the oldest callback that is not in Kafka; zero = none
	spool     float64   // bytes now
	held      float64   // events now
}

// distribution is a histogram's buckets: how many were at most so large.
type distribution struct {
	bounds []float64 // the last bucket has none
	counts []float64 // up to each bound, smaller ones included; then all
}

// read takes the tally of the counters; the caller adds what is not one.
func (m *metrics) read(now time.Time) tally {
	t := tally{
		at: now, answered: make([]float64, len(ingest.Outcomes())),
		answers: distributionOf(m.answers), settled: distributionOf(m.waits),
		published: sumOf(m.records), missing: valueOf(m.missing), letters: map[schema.Reason]float64{},
		late: valueOf(m.decided[resequence.Late]), duplicate: valueOf(m.decided[resequence.Duplicate]),
	}
	for o, c := range m.answered {
		t.answered[o] = valueOf(c)
	}
	for _, reason := range schema.Reasons() {
		t.letters[reason] = valueOf(m.letters.WithLabelValues(string(reason)))
	}
	return t
}

func valueOf(m prometheus.Metric) float64 {
	var v dto.Metric
	if err := m.Write(&v); err != nil {
		return 0 // a counter of ours is always valid
	}
	return v.GetCounter().GetValue()
}

// sumOf adds up the children of c.
func sumOf(c prometheus.Collector) float64 {
	children := make(chan prometheus.Metric)
	go func() {
		defer close(children)
		c.Collect(children)
	}()
	sum := 0.0
	for m := range children {
		sum += valueOf(m)
	}
	return sum
}

func distributionOf(h prometheus.Histogram) distribution {
	var v dto.Metric
	if err := h.Write(&v); err != nil {
		return distribution{}
	}
	var d distribution
	for _, b := range v.GetHistogram().GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		d.bounds = append(d.bounds, b.GetUpperBound())
		d.counts = append(d.counts, float64(b.GetCumulativeCount()))
	}
	d.counts = append(d.counts, float64(v.GetHistogram().GetSampleCount()))
	return d
}
