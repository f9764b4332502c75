package bridge

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// metrics is every metric of the bridge. This file is the one door to
// Prometheus: the parts tell what happens through their hooks.
type metrics struct {
	registry *prometheus.Registry

	answered map[ingest.Outcome]prometheus.Counter
	answers  prometheus.Histogram

	syncs   prometheus.Histogram
	groups  prometheus.Histogram
	events  *prometheus.CounterVec
	decided map[resequence.Verdict]prometheus.Counter
	held    prometheus.Histogram
	missing prometheus.Counter

	waits   prometheus.Histogram
	letters *prometheus.CounterVec
	others  prometheus.Counter
	changes *prometheus.CounterVec

	batches   *prometheus.CounterVec
	records   *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	publishes *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	tails     *prometheus.CounterVec
	resyncs   *prometheus.CounterVec
	rejected  *prometheus.CounterVec

	spans *prometheus.CounterVec
}

// Buckets in seconds. What is promised of a time is a bucket's bound, so that it can
// be read without a guess: answers within 10 ms and never near the 2 s that Tencent
// waits, from receipt to settled within 5 and 50 ms. A sync is tenths of a
// millisecond on a good disk; a wait and a publish can be an outage of hours.
func answerBuckets() []float64 {
	return []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
}

func syncBuckets() []float64 {
	return []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5}
}

func waitBuckets() []float64 {
	return []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 30, 300, 3600, 86400}
}

// Native histograms, for a Prometheus that asks for them: each bucket is a tenth
// wider than the one before, and a histogram has so many buckets at most (P8):
// where they do not suffice they become wider. It never begins anew, since the
// buckets of all others, and what the page has read, would begin with it.
const (
	nativeFactor  = 1.1
	nativeBuckets = 160
)

// newMetrics makes every metric, and the children that are known from the start,
// so that a first event is an increase and not a beginning.
func newMetrics(b *Bridge, version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.ingest()
	m.spool()
	m.relay()
	m.publisher(b.cfg.topics())
	m.tracing()
	m.registry.MustRegister(&gauges{bridge: b})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "chatbridge", Name: "build_info", Help: "Always 1; the labels say what is running."},
		[]string{"version", "go"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(build)
	return m
}

func (m *metrics) ingest() {
	answered := m.counterVec("callbacks_total", "Requests answered.", "outcome")
	m.answered = map[ingest.Outcome]prometheus.Counter{}
	for _, o := range ingest.Outcomes() {
		m.answered[o] = answered.WithLabelValues(o.String())
	}
	m.answers = m.histogram("answer_seconds", "From the end of an authentic callback's headers to its answer.", answerBuckets())
}

func (m *metrics) spool() {
	m.syncs = m.histogram("spool_fsync_seconds", "Writing and syncing one group.", syncBuckets())
	m.groups = m.histogram("spool_group_records", "Records that one fsync made durable.", prometheus.ExponentialBuckets(1, 2, 12))
	m.events = m.counterVec("spool_events_total", "What happened to the spool's segments.", "kind")
	for _, kind := range []string{
		spool.EventRotated, spool.EventPoisoned, spool.EventTruncated, spool.EventQuarantined, spool.EventMissing,
		spool.EventFull, spool.EventResumed, spool.EventReleased, spool.EventReserveUsed,
	} {
		m.events.WithLabelValues(kind)
	}
}

func (m *metrics) relay() {
	decided := m.counterVec("events_total", "Events that left the resequencer; duplicates were dropped.", "order")
	m.decided = map[resequence.Verdict]prometheus.Counter{}
	for v := resequence.InOrder; v <= resequence.Duplicate; v++ {
		m.decided[v] = decided.WithLabelValues(v.String())
	}
	m.held = m.histogram("resequence_held_seconds", "How long events waited for those before them; events that did not wait are not counted.", waitBuckets())
	m.missing = m.counter("resequence_missing_total", "Numbers that were skipped: holes are normal, see the README.")
	m.waits = m.histogram("settle_seconds", "From receipt to Kafka's acknowledgement.", waitBuckets())
	m.letters = m.counterVec("dead_letters_total", "Callbacks published to the dead-letter topic.", "reason")
	for _, reason := range schema.Reasons() {
		m.letters.WithLabelValues(string(reason))
	}
	m.changes = m.counterVec("topic_changes_total", "What somebody did to the events topic while it was in use.", "change")
	for _, c := range []relay.TopicChange{relay.MorePartitions, relay.FewerPartitions, relay.MadeAnew} {
		m.changes.WithLabelValues(string(c))
	}
	m.others = m.counter("other_callbacks_total", "Callbacks of other commands published to the callbacks topic.")
}

