package publisher

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/deletetopics"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTopic = "chat"

// world is a kfake cluster on an in-memory network, for tests inside a synctest bubble: time-outs cost no time.
type world struct {
	t       *testing.T
	network *kfake.VirtualNetwork
	cluster *kfake.Cluster
	ports   []int
	options []kfake.Opt
}

// newWorld starts a cluster of brokers with testTopic of partitions.
func newWorld(t *testing.T, brokers int, partitions int32, options ...kfake.Opt) *world {
	t.Helper()
	w := &world{t: t, network: new(kfake.VirtualNetwork)}
	for i := range brokers {
		w.ports = append(w.ports, 9092+i)
	}
	w.options = append([]kfake.Opt{kfake.ListenFn(w.network.Listen), kfake.Ports(w.ports...), kfake.SeedTopics(partitions, testTopic)}, options...)
	w.start()
	t.Cleanup(func() { w.cluster.Close() })
	return w
}

// newRealWorld is newWorld on the machine's network and clock. zstd needs it: its pooled decoders must not leave their bubble.
func newRealWorld(t *testing.T, brokers int, partitions int32, options ...kfake.Opt) *world {
	t.Helper()
	w := &world{t: t, options: append([]kfake.Opt{kfake.NumBrokers(brokers), kfake.SeedTopics(partitions, testTopic)}, options...)}
	w.start()
	t.Cleanup(func() { w.cluster.Close() })
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.cluster, err = kfake.NewCluster(w.options...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) brokers() []string {
	if w.network == nil {
		return w.cluster.ListenAddrs()
	}
	var addrs []string
	for _, p := range w.ports {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", p))
	}
	return addrs
}

// client returns a Client of the world; change may alter its configuration.
func (w *world) client(change ...func(*Config)) *Client {
	w.t.Helper()
	cfg := Config{Brokers: w.brokers()}
	if w.network != nil {
		cfg.Dial = w.network.DialContext
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// texts makes messages of these values.
func texts(values ...string) []Message {
	var msgs []Message
	for _, v := range values {
		msgs = append(msgs, Message{Key: []byte("group"), Value: []byte(v), Time: time.UnixMilli(1_700_000_000_000)})
	}
	return msgs
}

// values reads the whole partition.
func values(t *testing.T, p *Partition) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var list []string
	if _, err := p.Read(ctx, 0, func(r *Record) error {
		list = append(list, string(r.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// deleteTopic deletes a topic, by a client of its own.
func (w *world) deleteTopic(topic string) {
	w.t.Helper()
	c := w.client()
	m, err := c.cluster.askAny(w.t.Context(), &deletetopics.Request{TopicNames: []string{topic}, TimeoutMs: 5000})
	if err != nil {
		w.t.Fatal(err)
	}
	if code := m.(*deletetopics.Response).Responses[0].ErrorCode; code != 0 {
		w.t.Fatal(kafka.Error(code))
	}
}
