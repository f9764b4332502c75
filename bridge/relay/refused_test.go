package relay

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/chatbridge/chatbridge/publisher"
)

// large is a message that a topic of 60,000 bytes does not take.
func large(group string, seq int) []byte {
	return bytes.Replace(body(group, seq, uint32(seq)), []byte("message "), bytes.Repeat([]byte("random text "), 20_000), 1)
}

func smallTopics() kfake.Opt {
	return kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(60_000)})
}

// P1, P6: an event that Kafka refused waits for the dead-letter topic, the
// checkpoint is rewritten meanwhile, and the process ends. The next run has not
// forgotten it.
func TestARefusedEventThatWaitsOutlivesARewriteAndARestart(t *testing.T) {
	r := newRig(t, 1, smallTopics())
	away := r.kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: testDeadTopic, Partitions: []int32{0}, Err: kerr.NotLeaderForPartition, Count: -1,
	})
	r.append(body("g", 1, 1))
	r.append(large("g", 2))
	r.append(body("g", 3, 3))
	run := r.start(r.relay())
	await(t, "the others are settled", func() bool { return r.inPartition(0) == 2 && run.Stats().Lanes[0].Open == 1 })
	if err := run.rewrite(); err != nil {
		t.Fatal(err)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	away.Remove()
	r.reopen()
	r.drain()
	if diff := cmp.Diff([]string{"1 in-order", "3 in-order"}, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
	letters := 0
	r.read(testDeadTopic, func(int, *publisher.Record) { letters++ })
	if letters != 1 {
		t.Errorf("%d dead letters; want 1", letters)
	}
}

// P3, P8: what a run held when it ended on a fault counts for nothing in the next
// run of the same process: it is read again, and held again.
func TestAnotherRunStartsWithAllOfTheBudget(t *testing.T) {
	r := newRig(t, 1)
	r.hold = time.Hour
	for _, seq := range []int{1, 3, 4} {
		r.append(body("g", seq, uint32(seq)))
	}
	relay := r.relay()
	var former *lane
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- relay.Run(ctx) }()
		await(t, "two are held", func() bool {
			now := relay.firstLane()
			return now != former && relay.Stats().Resequence.Held == 2
		})
		former = relay.firstLane()
		used, held := relay.opt.Resequence.Budget.Used(), relay.Stats().Resequence.HeldBytes
		if used != held {
			t.Errorf("%d bytes of the budget are used; %d are held", used, held)
		}
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

func (r *Relay) firstLane() *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lanes) == 0 {
		return nil
	}
	return r.lanes[0]
}