func (m *metrics) publisher(topics []string) {
	m.batches = m.counterVec("publish_batches_total", "Batches that Kafka acknowledged.", "topic")
	m.records = m.counterVec("publish_records_total", "Records that Kafka acknowledged.", "topic")
	m.bytes = m.counterVec("publish_bytes_total", "Bytes of acknowledged batches, as sent.", "topic")
	m.publishes = m.histogramVec("publish_seconds", "From the first attempt of a batch to its acknowledgement.", waitBuckets(), "topic")
	m.retries = m.counterVec("publish_retries_total", "Attempts that failed, by class of the failure.", "topic", "class")
	m.tails = m.counterVec("publish_tail_reads_total", "Reads of a partition's tail after an ambiguous answer, by whether the batch was there.", "topic", "found")
	m.resyncs = m.counterVec("publish_resyncs_total", "New producer identities after Kafka lost the old one's state.", "topic")
	m.rejected = m.counterVec("publish_rejected_total", "Batches that Kafka will never take; they are halved down to the record that is dead-lettered.", "topic")
	for _, topic := range topics {
		for _, v := range []*prometheus.CounterVec{m.batches, m.records, m.bytes, m.resyncs, m.rejected} {
			v.WithLabelValues(topic)
		}
		m.publishes.WithLabelValues(topic)
		m.tails.WithLabelValues(topic, "true")
		m.tails.WithLabelValues(topic, "false")
	}
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "chatbridge", Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "chatbridge", Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(histogramOpts(name, help, buckets))
	m.registry.MustRegister(h)
	return h
}

func (m *metrics) histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(histogramOpts(name, help, buckets), labels)
	m.registry.MustRegister(h)
	return h
}

func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: "chatbridge", Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// observer tells the metrics, and next if there is one, of each answer.
func (m *metrics) observer(next func(ingest.Outcome, time.Duration)) ingest.Observer {
	return &observer{metrics: m, next: next}
}

type observer struct {
	metrics *metrics
	next    func(ingest.Outcome, time.Duration)
}

func (o *observer) Answered(outcome ingest.Outcome, took time.Duration) {
	o.metrics.answered[outcome].Inc()
	if took > 0 { // 0: not authentic (P7)
		o.metrics.answers.Observe(took.Seconds())
	}
	if o.next != nil {
		o.next(outcome, took)
	}
}

func (m *metrics) spoolHooks() spool.Hooks {
	return spool.Hooks{
		Synced: func(records, _ int, took time.Duration) {
			m.syncs.Observe(took.Seconds())
			m.groups.Observe(float64(records))
		},
		Event: func(kind string) { m.events.WithLabelValues(kind).Inc() },
	}
}

func (m *metrics) relayHooks(next relay.Hooks) relay.Hooks {
	return relay.Hooks{
		Decided: func(d relay.Decided) {
			m.decided[d.Verdict].Inc()
			if d.Held > 0 {
				m.held.Observe(d.Held.Seconds())
			}
			if d.HoleFrom > 0 {
				m.missing.Add(float64(d.HoleTo - d.HoleFrom + 1))
			}
			if next.Decided != nil {
				next.Decided(d)
			}
		},
		Settled: func(partition int, waits []time.Duration) {
			for _, w := range waits {
				m.waits.Observe(w.Seconds())
			}
			if next.Settled != nil {
				next.Settled(partition, waits)
			}
		},
		TopicChanged: func(c relay.TopicChange) {
			m.changes.WithLabelValues(string(c)).Inc()
			if next.TopicChanged != nil {
				next.TopicChanged(c)
			}
		},
		SentAside: func(topic string, reason schema.Reason) {
			if reason == "" {
				m.others.Inc()
			} else {
				m.letters.WithLabelValues(string(reason)).Inc()
			}
			if next.SentAside != nil {
				next.SentAside(topic, reason)
			}
		},
	}
}

func (m *metrics) publisherHooks() publisher.Hooks {
	return publisher.Hooks{
		Published: func(topic string, _, records, bytes int, took time.Duration) {
			m.batches.WithLabelValues(topic).Inc()
			m.records.WithLabelValues(topic).Add(float64(records))
			m.bytes.WithLabelValues(topic).Add(float64(bytes))
			m.publishes.WithLabelValues(topic).Observe(took.Seconds())
		},
		Retried: func(topic string, _ int, class string, _ error) { m.retries.WithLabelValues(topic, class).Inc() },
		TailRead: func(topic string, _ int, found bool) {
			m.tails.WithLabelValues(topic, strconv.FormatBool(found)).Inc()
		},
		Resynced: func(topic string, _ int) { m.resyncs.WithLabelValues(topic).Inc() },
		Rejected: func(topic string, _, _ int, _ string) { m.rejected.WithLabelValues(topic).Inc() },
	}
}
