package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// stretch is how long each round loads.
const stretch = 4 * time.Second

// warm is a load that is not measured.
const warm = time.Second

// benchKafkas are the Kafkas that are measured side by side: kfake, which costs
// next to nothing and is always there, and a real one in a JVM.
func benchKafkas(b *testing.B, run func(b *testing.B, kafka *cluster)) {
	b.Run("kfake", func(b *testing.B) { run(b, startKafka(b, spec{fake: true})) })
	b.Run("Kafka", func(b *testing.B) {
		needsReal(b, "figures on a real Kafka")
		run(b, startKafka(b, spec{warm: true}))
	})
}

// BenchmarkAnswered: callbacks answered durably, as a ratio to a bare Echo handler
// that reads the body: same generator, same run, alternating. Kafka is a process
// on the same machine and takes its share. Goal: at least 0.5.
func BenchmarkAnswered(b *testing.B) {
	bare, target := startEcho(b)
	benchKafkas(b, func(b *testing.B, kafka *cluster) { answered(b, kafka, bare, target) })
}

func answered(b *testing.B, kafka *cluster, bare *process, target string) {
	const conns = 256
	bridge := startBridge(b, kafka)
	toBridge, toEcho := newGenerator(b, bridge.url, conns), newGenerator(b, target, conns)
	toEcho.closed(warm)
	toBridge.closed(warm)
	t := newTable(b)
	for range sizes.rounds {
		bridge.drained()
		before, own := cpu(bare), cpuOf(os.Getpid())
		plain := toEcho.closed(stretch)
		t.add("echo answers/s", plain.perSecond())
		t.add("echo CPU us", float64((cpu(bare)-before).Microseconds())/float64(plain.ok))
		t.add("generator CPU us", float64((cpuOf(os.Getpid())-own).Microseconds())/float64(plain.ok))

		counted := bridge.counters()
		beforeBridge, beforeKafka := cpu(bridge.process), kafka.cpu()
		durable := toBridge.closed(stretch)
		t.add("bridge answers/s", durable.perSecond())
		t.add("bridge CPU us", float64((cpu(bridge.process)-beforeBridge).Microseconds())/float64(durable.ok))
		t.add("kafka CPU us", float64((kafka.cpu()-beforeKafka).Microseconds())/float64(durable.ok))
		since := bridge.counters().since(counted)
		t.add("published/s meanwhile", since.published/durable.took.Seconds())
		t.add("records a sync", since.stored/since.groups)
		t.add("records a batch", since.published/since.batches)
		t.add("ratio", durable.perSecond()/plain.perSecond())
		t.add("failed", float64(durable.failed+plain.failed))
	}
	t.report()
	bridge.drained()
	wait := bridge.profile("answered", stretch)
	toBridge.closed(stretch + warm)
	wait()
}

// BenchmarkAnswerTimes: p50 and p99 of answers in an open loop, with Kafka and with
// Kafka away, alternating; a real one is frozen instead, so that it takes what is
// sent and never answers. Goals: p99 at most 10 ms; without Kafka at most 1.2 times
// that with it.
func BenchmarkAnswerTimes(b *testing.B) {
	for _, rate := range []int{5000, 10000} {
		b.Run(itoa(rate), func(b *testing.B) {
			benchKafkas(b, func(b *testing.B, kafka *cluster) { answerTimes(b, kafka, rate) })
		})
	}
}

func answerTimes(b *testing.B, kafka *cluster, rate int) {
	bridge := startBridge(b, kafka, "spool.max_bytes=8GiB")
	g := newGenerator(b, bridge.url, 256)
	leave, comeBack, how := kafka.kill, kafka.start, "away"
	if !kafka.way.fake {
		// What is measured comes after the client's patience: attempts end then, and
		// are made again.
		leave = func() { kafka.freeze(); g.open(rate, clientsPatience+warm) }
		comeBack, how = kafka.thaw, "frozen"
	}
	g.open(rate, warm)
	t := newTable(b)
	for range sizes.rounds {
		bridge.drained()
		there := g.open(rate, stretch)
		leave()
		without := g.open(rate, stretch)
		comeBack()
		t.add("there p50 ms", ms(there.at(0.5)))
		t.add("there p99 ms", ms(there.at(0.99)))
		t.add(how+" p50 ms", ms(without.at(0.5)))
		t.add(how+" p99 ms", ms(without.at(0.99)))
		t.add("p99 ratio "+how+"/there", float64(without.at(0.99))/float64(there.at(0.99)))
		t.add("answers/s", there.perSecond())
		t.add("failed", float64(there.failed+without.failed))
	}
	t.report()
}

// BenchmarkConsumable: from receipt until a consumer of the topic has the event,
// in order. Receipt is received_at, which has whole milliseconds: on average half
// of one is too much. Goals at 5,000/s: p50 5 ms, p99 50 ms.
func BenchmarkConsumable(b *testing.B) {
	for _, rate := range []int{2000, 5000} {
		b.Run(itoa(rate), func(b *testing.B) {
			benchKafkas(b, func(b *testing.B, kafka *cluster) { consumable(b, kafka, rate) })
		})
	}
}

func consumable(b *testing.B, kafka *cluster, rate int) {
	bridge := startBridge(b, kafka)
	g := newGenerator(b, bridge.url, 64)
	g.open(rate, 4*warm)
	bridge.drained()
	t := newTable(b)
	for range sizes.rounds {
		c := startConsumer(b, kafka, bridge.events)
		l := g.open(rate, stretch)
		eventually(b, "all is consumed", func() error { return c.has(l.ok) })
		times := c.stop()
		t.add("p50 ms", ms(quantile(times, 0.5)))
		t.add("p99 ms", ms(quantile(times, 0.99)))
		t.add("most ms", ms(quantile(times, 1)))
		t.add("answer p50 ms", ms(l.at(0.5)))
		t.add("answer p99 ms", ms(l.at(0.99)))
		t.add("consumed/s", float64(len(times))/l.took.Seconds())
	}
	t.report()
	wait := bridge.profile("consumable", stretch)
	g.open(rate, stretch+warm)
	wait()
}

// A consumer notes of each event how long ago it was received.
type consumer struct {
	client *kgo.Client
	cancel context.CancelFunc
	ended  chan struct{}

	mu    sync.Mutex
	times []time.Duration
}

// startConsumer reads the topic from its end, and returns once it is there.
func startConsumer(t testing.TB, kafka *cluster, topic string) *consumer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &consumer{
		client: kafka.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(100*time.Millisecond)),
		cancel: cancel, ended: make(chan struct{}),
	}
	polled := make(chan struct{})
	go func() {
		defer close(c.ended)
		for first := true; ctx.Err() == nil; first = false {
			poll, done := context.WithTimeout(ctx, 500*time.Millisecond)
			fetches := c.client.PollFetches(poll)
			done()
			c.note(fetches.Records(), time.Now())
			if first {
				close(polled)
			}
		}
	}()
	<-polled
	return c
}

func (c *consumer) note(records []*kgo.Record, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		_, rest, _ := bytes.Cut(r.Value, []byte(`"received_at":"`))
		text, _, _ := bytes.Cut(rest, []byte(`"`))
		if received, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			c.times = append(c.times, now.Sub(received))
		}
	}
}

func (c *consumer) has(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) < n {
		return fmt.Errorf("%d of %d", len(c.times), n)
	}
	return nil
}

// stop returns the times, sorted.
func (c *consumer) stop() []time.Duration {
	c.cancel()
	<-c.ended
	c.client.Close()
	slices.Sort(c.times)
	return c.times
}
