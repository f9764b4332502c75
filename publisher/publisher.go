package publisher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Header is one record header. A nil Value is null.
type Header struct {
	Key   string
	Value []byte
}

// Message is one record to publish. A nil Key or Value is null.
type Message struct {
	Key, Value []byte
	Headers    []Header
	Time       time.Time // the record's time, in Kafka to the millisecond; zero = the time of encoding
}

// Client publishes to, and reads from, the topics of one Kafka cluster. It is safe for concurrent use; Close ends it.
type Client struct {
	cfg     Config
	cluster *cluster
	gate    logGate
	frames  sync.Pool // *frame

	mu         sync.Mutex
	partitions map[partitionKey]*Partition
	lookups    map[string]*health // of what concerns a topic and no partition of it

	producerTurn chan struct{} // of capacity 1: who holds it may use the next two
	producer     int64         // shared by the partitions; -1 = not asked for yet
	epoch        int16
}

type partitionKey struct {
	topic string
	id    int
}

// New checks cfg and returns a Client. It does not touch the network: a cluster that is away is a matter of waiting.
func New(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg.withDefaults(), partitions: make(map[partitionKey]*Partition), lookups: make(map[string]*health), producer: -1, producerTurn: make(chan struct{}, 1)}
	c.cluster = newCluster(&c.cfg)
	c.frames.New = func() any { return new(frame) }
	return c, nil
}

// Close ends everything under way with ErrClosed and closes the connections. A batch that was being published has an unknown outcome.
func (c *Client) Close() { c.cluster.close() }

func (c *Client) closed() bool { return c.cluster.ctx.Err() != nil }

// ended prefers ErrClosed over an error that closing has caused.
func (c *Client) ended(err error) error {
	if c.closed() {
		return ErrClosed
	}
	return err
}

// sleep waits for d; it returns early when ctx ends or the Client is closed.
func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.cluster.ctx.Done():
		return ErrClosed
	}
}

// Partition returns the handle of a partition, the same one at each call. The partition need not exist yet.
func (c *Client) Partition(topic string, id int) *Partition {
	c.cluster.use(topic)
	c.mu.Lock()
	defer c.mu.Unlock()
	key := partitionKey{topic, id}
	p := c.partitions[key]
	if p == nil {
		p = &Partition{client: c, topic: topic, id: id, health: newHealth(c, topic, id)}
		c.partitions[key] = p
	}
	return p
}

// lookup returns the health of the look-ups of topic.
func (c *Client) lookup(topic string) *health {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.lookups[topic]
	if h == nil {
		h = newHealth(c, topic, -1)
		c.lookups[topic] = h
	}
	return h
}

// countMaxAge is how old an answer PartitionCount may give.
const countMaxAge = 2 * time.Second

// PartitionCount returns how many partitions topic has, by an answer of the cluster at most two seconds old. It waits for a topic
// that does not exist and for a cluster that is away, until ctx ends or Config.Patience is used up.
func (c *Client) PartitionCount(ctx context.Context, topic string) (n int, err error) {
	err = c.lookup(topic).persist(ctx, func(ctx context.Context) error {
		n, err = c.cluster.partitions(ctx, topic, countMaxAge)
		return err
	})
	return n, err
}

// Ping asks the cluster for its brokers, once. A nil error means that one answered and accepted the login; otherwise the error says
// what is wrong and what to do.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.cluster.refresh(ctx); err != nil {
		if c.closed() {
			return ErrClosed
		}
		f := judge(&lookupError{err})
		return &UnavailableError{Sentence: f.sentence, Err: err}
	}
	return nil
}

// Topics lists the topics in use, in order of name.
func (c *Client) Topics() []string {
	names := c.cluster.inUse()
	slices.Sort(names)
	return names
}

// Statuses lists, for each topic in use, the status of its look-ups (Partition -1), where there were any, and of its partitions.
func (c *Client) Statuses() []Status {
	var list []Status
	c.mu.Lock()
	for _, h := range c.lookups {
		list = append(list, h.snapshot())
	}
	for _, p := range c.partitions {
		list = append(list, p.health.snapshot())
	}
	c.mu.Unlock()
	slices.SortFunc(list, func(a, b Status) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return a.Partition - b.Partition
	})
	return list
}

// MaxBatchBytes returns the topic's max.message.bytes, the size of the largest batch it takes; DefaultMaxBatchBytes where the user may
// not ask.
func (c *Client) MaxBatchBytes(ctx context.Context, topic string) (n int, err error) {
	err = c.lookup(topic).persist(ctx, func(ctx context.Context) error {
		configs, err := c.describe(ctx, topic)
		if err != nil {
			var denied *deniedError
			if errors.As(err, &denied) {
				n = DefaultMaxBatchBytes
				return nil
			}
			return err
		}
		n = configs.number("max.message.bytes", DefaultMaxBatchBytes)
		return nil
	})
	return n, err
}
