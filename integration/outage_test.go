package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKafkaAbsentAtStart: P2. Without any Kafka every callback is answered OK;
// when Kafka comes, everything arrives once and in order. The times of answers,
// with and without, are reported side by side and not judged: the machine's speed
// is none of a test's business, the benchmarks have the goals.
func TestKafkaAbsentAtStart(t *testing.T) {
	t.Parallel()
	dice(t)
	kafka := newKafka(t, spec{})
	b := startBridge(t, kafka)
	ledger := newLedger(t)
	load := []string{"--rate", itoa(sizes.rate), "--count", itoa(3 * sizes.rate)}
	away := send(b, ledger, load...)
	if err := b.probe("/sinkz", http.StatusServiceUnavailable); err != nil {
		t.Errorf("Kafka is away, and %v", err)
	}
	if err := b.probe("/readyz", http.StatusOK); err != nil {
		t.Errorf("an outage of Kafka makes the bridge unready: %v", err)
	}
	kafka.start()
	b.drained()
	eventually(t, "the sink is well", func() error { return b.probe("/sinkz", http.StatusOK) })
	there := send(b, ledger, load...)
	for name, s := range map[string]sent{"away": away, "there": there} {
		if s.OK != s.Callbacks || s.Callbacks == 0 {
			t.Errorf("kafka %s: not every callback was answered OK: %v", name, s)
		}
	}
	t.Logf("answer at %d/s: kafka away p50 %v, p99 %v; kafka there p50 %v, p99 %v", sizes.rate,
		away.Latency.P50, away.Latency.P99, there.Latency.P50, there.Latency.P99)
	t.Log(audit(b, ledger))
}

// TestKafkaAwayForAWhile: P2 while traffic flows, and a bridge that is killed
// meanwhile: the backlog is on disk.
func TestKafkaAwayForAWhile(t *testing.T) {
	t.Parallel()
	rnd := dice(t)
	kafka := startKafka(t, spec{})
	b := startBridge(t, kafka)
	ledger := newLedger(t)
	s := startSend(b, ledger, "--rate", itoa(sizes.rate), "--retry", "-1")
	eventually(t, "traffic flows", func() error { return b.above("chatbridge_publish_records_total", 100) })
	kafka.kill()
	stored := func() float64 { return b.metric("chatbridge_spool_records") }
	before := stored()
	eventually(t, "a backlog grows", func() error { return b.above("chatbridge_spool_records", before+float64(sizes.rate)) })
	b.kill()
	b.start()
	b.ready()
	hold(between(rnd, 100*time.Millisecond, time.Second))
	kafka.start()
	sum := s.stop()
	t.Log(sum)
	t.Log(audit(b, ledger))
}

// TestFullSpoolRefusesAndResumes: with Kafka away, a spool of 256 MiB fills up
// and refuses with 503 and Retry-After. When Kafka returns it drains, and takes
// callbacks again by itself; what it had answered OK is there, what it refused
// is not.
func TestFullSpoolRefusesAndResumes(t *testing.T) {
	t.Parallel()
	dice(t)
	kafka := newKafka(t, spec{})
	b := startBridge(t, kafka, "spool.max_bytes=256MiB")
	ledger := newLedger(t)
	first := send(b, ledger, "--rate", "0", "--count", "6000", "--body-size", "65536")
	t.Log(first)
	if first.OK == 0 || first.Refused["503"] == 0 || first.OK+first.Refused["503"] != first.Callbacks {
		t.Errorf("callbacks were not stored until the spool was full and refused then: %v, refused %v, unanswered %v",
			first, first.Refused, first.Unanswered)
	}
	if err := b.probe("/readyz", http.StatusServiceUnavailable); err != nil {
		t.Errorf("the spool is full, and %v", err)
	}
	if a := post(t, b, query(commandAfterSend), golden(t, "specification.callback.json")); a.Status != http.StatusServiceUnavailable || a.RetryAfter == "" {
		t.Errorf("answer of a full spool: %+v", a)
	}
	kafka.start()
	eventually(t, "the bridge takes callbacks again", func() error { return b.probe("/readyz", http.StatusOK) })
	second := send(b, ledger, "--rate", "0", "--count", "2000")
	t.Log(second)
	if second.OK != second.Callbacks {
		t.Errorf("after the spool had room again: %v, refused %v", second, second.Refused)
	}
	t.Log(audit(b, ledger))
}

// TestDamagedCheckpointStillOnceAndInOrder: P3, P4. The bridge is killed under
// load, and its checkpoint is gone, cut, or not what was written.
func TestDamagedCheckpointStillOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(file string, size int64) error{
		"Deleted": func(file string, _ int64) error { return os.Remove(file) },
		"Emptied": func(file string, _ int64) error { return os.Truncate(file, 0) },
		"Cut":     func(file string, size int64) error { return os.Truncate(file, size-size/4) },
		"Garbled": garble,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rnd := dice(t)
			kafka := startKafka(t, spec{})
			b := startBridge(t, kafka)
			ledger := newLedger(t)
			s := startSend(b, ledger, "--rate", itoa(sizes.rate), "--retry", "-1")
			eventually(t, "traffic flows", func() error {
				return b.above("chatbridge_publish_records_total", float64(sizes.rate))
			})
			hold(between(rnd, 0, 500*time.Millisecond))
			b.kill()
			file := filepath.Join(b.spool, "checkpoint.log")
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(file, info.Size()); err != nil {
				t.Fatal(err)
			}
			b.start()
			b.ready()
			eventually(t, "traffic flows again", func() error {
				return b.above("chatbridge_publish_records_total", float64(sizes.rate)/2)
			})
			t.Log(s.stop())
			t.Log(audit(b, ledger))
		})
	}
}

// garble writes over the middle of a file.
func garble(file string, size int64) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("this was a checkpoint"), size/2); err != nil {
		return fmt.Errorf("garble %s: %w", file, err)
	}
	return nil
}
