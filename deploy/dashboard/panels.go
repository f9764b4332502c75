package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// row is a line of the page: figures first, then lines over time.
type row struct {
	title  string
	states []state
	panels []panel
}

// state is one figure. It is good from a value on, or, where bad is set, good below
// it.
type state struct {
	title, description, unit, query string
	from                            float64
	bad                             bool
}

// panel is lines over time.
type panel struct {
	title, description, unit string
	lines                    []line
}

type line struct{ query, legend string }

// quantiles are lines of a histogram.
func quantiles(metric string) []line {
	var all []line
	for _, q := range []float64{0.5, 0.99} {
		all = append(all, line{
			fmt.Sprintf("histogram_quantile(%g, sum by (instance, le) (rate(%s_bucket{$of}[$__rate_interval])))", q, metric),
			fmt.Sprintf("p%g {{instance}}", 100*q),
		})
	}
	return all
}

// rate is one line for each value of a label.
func rate(metric, label string) []line {
	return []line{{fmt.Sprintf("sum by (%s) (rate(%s{$of}[$__rate_interval])) > 0", label, metric), "{{" + label + "}}"}}
}

func total(metric, legend string) line {
	return line{fmt.Sprintf("sum by (instance) (rate(%s{$of}[$__rate_interval]))", metric), legend + " {{instance}}"}
}

func value(metric, legend string) line { return line{metric + "{$of}", legend + " {{instance}}"} }

func rows() []row {
	return []row{well(), callbacks(), disk(), order(), kafka(), process()}
}

func well() row {
	return row{title: "Is it well?", states: []state{
		{title: "stores callbacks", query: `chatbridge_ready{$of}`, from: 1, description: "Red: new callbacks are lost. Runbook: NotReady."},
		{title: "Kafka takes them", query: `chatbridge_sink_ok{$of}`, from: 1, description: "Red: callbacks are stored, and wait. Runbook: SinkDown."},
		{title: "oldest that waits", query: `chatbridge_spool_oldest_age_seconds{$of}`, unit: units.Seconds, from: 60, bad: true, description: "Runbook: Lagging."},
		{title: "spool used", query: `chatbridge_spool_bytes{$of} / chatbridge_spool_max_bytes{$of}`, unit: units.PercentUnit, from: .5, bad: true, description: "Runbook: DiskFilling."},
		{title: "answer p99", unit: units.Seconds, from: 1, bad: true, description: "Tencent waits two seconds. Runbook: SlowAnswers.",
			query: `histogram_quantile(0.99, sum by (instance, le) (rate(chatbridge_answer_seconds_bucket{$of}[5m])))`},
		{title: "damaged files", query: `chatbridge_spool_quarantined_files{$of}`, from: 1, bad: true, description: "Runbook: Damaged."},
	}}
}

func callbacks() row {
	return row{title: "Callbacks", panels: []panel{
		{title: "callbacks by outcome", unit: units.RequestsPerSecond, lines: rate("chatbridge_callbacks_total", "outcome"),
			description: "Stored is good; full, poisoned, store-failed, overloaded and panic are lost."},
		{title: "time to answer", unit: units.Seconds, lines: quantiles("chatbridge_answer_seconds"),
			description: "From the end of an authentic callback's headers to its answer. The goal is 10 ms at p99."},
		{title: "certificates expire in", unit: units.Seconds, description: "Runbook: CertificateExpires.",
			lines: []line{{`chatbridge_certificate_expiry_timestamp_seconds{$of} - time()`, "{{use}} {{instance}}"}}},
	}}
}

