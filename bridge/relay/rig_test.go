package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testTopic     = "events"
	testDeadTopic = "events.dlq"
	testOther     = "callbacks"
	testApp       = 1400000000
	testBoot      = "the boot of all tests"
)

// rig is a spool and a Kafka, with which relays are run one after the other.
type rig struct {
	t      *testing.T
	dir    string
	kafka  *kfake.Cluster
	spool  *spool.Spool
	large  string // LargeDir
	hold   time.Duration
	quiet  time.Duration
	config func(*Options)
}

func newRig(t *testing.T, partitions int32, more ...kfake.Opt) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(append(more, kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, testTopic), kfake.SeedTopics(1, testDeadTopic, testOther))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := &rig{t: t, dir: t.TempDir(), large: t.TempDir(), kafka: cluster, hold: 40 * time.Millisecond, quiet: 10 * time.Millisecond, config: func(*Options) {}}
	r.openSpool()
	t.Cleanup(func() { _ = r.spool.Close() })
	return r
}

func (r *rig) openSpool() {
	r.t.Helper()
	// What is stored is not the question here, so nothing waits for the disk.
	s, err := spool.Open(spool.Options{Dir: r.dir, MaxBytes: 64 << 20, SegmentBytes: 1 << 20, Durability: spool.Memory})
	if err != nil {
		r.t.Fatal(err)
	}
	r.spool = s
}

// reopen closes the spool, as the end of a process would, and opens it again.
func (r *rig) reopen() {
	r.t.Helper()
	if err := r.spool.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.openSpool()
}

func (r *rig) relay() *Relay {
	opt := Options{
		Spool: r.spool,
		Connect: func() (*publisher.Client, error) {
			return publisher.New(publisher.Config{Brokers: r.kafka.ListenAddrs(), RequestTimeout: 2 * time.Second})
		},
		Topic: testTopic, DeadLetterTopic: testDeadTopic,
		LargeDir:   r.large,
		Boot:       testBoot,
		Resequence: resequence.Config{Hold: resequence.Fixed, Fixed: r.hold},
		Logger:     zaptest.NewLogger(r.t, zaptest.Level(zap.ErrorLevel)),
	}
	r.config(&opt)
	relay := New(opt)
	relay.quiet = r.quiet
	return relay
}

// running is a relay at work.
type running struct {
	*Relay
	stop func() error
	wait func() error // for an end that comes by itself
}

func (r *rig) start(relay *Relay) *running {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := relay.Run(ctx)
		if err != nil && !errors.Is(err, errCrash) {
			r.t.Errorf("the relay ended: %v", err)
		}
		done <- err
	}()
	wait := sync.OnceValue(func() error { return <-done })
	stop := func() error { cancel(); return wait() }
	r.t.Cleanup(func() { _ = stop() })
	return &running{Relay: relay, stop: stop, wait: wait}
}

// drain runs a relay until nothing is left, and stops it.
func (r *rig) drain() {
	r.t.Helper()
	run := r.start(r.relay())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if left := run.Settle(ctx); left != 0 {
		r.t.Fatalf("%d records are left after a minute: %+v", left, run.Stats())
	}
	if err := run.stop(); err != nil {
		r.t.Fatal(err)
	}
}

func query(command string) []byte {
	return fmt.Appendf(nil, "SdkAppid=%d&CallbackCommand=%s&contenttype=json&ClientIP=127.0.0.1&OptPlatform=Web", testApp, command)
}

func body(group string, seq int, random uint32) []byte {
	return fmt.Appendf(nil, `{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":%q,"Type":"Public","From_Account":"anna",`+
		`"Random":%d,"MsgSeq":%d,"MsgTime":1760000000,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"message %d"}}]}`,
		group, random, seq, seq)
}

