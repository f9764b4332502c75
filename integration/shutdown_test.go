package integration

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestTermUnderLoadLosesNothing: P1. SIGTERM answers what is in flight, drains,
// and ends with 0.
func TestTermUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	dice(t)
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	ledger := newLedger(t)
	s := startSend(b, ledger, "--rate", itoa(sizes.rate), "--retry", "-1")
	for range 3 {
		eventually(t, "traffic flows", func() error { return b.above("chatbridge_publish_records_total", 500) })
		b.signal(syscall.SIGTERM)
		if code := b.exit(); code != 0 {
			t.Errorf("serve ended with %d after SIGTERM:\n%s", code, tail(b.log, 20))
		}
		b.start()
	}
	b.ready()
	eventually(t, "traffic flows", func() error { return b.above("chatbridge_publish_records_total", 500) })
	t.Log(s.stop())
	t.Log(audit(b, ledger))
}

// TestSecondTermEndsAtOnce: with Kafka away there is nothing that draining could
// do, and the deadline is far; the second signal does not wait for it. P1 holds.
func TestSecondTermEndsAtOnce(t *testing.T) {
	t.Parallel()
	dice(t)
	kafka := newKafka(t, spec{})
	b := startBridge(t, kafka, "shutdown_timeout=1h")
	ledger := newLedger(t)
	send(b, ledger, "--rate", "0", "--count", "2000")
	b.signal(syscall.SIGTERM)
	eventually(t, "the bridge drains", func() error { return b.probe("/readyz", http.StatusServiceUnavailable) })
	if !b.alive() {
		t.Fatal("serve did not drain: it ended at the first signal")
	}
	b.signal(syscall.SIGTERM)
	if code := b.exit(); code != 1 {
		t.Errorf("serve ended with %d after the second signal", code)
	}
	kafka.start()
	b.start()
	b.ready()
	t.Log(audit(b, ledger))
}

// TestSecondBridgeOnOneSpoolIsRefused: it ends with 1 and names who holds it,
// and the first one goes on undisturbed.
func TestSecondBridgeOnOneSpoolIsRefused(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	other := newBridge(t, kafka, "spool.dir="+b.spool)
	other.start()
	if code := other.exit(); code != 1 {
		t.Errorf("the second bridge ended with %d", code)
	}
	if said, want := tail(other.log, 5), fmt.Sprintf("pid %d", b.cmd.Process.Pid); !strings.Contains(said, want) {
		t.Errorf("the second bridge does not name %s:\n%s", want, said)
	}
	if a := post(t, b, query(commandAfterSend), golden(t, "specification.callback.json")); !a.ok() {
		t.Errorf("the first bridge answers %+v", a)
	}
	b.drained()
}
