package relay

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/chatbridge/chatbridge/publisher"
)

// What somebody does to the topic while it is in use.

// makeAnew deletes the events topic and makes it again.
func (r *rig) makeAnew(partitions int32) {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.kafka.ListenAddrs()...))
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = kmsg.StringPtr(testTopic)
	req.Topics, req.TopicNames, req.TimeoutMillis = append(req.Topics, topic), []string{testTopic}, 5000
	res, err := req.RequestWith(r.t.Context(), client)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := kerr.ErrorForCode(res.Topics[0].ErrorCode); err != nil {
		r.t.Fatal(err)
	}
	if err := r.kafka.CreateTopic(testTopic, partitions, nil); err != nil {
		r.t.Fatal(err)
	}
}

// settle waits until the relay has nothing left.
func (run *running) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if left := run.Settle(ctx); left != 0 {
		t.Fatalf("%d records are left: %+v", left, run.Stats())
	}
}

// changes counts what a relay says of its topic.
func (r *rig) changes() func(TopicChange) int {
	seen := make(chan TopicChange, 1000)
	r.config = func(o *Options) { o.Hooks.TopicChanged = func(c TopicChange) { seen <- c } }
	counts := map[TopicChange]int{}
	return func(c TopicChange) int {
		for {
			select {
			case c := <-seen:
				counts[c]++
			default:
				return counts[c]
			}
		}
	}
}

// forgetful is a checkpoint of which the last part is lost, as after a power loss.
type forgetful struct {
	Log
	lost atomic.Bool
}

func (f *forgetful) Append(entry []byte) error {
	if f.lost.Load() {
		return nil
	}
	return f.Log.Append(entry)
}

func (f *forgetful) Rewrite(write func(add func([]byte) error) error) error {
	if f.lost.Load() {
		return write(func([]byte) error { return nil })
	}
	return f.Log.Rewrite(write)
}

// P1, P4: after a topic was made anew its offsets begin at 0 again. A checkpoint
// that went on with the old ones would not find what is in it after a power loss.
func TestATopicMadeAnewIsFoundAgain(t *testing.T) {
	for name, c := range map[string]struct{ before, seen, lost int }{
		"shorter than it was": {300, 30, 30},
		"longer than it was":  {100, 60, 150},
		"as it was before":    {100, 0, 60},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			changes := r.changes()
			log := &forgetful{Log: r.spool.Checkpoint()}
			relay := r.relay()
			relay.journal.log = log
			run := r.start(relay)
			for i := range c.before {
				r.append(body("group", i+1, 1))
			}
			run.settle(t)
			r.makeAnew(1)
			all := &chat{want: map[sent]bool{}}
			for i := range c.seen + c.lost {
				if i == c.seen {
					run.settle(t)
					if err := relay.save(); err != nil {
						t.Fatal(err)
					}
					log.lost.Store(true)
				}
				m := sent{"another group", i + 1}
				all.want[m] = true
				r.append(body(m.group, m.seq, 1))
			}
			run.settle(t)
			if n := changes(MadeAnew); n != 1 {
				t.Errorf("that the topic was made anew was said %d times", n)
			}
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			r.reopen()
			r.drain()
			r.check(all)
		})
	}
}

// P1, P3: a topic made anew with fewer partitions has no place for what was on its
// way to the others; it goes to where its groups belong now, also after a crash.
func TestFewerPartitionsCarryWhatWasOnItsWay(t *testing.T) {
	r := newRig(t, 6)
	changes := r.changes()
	away := r.kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Partitions: []int32{3, 4, 5}, Err: kerr.NotLeaderForPartition, Count: -1,
	})
	relay := r.relay()
	relay.watchEach = 20 * time.Millisecond
	run := r.start(relay)
	c := newChat(5, 30, 600)
	for _, b := range c.bodies {
		r.append(b)
	}
	settled := map[int]int{}
	for m := range c.want {
		settled[publisher.PartitionFor([]byte(m.group), 6)]++
	}
	await(t, "the first three partitions", func() bool {
		return r.inPartition(0) == settled[0] && r.inPartition(1) == settled[1] && r.inPartition(2) == settled[2]
	})
	r.makeAnew(2)
	away.Remove()
	await(t, "two lanes", func() bool { return len(run.Stats().Lanes) == 2 })
	run.settle(t)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	if changes(FewerPartitions) != 1 {
		t.Errorf("that there are fewer partitions was said %d times", changes(FewerPartitions))
	}
	got := map[sent]int{}
	for _, e := range r.events() {
		got[sent{e.event.Group.ID, int(e.event.Message.Seq.Value)}]++
	}
	for m := range c.want {
		was := publisher.PartitionFor([]byte(m.group), 6)
		if n := got[m]; n > 1 || was >= 3 && n != 1 {
			t.Errorf("%v, which was to go to partition %d, is in the topic %d times", m, was, n)
		}
	}
}

// A broker that lags behind may count fewer partitions for a moment. Nothing is
// cut for that.
func TestFewerPartitionsMustLast(t *testing.T) {
	c := census{lanes: 6}
	for i, step := range []struct {
		counted int
		acts    bool
	}{{6, false}, {4, false}, {4, false}, {6, false}, {4, false}, {4, false}, {4, true}, {4, true}, {8, true}, {4, false}} {
		if got := c.counted(step.counted); got != step.acts {
			t.Errorf("step %d: %d partitions counted: %t", i, step.counted, got)
		}
	}
}

// P4: a run that ends before it has read a tail from a time on must not make the
// next one forget that it has to.
func TestATailThatWasNotReadYetIsReadNextTime(t *testing.T) {
	r := newRig(t, 2)
	c := newChat(8, 10, 600)
	for _, b := range c.bodies {
		r.append(b)
	}
	relay := r.relay()
	relay.journal.log = &memoryLog{}
	run := r.start(relay)
	run.settle(t)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	// The checkpoint knows nothing. A run that can see the topic, and not read it.
	r.reopen()
	blind := r.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets, kmsg.Fetch}, Topic: testTopic, Err: kerr.NotLeaderForPartition, Count: -1})
	run = r.start(r.relay())
	await(t, "the run's lanes", func() bool { return len(run.Stats().Lanes) == 2 })
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	blind.Remove()
	r.reopen()
	r.drain()
	r.check(c)
}

// A dead letter that Kafka has is not published again by a start that finds an
// earlier record still open.
func TestADeadLetterIsNotRepeatedByARestart(t *testing.T) {
	r := newRig(t, 1)
	stuck := r.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Err: kerr.NotLeaderForPartition, Count: -1})
	letters := func() (n int) {
		r.read(testDeadTopic, func(int, *publisher.Record) { n++ })
		return n
	}
	run := r.start(r.relay())
	r.append(body("group", 1, 1))
	r.append([]byte("not JSON"))
	await(t, "the dead letter", func() bool { return letters() == 1 })
	await(t, "the dead letter's end", func() bool { return run.Stats().Lanes[0].Open == 1 })
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	stuck.Remove()
	r.reopen()
	r.drain()
	if n := letters(); n != 1 {
		t.Errorf("the dead letter is there %d times", n)
	}
}
