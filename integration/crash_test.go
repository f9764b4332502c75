package integration

import (
	"math/rand/v2"
	"testing"
	"time"
)

// variant is how senders behave while somebody is killed.
type variant struct {
	name string
	args []string
}

// variants: Tencent's default is to wait 2 s and never to try again; a patient
// sender repeats a callback until it is answered OK, which makes every ambiguous
// answer a duplicate that the bridge must recognize.
func variants() []variant {
	return []variant{
		{"Default", nil},
		{"Retrying", []string{"--retry", "-1"}},
		{"ThreeDaysOld", []string{"--retry", "-1", "--age", "72h"}},
	}
}

// crashRun is a bridge under load with a Kafka beside it, until audited.
type crashRun struct {
	t      *testing.T
	rnd    *rand.Rand
	kafka  *cluster
	bridge *bridge
	sender *sender
	ledger string

	early, late int // kills of serve before it was ready, and after
}

func newCrashRun(t *testing.T, v variant) *crashRun {
	t.Helper()
	r := &crashRun{t: t, rnd: dice(t), kafka: startKafka(t, spec{})}
	r.bridge = startBridge(t, r.kafka)
	r.ledger = newLedger(t)
	r.sender = startSend(r.bridge, r.ledger, append([]string{"--rate", itoa(sizes.rate)}, v.args...)...)
	r.somethingIsStored()
	return r
}

// somethingIsStored waits until the traffic flows.
func (r *crashRun) somethingIsStored() {
	r.t.Helper()
	eventually(r.t, "callbacks are stored", func() error {
		if !r.sender.alive() {
			r.t.Fatalf("send ended: %s", tail(r.sender.log, 20))
		}
		return r.bridge.above("chatbridge_callbacks_total", 0)
	})
}

// killBridge ends the bridge at a random moment of its life, half of the time
// before it is ready: while it recovers, or before it has even begun.
func (r *crashRun) killBridge() {
	r.t.Helper()
	if r.rnd.IntN(2) == 0 {
		r.early++
		hold(between(r.rnd, 0, 60*time.Millisecond))
	} else {
		r.late++
		r.bridge.ready()
		hold(between(r.rnd, 0, 700*time.Millisecond))
	}
	r.bridge.kill()
}

// audited ends the traffic and judges what became of it.
func (r *crashRun) audited() {
	r.t.Helper()
	r.bridge.ready()
	r.kafka.answers()
	r.somethingIsStored()
	r.t.Log(r.sender.stop())
	v := audit(r.bridge, r.ledger)
	r.t.Log(v)
	if v.Messages == 0 {
		r.t.Error("nothing was published: the run shows nothing")
	}
}

// TestCrashOfTheBridge: P1, P3, P4 over kill -9.
func TestCrashOfTheBridge(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := newCrashRun(t, v)
			for range sizes.kills {
				r.killBridge()
				r.bridge.start()
			}
			r.audited()
			t.Logf("kill -9 of serve: %d times ready, %d times starting or recovering", r.late, r.early)
		})
	}
}

// TestBrokerCrash: P1, P3, P4 while Kafka is killed and comes back. What it had
// acknowledged it still has.
func TestBrokerCrash(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := newCrashRun(t, v)
			for range sizes.brokerKills {
				hold(between(r.rnd, 100*time.Millisecond, time.Second))
				r.kafka.kill()
				hold(between(r.rnd, 0, 500*time.Millisecond))
				r.kafka.start()
			}
			r.audited()
			t.Logf("kill -9 of kafka: %d times", sizes.brokerKills)
		})
	}
}

// TestBrokerAndBridgeCrash: both within a second, in any order, and back in any
// order: what the bridge had sent and not settled must be found out by reading.
func TestBrokerAndBridgeCrash(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := newCrashRun(t, v)
			for range sizes.brokerKills {
				r.bridge.ready()
				hold(between(r.rnd, 100*time.Millisecond, time.Second))
				steps := []struct{ stop, start func() }{
					{r.bridge.kill, r.bridge.start}, {r.kafka.kill, r.kafka.start},
				}
				for _, i := range r.rnd.Perm(2) {
					steps[i].stop()
					hold(between(r.rnd, 0, 500*time.Millisecond))
				}
				for _, i := range r.rnd.Perm(2) {
					steps[i].start()
					hold(between(r.rnd, 0, 300*time.Millisecond))
				}
			}
			r.audited()
			t.Logf("kill -9 of serve and kafka within a second: %d times", sizes.brokerKills)
		})
	}
}

// TestCrashAfterRecovery: a bridge that has just found out what became of the
// last batches is killed before it has sent anything, and Kafka with it. A Kafka
// that was killed may not know the producer any more, so what the killed bridge
// had found in the topic must not be sent once more. P4.
func TestCrashAfterRecovery(t *testing.T) {
	t.Parallel()
	r := newCrashRun(t, variants()[1])
	for range 2 * sizes.brokerKills {
		r.bridge.ready()
		eventually(t, "batches are published", func() error { return r.bridge.above("chatbridge_publish_batches_total", 50) })
		r.bridge.kill()
		r.bridge.start()
		eventually(t, "the bridge knows its partitions", func() error { return r.bridge.has("chatbridge_partition_open_records") })
		hold(between(r.rnd, 0, 250*time.Millisecond))
		r.bridge.kill()
		r.kafka.kill()
		r.kafka.start()
		r.bridge.start()
	}
	r.audited()
}
