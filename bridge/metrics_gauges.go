package bridge

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges reads what is best read when somebody asks; one of them only rises.
type gauges struct{ bridge *Bridge }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("chatbridge_"+name, help, labels, nil)
}

// descriptions are functions of nothing but text; they are made anew for each
// scrape, which costs microseconds and keeps the names in one place.
func (g *gauges) descriptions() map[string]*prometheus.Desc {
	return map[string]*prometheus.Desc{
		"ready":        gauge("ready", "1 while callbacks can be stored."),
		"sink":         gauge("sink_ok", "1 while Kafka takes what is published."),
		"durability":   gauge("durability_info", "Always 1; the label says when an answered callback is durable.", "mode"),
		"certificate":  gauge("certificate_expiry_timestamp_seconds", "When the certificate of http.tls (http), or the client certificate of kafka.tls (kafka), expires; absent where there is none.", "use"),
		"unsigned":     gauge("unsigned_apps", "Apps whose callbacks are taken unsigned."),
		"bytes":        gauge("spool_bytes", "Bytes of the spool's segments, space made ahead included."),
		"max":          gauge("spool_max_bytes", "Bytes that the spool may take."),
		"minFree":      gauge("spool_min_free_bytes", "Free bytes of the spool's disk below which callbacks are refused."),
		"free":         gauge("spool_free_bytes", "Free bytes of the spool's disk."),
		"spoolRecords": gauge("spool_records", "Records that are in the spool."),
		"oldest":       gauge("spool_oldest_age_seconds", "Age of the oldest record in the spool; 0 = none."),
		"quarantined":  gauge("spool_quarantined_files", "Files kept aside because they are damaged."),
		"lost":         gauge("spool_lost_records", "Records that damage took, since the start."),
		"held":         gauge("resequence_held", "Events that wait for those before them."),
		"heldBytes":    gauge("resequence_held_bytes", "Bytes of the events that wait."),
		"hold":         gauge("resequence_hold_seconds", "The hold in force for streams without evidence of their own."),
		"streams":      gauge("resequence_streams", "Streams that are remembered."),
		"forgotten":    gauge("resequence_forgotten_total", "Streams that were forgotten for want of memory; one that comes back starts anew, without a mark."),
		"lag":          gauge("partition_lag_seconds", "Age of the oldest unsettled record of the partition; 0 = none.", "partition"),
		"open":         gauge("partition_open_records", "Records handed to the partition's lane and not settled.", "partition"),
		"parked":       gauge("partition_parked", "1 while the partition is served from the spool because it was full for long.", "partition"),
	}
}

// Describe lists the gauges.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range g.descriptions() {
		out <- d
	}
}

// Collect reads them.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	b, d := g.bridge, g.descriptions()
	set := func(name string, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d[name], prometheus.GaugeValue, v, labels...)
	}
	stats, s := b.relay.Stats(), b.spool.Stat()
	now := b.opt.Now()
	set("ready", number(b.ready().OK))
	set("sink", number(b.sink(stats, b.parts(stats)).OK))
	set("durability", 1, s.Durability.String())
	set("unsigned", float64(len(b.ingest.UnsignedApps())))
	set("bytes", float64(s.Bytes))
	set("max", float64(s.MaxBytes))
	set("minFree", float64(s.MinFree))
	set("free", float64(s.FreeBytes))
	set("spoolRecords", float64(s.Records))
	set("oldest", age(now, s.OldestReceipt))
	set("quarantined", float64(s.Quarantined))
	set("lost", float64(s.Lost))
	set("held", float64(stats.Resequence.Held))
	set("heldBytes", float64(stats.Resequence.HeldBytes))
	set("hold", stats.Resequence.Hold.Seconds())
	set("streams", float64(stats.Resequence.Streams))
	for use, expiry := range b.certificates() {
		set("certificate", float64(expiry.Unix()), use)
	}
	out <- prometheus.MustNewConstMetric(d["forgotten"], prometheus.CounterValue, float64(stats.Resequence.Evicted))
	for _, l := range stats.Lanes {
		partition := strconv.Itoa(l.Partition)
		set("lag", age(now, l.Oldest), partition)
		set("open", float64(l.Open), partition)
		set("parked", number(l.Parked), partition)
	}
}

// certificates is when each certificate that is in use expires. One that cannot be
// read is left out: the log and the sink say what is wrong with it.
func (b *Bridge) certificates() map[string]time.Time {
	all := map[string]time.Time{}
	if expiry, ok := b.ingest.CertificateExpiry(); ok {
		all["http"] = expiry
	}
	if files := b.cfg.Publisher().TLSFiles; files != nil {
		if expiry, ok := files.Expiry(); ok {
			all["kafka"] = expiry
		}
	}
	return all
}

// age is in seconds; that of nothing is 0.
func age(now, since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(now.Sub(since).Seconds(), 0)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
