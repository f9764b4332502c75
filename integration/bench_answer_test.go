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

// BenchmarkAnswered: callbacks answered durably, as a ratio to a bare Echo handler
// that reads the body: same generator, same run, alternating. Kafka is a process
// on the same machine and takes its share. Goal: at least 0.5.
func BenchmarkAnswered(b *testing.B) {
	const conns = 256
	kafka := startKafka(b, spec{fake: true})
	bridge := startBridge(b, kafka)
	bare, target := startEcho(b)
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

		published := bridge.metric("chatbridge_publish_records_total")
		beforeBridge, beforeKafka := cpu(bridge.process), kafka.cpu()
		durable := toBridge.closed(stretch)
		t.add("bridge answers/s", durable.perSecond())
		t.add("bridge CPU us", float64((cpu(bridge.process)-beforeBridge).Microseconds())/float64(durable.ok))
		t.add("kafka CPU us", float64((kafka.cpu()-beforeKafka).Microseconds())/float64(durable.ok))
		t.add("published/s meanwhile", (bridge.metric("chatbridge_publish_records_total")-published)/durable.took.Seconds())
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
// Kafka away, alternating. Goals: p99 at most 10 ms; away at most 1.2 times there.
func BenchmarkAnswerTimes(b *testing.B) {
	for _, rate := range []int{5000, 10000} {
		b.Run(fmt.Sprintf("%d", rate), func(b *testing.B) {
			kafka := startKafka(b, spec{fake: true})
			bridge := startBridge(b, kafka, "spool.max_bytes=8GiB")
			g := newGenerator(b, bridge.url, 256)
			g.open(rate, warm)
			t := newTable(b)
			for range sizes.rounds {
				bridge.drained()
				there := g.open(rate, stretch)
				kafka.kill()
				away := g.open(rate, stretch)
				kafka.start()
				t.add("there p50 ms", ms(there.at(0.5)))
				t.add("there p99 ms", ms(there.at(0.99)))
				t.add("away p50 ms", ms(away.at(0.5)))
				t.add("away p99 ms", ms(away.at(0.99)))
				t.add("p99 ratio away/there", float64(away.at(0.99))/float64(there.at(0.99)))
				t.add("answers/s", there.perSecond())
				t.add("failed", float64(there.failed+away.failed))
			}
			t.report()
		})
	}
}

// BenchmarkConsumable: from receipt until a consumer of the topic has the event,
// at 5,000/s in order. Receipt is received_at, which has whole milliseconds: on
// average half of one is too much. Goals: p50 5 ms, p99 50 ms.
func BenchmarkConsumable(b *testing.B) {
	const rate = 5000
	kafka := startKafka(b, spec{fake: true})
	bridge := startBridge(b, kafka)
	g := newGenerator(b, bridge.url, 64)
	g.open(rate, warm)
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
