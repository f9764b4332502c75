package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const gigabyte = 1e9

// backlogStreams is over how many streams a backlog is spread.
const backlogStreams = 256

// BenchmarkDrain: events a second out of a backlog of 1 GB of records, from the
// start of serve until Kafka has the last of them. kfake's data is on disk
// without a sync for each batch; the second variant stores nothing at all, and
// so leaves the processor to the bridge; the third is a real Kafka, in a JVM that
// has just started. Goal: at least 150,000.
func BenchmarkDrain(b *testing.B) {
	for name, s := range map[string]spec{
		"kfake": {fake: true}, "blackhole": {fake: true, options: "blackhole"}, "Kafka": {warm: true},
	} {
		b.Run(name, func(b *testing.B) {
			if !s.fake {
				needsReal(b, "figures on a real Kafka")
			}
			records := recordsOf(gigabyte)
			t := newTable(b)
			for range sizes.rounds {
				drainOnce(b, t, records, s)
			}
			t.report()
		})
	}
}

func drainOnce(b *testing.B, t *table, records int, s spec) {
	b.Helper()
	kafka := startKafka(b, s)
	defer kafka.discard()
	bridge := newBridge(b, kafka)
	defer os.RemoveAll(bridge.spool)
	runOnce(b, bridge)
	fill(bridge, records, backlogStreams)
	t.add("backlog GB", spoolBytes(b, bridge))
	begun := time.Now()
	bridge.start()
	bridge.ready()
	ready := time.Since(begun)
	wait := bridge.profile("drain", 2*time.Second)
	var first time.Time
	eventually(b, "the backlog is published", func() error {
		if first.IsZero() && bridge.above("chatbridge_publish_records_total", 0) == nil {
			first = time.Now()
		}
		return bridge.above("chatbridge_publish_records_total", float64(records)-1)
	})
	took := time.Since(begun)
	_, most := resident(bridge.process)
	t.add("events/s", float64(records)/took.Seconds())
	t.add("ready ms", ms(ready))
	t.add("first batch ms", ms(first.Sub(begun)))
	t.add("bridge CPU us", float64(cpu(bridge.process).Microseconds())/float64(records))
	t.add("kafka CPU us", float64(kafka.cpu().Microseconds())/float64(records))
	t.add("most RSS MB", most)
	wait()
	bridge.kill()
}

// runOnce leaves the checkpoint of a run that ended well. Without one the bridge
// first waits for what another run may have sent.
func runOnce(b *testing.B, bridge *bridge) {
	b.Helper()
	bridge.start()
	eventually(b, "there are lanes", func() error { return bridge.has(`chatbridge_partition_open_records{partition="0"}`) })
	bridge.signal(syscall.SIGTERM)
	if code := bridge.exit(); code != 0 {
		b.Fatalf("serve ended with %d", code)
	}
}

// BenchmarkStart: from the start of the process until it is ready, with 10 GB in
// the spool and Kafka away. The files are in the system's cache, as after a crash
// of the process; after a reboot it takes what the disk takes to read them.
// Goal: at most 2 s.
func BenchmarkStart(b *testing.B) {
	bridge := newBridge(b, nowhere(), "spool.max_bytes=40GiB")
	defer os.RemoveAll(bridge.spool)
	fill(bridge, recordsOf(10*gigabyte), backlogStreams)
	t := newTable(b)
	for range sizes.rounds {
		begun := time.Now()
		bridge.start()
		bridge.ready()
		t.add("ready ms", ms(time.Since(begun)))
		t.add("spool GB", spoolBytes(b, bridge))
		now, most := resident(bridge.process)
		t.add("RSS MB", now)
		t.add("most RSS MB", most)
		t.add("CPU ms", ms(cpu(bridge.process)))
		bridge.kill()
	}
	t.report()
}

// BenchmarkMemory: the memory of a bridge that has seen a million streams and then
// gets a backlog of 1 GB while Kafka is away, through the endpoint, and publishes
// it. One round, for it is long and hardly varies. Goal: at most 200 MB.
func BenchmarkMemory(b *testing.B) {
	streams := int(1e6*sizes.scale) / writers * writers
	kafka := startKafka(b, spec{fake: true})
	bridge := newBridge(b, kafka)
	fill(bridge, streams, streams)
	bridge.start()
	bridge.ready()
	bridge.drained()
	t := newTable(b)
	note := func(when string) {
		now, most := resident(bridge.process)
		t.add("RSS MB "+when, now)
		t.add("most MB "+when, most)
		bridge.keep(strings.ReplaceAll("heap "+when, " ", "-"), "/debug/pprof/heap", 0)
	}
	note("1M streams seen")
	t.add("streams remembered", bridge.metric("chatbridge_resequence_streams"))
	kafka.kill()
	l := newGenerator(b, bridge.url, 256).amount(recordsOf(gigabyte))
	note("with the backlog")
	t.add("backlog GB", spoolBytes(b, bridge))
	t.add("failed", float64(l.failed))
	kafka.start()
	bridge.drained()
	note("after the backlog")
	t.report()
}
