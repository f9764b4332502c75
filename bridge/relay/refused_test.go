package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/spool"
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

// P1, P6: the process may end at any operation on the checkpoint while callbacks
// go aside, because they cannot be read, are of another command, or are refused by
// Kafka: each of them gets to its topic. It may get there twice.
func TestACrashLosesNothingThatGoesAside(t *testing.T) {
	c := newChat(5, 4, 60)
	for k := 4; k <= 24; k += 4 {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("at-%d-done-%v", k, done), func(t *testing.T) {
				t.Parallel() // each waits more than it works
				r := newRig(t, 2, smallTopics())
				r.hold = 10 * time.Millisecond
				r.config = func(o *Options) {
					o.CallbacksTopic = testOther
					o.Connect = func() (*publisher.Client, error) {
						return publisher.New(publisher.Config{Brokers: r.kafka.ListenAddrs(), Quarantine: 50 * time.Millisecond})
					}
				}
				want := map[string]bool{}
				for i, b := range c.bodies {
					r.append(b)
					if i%10 == 0 {
						want[r.appendAside(i)] = true
					}
				}
				r.crash(k, done, nil)
				r.drain()
				r.check(c)
				for _, topic := range []string{testDeadTopic, testOther} {
					r.read(topic, func(_ int, rec *publisher.Record) {
						maps.DeleteFunc(want, func(group string, _ bool) bool { return bytes.Contains(rec.Value, []byte(group)) })
					})
				}
				if len(want) != 0 {
					t.Errorf("these got nowhere: %v", want)
				}
			})
		}
	}
}

// appendAside stores a callback that goes aside, of a group of its own.
func (r *rig) appendAside(i int) (group string) {
	r.t.Helper()
	group = fmt.Sprintf("aside-%03d", i)
	switch i / 10 % 3 {
	case 0:
		r.append(large(group, 1))
	case 1: // it has the same member twice
		r.append(fmt.Appendf(nil, `{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":%q,"Type":"Public","Type":"Public"}`, group))
	default:
		record := recordOf("Group.CallbackAfterNewMemberJoin", fmt.Appendf(nil, `{"CallbackCommand":"Group.CallbackAfterNewMemberJoin","GroupId":%q}`, group))
		if _, err := r.spool.Append(r.t.Context(), record); err != nil {
			r.t.Fatal(err)
		}
	}
	return group
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

// P1, P4: a batch that Kafka refused is halved, and its first half goes under the
// same identity, which was not used. A checkpoint that has lost its end knows of the
// whole batch only: what is in the topic is then not all of it, or not of it at all.
func TestABatchThatWasCutAnewAfterARefusalIsNotTakenForTheWhole(t *testing.T) {
	for name, c := range map[string]struct{ announced, published []int }{
		"halved":                   {[]int{1, 2, 3, 4}, []int{1, 2}},
		"one was refused":          {[]int{2}, []int{3}},
		"the others of more":       {[]int{2}, []int{3, 4}},
		"nothing but what it says": {[]int{1, 2, 3, 4}, []int{1, 2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			want := &chat{want: map[sent]bool{}}
			for seq := 1; seq <= 4; seq++ {
				r.append(body("g", seq, uint32(seq)))
				want.want[sent{"g", seq}] = true
			}
			outs := r.readAll()
			id := r.publish(outs, c.published)
			var ds []decision
			for _, seq := range c.announced {
				ds = append(ds, outs[seq-1].decision())
			}
			r.announce(outs[0].position, id, ds)
			r.reopen()
			relay := r.relay()
			relay.journal.log = &silentLog{relay.journal.log}
			if run := r.start(relay); len(c.published) != len(c.announced) || c.published[0] != c.announced[0] {
				if err := run.wait(); !errors.Is(err, errCrash) { // before it announces what is left
					t.Fatal(err)
				}
			} else if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			r.reopen()
			r.drain()
			got := map[sent]int{}
			for _, e := range r.events() {
				got[sent{e.event.Group.ID, int(e.event.Message.Seq.Value)}]++
			}
			for m := range want.want {
				if got[m] != 1 {
					t.Errorf("%v is in the topic %d times; want once", m, got[m])
				}
			}
		})
	}
}

// silentLog is that of a process which is killed as it announces its first batch.
type silentLog struct{ Log }

func (s *silentLog) Append(entry []byte) error {
	if entryKind(entry[0]) == entryIntent {
		return errCrash
	}
	return s.Log.Append(entry)
}

// P1, P4: of an announced batch a record is no longer in the spool, lost to damage.
// What is left of it goes under another identity: a broker that has the whole batch
// would take it for that, and drop it.
func TestWhatIsLeftOfABatchGoesUnderAnotherIdentity(t *testing.T) {
	r := newRig(t, 1)
	r.append(body("g", 1, 1))
	r.append(body("g", 2, 2))
	outs := r.readAll()
	id := publisher.Identity{ProducerID: 77}
	gone := decision{position: outs[0].position - 1}
	r.announce(gone.position, id, []decision{gone, outs[0].decision(), outs[1].decision()})
	r.reopen()
	r.config = func(o *Options) { o.Logger = zap.NewNop() } // it says that a record is gone
	r.drain()
	if diff := cmp.Diff([]string{"1 in-order", "2 in-order"}, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
	for _, e := range r.events() {
		if identityOf(&e.record) == id {
			t.Errorf("record %d went under the identity of the whole batch", e.record.Offset)
		}
	}
}

// announce writes the checkpoint of a run that was killed with one batch announced.
func (r *rig) announce(low spool.Position, id publisher.Identity, ds []decision) {
	r.t.Helper()
	for _, entry := range [][]byte{
		appendLayout(nil, layout{partitions: 1, topic: testTopic}),
		appendRun(nil, testBoot, false),
		appendLane(nil, 0, low, 0),
		appendIntent(nil, 0, id, ds),
	} {
		if err := r.spool.Checkpoint().Append(entry); err != nil {
			r.t.Fatal(err)
		}
	}
}

// readAll reads what is in the spool as the events of a stream without a hole.
func (r *rig) readAll() []*outgoing {
	r.t.Helper()
	entries, err := r.spool.NewReader(0).TryNext(100)
	if err != nil {
		r.t.Fatal(err)
	}
	b := newTestBuffer(1)
	var outs []*outgoing
	for i := range entries {
		o, err := new(lane).read(r.t.Context(), &entries[i])
		if err != nil {
			r.t.Fatal(err)
		}
		for _, d := range b.Push(o.received, o.item(), nil) {
			o.decide(&d)
		}
		outs = append(outs, o)
	}
	return outs
}

// publish puts some of outs, by their numbers, into the topic as one batch.
func (r *rig) publish(outs []*outgoing, numbers []int) (id publisher.Identity) {
	r.t.Helper()
	client, err := publisher.New(publisher.Config{Brokers: r.kafka.ListenAddrs()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	var batch []*outgoing
	for _, n := range numbers {
		batch = append(batch, outs[n-1])
	}
	if _, err := client.Partition(testTopic, 0).Publish(r.t.Context(), publisher.Batch{
		Messages: new(parcel).pack(batch),
		Announce: func(i publisher.Identity) error { id = i; return nil },
	}); err != nil {
		r.t.Fatal(err)
	}
	return id
}