func (r *rig) append(body []byte) spool.Position {
	r.t.Helper()
	p, err := r.spool.Append(context.Background(), spool.Record{
		ReceivedAt: time.Now().UTC(), Query: query(schema.CommandAfterSend), Body: body,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// sent is one message of a chat.
type sent struct {
	group string
	seq   int
}

// chat is a disorderly conversation: what is to be in the topic, and the
// callbacks in the order in which they come.
type chat struct {
	bodies [][]byte
	want   map[sent]bool
}

// newChat makes n messages in groups: one in twelve never comes, one in five
// comes up to four places late, one in ten comes twice.
func newChat(seed uint64, groups, n int) *chat {
	rnd := rand.New(rand.NewPCG(seed, 7))
	type late struct {
		at   int
		body []byte
	}
	c := &chat{want: map[sent]bool{}}
	next := make([]int, groups)
	var waiting []late
	for i := 0; i < n || len(waiting) > 0; i++ {
		for j := 0; j < len(waiting); j++ {
			if waiting[j].at <= i {
				c.bodies = append(c.bodies, waiting[j].body)
				waiting = append(waiting[:j], waiting[j+1:]...)
				j--
			}
		}
		if i >= n {
			continue
		}
		g := rnd.IntN(groups)
		next[g]++
		if rnd.IntN(12) == 0 && next[g] > 1 {
			continue
		}
		m := sent{fmt.Sprintf("group-%d", g), next[g]}
		b := body(m.group, m.seq, uint32(seed)+uint32(m.seq))
		c.want[m] = true
		if rnd.IntN(5) == 0 && m.seq > 1 {
			waiting = append(waiting, late{i + 1 + rnd.IntN(4*groups), b})
		} else {
			c.bodies = append(c.bodies, b)
		}
		if rnd.IntN(10) == 0 {
			waiting = append(waiting, late{i + 5 + rnd.IntN(8*groups), b})
		}
	}
	return c
}

// consumed is one record of the events topic.
type consumed struct {
	partition int
	event     *schema.Event
	marks     schema.Marks
	record    publisher.Record
}

// consume reads the whole of a topic.
func (r *rig) read(topic string, fn func(partition int, rec *publisher.Record)) {
	r.t.Helper()
	client, err := publisher.New(publisher.Config{Brokers: r.kafka.ListenAddrs()})
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	n, err := client.PartitionCount(ctx, topic)
	if err != nil {
		r.t.Fatal(err)
	}
	for p := range n {
		if _, err := client.Partition(topic, p).Read(ctx, 0, func(rec *publisher.Record) error { fn(p, rec); return nil }); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) events() []consumed {
	r.t.Helper()
	var all []consumed
	r.read(testTopic, func(p int, rec *publisher.Record) {
		event, err := schema.Decode(rec.Value)
		if err != nil {
			r.t.Fatalf("record %d of partition %d: %v", rec.Offset, p, err)
		}
		marks, err := schema.ParseHeaders(headerOf(rec))
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, consumed{partition: p, event: event, marks: marks, record: *rec})
	})
	return all
}

// check holds the topic against what was sent: P1 nothing lost, P4 nothing
// twice, P3 in order but for what is marked late, P5 every hole named.
func (r *rig) check(c *chat) {
	r.t.Helper()
	got := map[sent]int{}
	mark := map[string]uint64{}
	for _, e := range r.events() {
		m := sent{e.event.Group.ID, int(e.event.Message.Seq.Value)}
		got[m]++
		if !c.want[m] {
			r.t.Errorf("%v is in the topic, but was never sent", m)
		}
		r.checkOrder(mark, m, e)
	}
	for m := range c.want {
		if got[m] != 1 {
			r.t.Errorf("%v is in the topic %d times; want once", m, got[m])
		}
	}
}

func (r *rig) checkOrder(mark map[string]uint64, m sent, e consumed) {
	seq, last := uint64(m.seq), mark[m.group]
	switch e.marks.Order {
	case schema.InOrder:
		if last != 0 && seq != last+1 {
			r.t.Errorf("%v is marked in-order after %d", m, last)
		}
	case schema.AfterHole:
		if e.marks.Hole != (schema.Hole{From: last + 1, To: seq - 1}) {
			r.t.Errorf("%v after %d names the hole %v", m, last, e.marks.Hole)
		}
	case schema.Late:
		if seq > last {
			r.t.Errorf("%v is marked late after %d", m, last)
		}
		return
	default:
		r.t.Errorf("%v is marked %s", m, e.marks.Order)
	}
	mark[m.group] = seq
}

// errCrash is what a crashLog answers from its crash on.
var errCrash = errors.New("crashed")

// crashLog is a checkpoint that stops working at its nth operation, which is
// done or not done, and never works again: as seen from the relay, the process
// ended there.
type crashLog struct {
	Log
	mu   sync.Mutex
	n    int  // operations until the crash
	done bool // whether the operation at which it crashes reaches the log
	seen int
}

func (c *crashLog) step() (do bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen++
	switch {
	case c.seen < c.n || c.n == 0:
		return true, nil
	case c.seen == c.n:
		return c.done, errCrash
	default:
		return false, errCrash
	}
}

func (c *crashLog) Append(entry []byte) error {
	do, err := c.step()
	if do {
		if err := c.Log.Append(entry); err != nil {
			return err
		}
	}
	return err
}

func (c *crashLog) Sync() error {
	if _, err := c.step(); err != nil {
		return err
	}
	return c.Log.Sync()
}

func (c *crashLog) Rewrite(write func(add func([]byte) error) error) error {
	do, err := c.step()
	if do {
		if err := c.Log.Rewrite(write); err != nil {
			return err
		}
	}
	return err
}

func recordOf(command string, body []byte) spool.Record {
	return spool.Record{ReceivedAt: time.Now().UTC(), Query: query(command), Body: body}
}