func disk() row {
	return row{title: "The disk", panels: []panel{
		{title: "spool", unit: units.BytesIEC, description: "What waits for Kafka, against what may.",
			lines: []line{value("chatbridge_spool_bytes", "used"), value("chatbridge_spool_max_bytes", "at most")}},
		{title: "free on the disk", unit: units.BytesIEC, description: "Below the least, callbacks are refused.",
			lines: []line{value("chatbridge_spool_free_bytes", "free"), value("chatbridge_spool_min_free_bytes", "at least")}},
		{title: "records that wait", unit: units.Short, lines: []line{value("chatbridge_spool_records", "records")}},
		{title: "time to sync", unit: units.Seconds, lines: quantiles("chatbridge_spool_fsync_seconds"),
			description: "Answers wait for it. Runbook: SlowFsync."},
		{title: "records in one sync", unit: units.Short, lines: quantiles("chatbridge_spool_group_records")},
		{title: "the spool's events", unit: units.EventsPerSecond, lines: rate("chatbridge_spool_events_total", "kind"),
			description: "Rotated and released are the daily life; poisoned, quarantined, missing and full are not."},
	}}
}

func order() row {
	return row{title: "The order", panels: []panel{
		{title: "events by order", unit: units.EventsPerSecond, lines: rate("chatbridge_events_total", "order"),
			description: "Late ones are published out of order, marked. Runbook: LateEvents."},
		{title: "held for those before them", unit: units.Short, lines: []line{value("chatbridge_resequence_held", "held")}},
		{title: "time held", unit: units.Seconds,
			lines: append(quantiles("chatbridge_resequence_held_seconds"), value("chatbridge_resequence_hold_seconds", "hold in force"))},
		{title: "numbers skipped", unit: units.EventsPerSecond, lines: []line{total("chatbridge_resequence_missing_total", "skipped")},
			description: "Holes are normal: a member who joins takes a number."},
		{title: "streams", unit: units.Short, description: "Runbook: Forgetting.",
			lines: []line{value("chatbridge_resequence_streams", "remembered"), value("chatbridge_resequence_forgotten_total", "forgotten since the start")}},
		{title: "dead letters", unit: units.EventsPerSecond, lines: rate("chatbridge_dead_letters_total", "reason"), description: "Runbook: DeadLetters."},
	}}
}

func kafka() row {
	return row{title: "Kafka", panels: []panel{
		{title: "records acknowledged", unit: units.EventsPerSecond, lines: rate("chatbridge_publish_records_total", "topic")},
		{title: "from receipt to acknowledgement", unit: units.Seconds, lines: quantiles("chatbridge_settle_seconds"),
			description: "The goal is 50 ms at p99; an outage of Kafka is in it."},
		{title: "one publish", unit: units.Seconds, lines: quantiles("chatbridge_publish_seconds"),
			description: "Slow here means Kafka or the network; not slow here and lagging means the bridge."},
		{title: "lag, the five worst partitions", unit: units.Seconds, lines: []line{{`topk(5, chatbridge_partition_lag_seconds{$of})`, "{{partition}} {{instance}}"}},
			description: "Age of the oldest record that is not acknowledged. Runbook: Lagging."},
		{title: "attempts that failed", unit: units.EventsPerSecond, lines: rate("chatbridge_publish_retries_total", "class"),
			description: "They are sent again, identically. /sinkz has the sentence for each."},
		{title: "ambiguous, resynced, rejected", unit: units.EventsPerSecond, lines: []line{
			total("chatbridge_publish_tail_reads_total", "tails read"), total("chatbridge_publish_resyncs_total", "resyncs"),
			total("chatbridge_publish_rejected_total", "rejected"),
		}},
	}}
}

func process() row {
	return row{title: "The process", panels: []panel{
		{title: "memory", unit: units.BytesIEC, lines: []line{value("process_resident_memory_bytes", "resident")}, description: "It aims at 168 MiB, whatever the backlog."},
		{title: "processors", unit: units.Short, lines: []line{total("process_cpu_seconds_total", "in use")}},
		{title: "versions", unit: units.Short, lines: []line{{`count by (version) (chatbridge_build_info{$of})`, "{{version}}"}}},
	}}
}
