package relay

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/chatbridge/chatbridge/publisher"
)

// await polls until ok, for a minute at most.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		if pause(ctx, time.Millisecond) != nil {
			t.Fatalf("%s: not after a minute", what)
		}
	}
}

// grow gives the events topic more partitions, and waits until the relay has a lane
// for each.
func (r *rig) grow(run *running, partitions int) {
	r.t.Helper()
	client, err := publisher.New(publisher.Config{Brokers: r.kafka.ListenAddrs()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Apply(r.t.Context(), []publisher.TopicSpec{{Name: testTopic, Partitions: partitions, ReplicationFactor: 1}}); err != nil {
		r.t.Fatal(err)
	}
	await(r.t, "a lane for each partition", func() bool { return len(run.Stats().Lanes) == partitions })
}

func (r *rig) inPartition(partition int) int {
	return int(r.kafka.PartitionInfo(testTopic, int32(partition)).HighWatermark)
}

// P3, P4, P8: a partition without a leader stops its own groups only, costs no
// memory, and is caught up once it is back.
func TestAStuckPartitionHoldsUpNobodyElse(t *testing.T) {
	r := newRig(t, 3)
	r.hold = 0 // what is held has a bound of its own
	stuck := r.kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Partitions: []int32{1}, Err: kerr.NotLeaderForPartition, Count: -1,
	})
	c := newChat(5, 30, 4000)
	relay := r.relay()
	relay.queueBytes = 3 * leastLaneBytes
	run := r.start(relay)
	for _, b := range c.bodies {
		r.append(b)
	}
	want := map[int]int{}
	for m := range c.want {
		want[publisher.PartitionFor([]byte(m.group), 3)]++
	}
	if want[0] < 500 || want[1] < 500 || want[2] < 500 {
		t.Fatalf("the groups lie too unevenly to mean anything: %v", want)
	}
	await(t, "the other partitions complete", func() bool {
		return r.inPartition(0) == want[0] && r.inPartition(2) == want[2]
	})
	if n := r.inPartition(1); n != 0 {
		t.Fatalf("the stuck partition has %d records", n)
	}
	stats := run.Stats().Lanes[1]
	if !stats.Parked {
		t.Error("the stuck partition's lane is not parked: this test has shown nothing")
	}
	if most := int64(leastLaneBytes + readAtMost*2*outgoingOverhead); stats.Queued > most {
		t.Errorf("%d bytes wait for the stuck partition; want at most %d", stats.Queued, most)
	}
	stuck.Remove()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := run.Settle(ctx); left != 0 {
		t.Fatalf("%d records are left", left)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.check(c)
}

// P1, P3, P4: a topic that gets more partitions loses and doubles nothing, and
// no stream is in two partitions at once.
func TestMorePartitionsMoveGroupsAtARestingPoint(t *testing.T) {
	r := newRig(t, 2)
	relay := r.relay()
	relay.watchEach = 20 * time.Millisecond
	run := r.start(relay)
	c := newChat(6, 20, 1200)
	half := len(c.bodies) / 2
	for _, b := range c.bodies[:half] {
		r.append(b)
	}
	r.grow(run, 5)
	for _, b := range c.bodies[half:] {
		r.append(b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := run.Settle(ctx); left != 0 {
		t.Fatalf("%d records are left", left)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	moved := 0
	got := map[sent]int{}
	for _, e := range r.events() {
		m := sent{e.event.Group.ID, int(e.event.Message.Seq.Value)}
		got[m]++
		if e.partition != publisher.PartitionFor(e.record.Key, 2) {
			moved++
		}
	}
	for m := range c.want {
		if got[m] != 1 {
			t.Errorf("%v is in the topic %d times; want once", m, got[m])
		}
	}
	if moved == 0 {
		t.Error("nothing is in the new partitions")
	}
}

// P1, P4: without the checkpoint, the topic itself tells what was published.
func TestALostCheckpointDoublesNothing(t *testing.T) {
	r := newRig(t, 2)
	c := newChat(8, 10, 600)
	half := len(c.bodies) / 2
	for _, b := range c.bodies[:half] {
		r.append(b)
	}
	// The first run works on a checkpoint of its own, which nobody sees again;
	// the spool lets nothing go, for its segment is not full.
	relay := r.relay()
	relay.journal.log = &memoryLog{}
	run := r.start(relay)
	await(t, "half is settled", func() bool { return r.inPartition(0)+r.inPartition(1) > half/2 })
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	for _, b := range c.bodies[half:] {
		r.append(b)
	}
	r.reopen()
	r.drain()
	r.check(c)
}

// memoryLog forgets everything.
type memoryLog struct{}

func (*memoryLog) Append([]byte) error { return nil }
func (*memoryLog) Sync() error         { return nil }
func (*memoryLog) Size() int64         { return 0 }
func (*memoryLog) Rewrite(write func(add func([]byte) error) error) error {
	return write(func([]byte) error { return nil })
}
