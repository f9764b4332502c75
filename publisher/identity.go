package publisher

import (
	"context"
	"errors"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
)

// Identity is what a broker knows a batch by: it appends a batch only once for the same identity, as long as it remembers the producer.
type Identity struct {
	ProducerID int64
	Epoch      int16
	Sequence   int32 // of the batch's first record
}

// producer is who a partition's batches come from. Batches of one producer have sequences without a gap.
type producer struct {
	id    int64
	epoch int16
	next  int32 // sequence of the next batch's first record
	valid bool
}

// fits says whether a batch of n records can have the next sequences. They end at 2^31-1; Kafka goes on at 0 there, brokers disagree in
// the detail, and a new producer id costs nothing: so a batch never crosses the end.
func (p *producer) fits(n int) bool { return p.valid && int64(p.next)+int64(n) <= math.MaxInt32 }

func (p *producer) identity() Identity {
	return Identity{ProducerID: p.id, Epoch: p.epoch, Sequence: p.next}
}

// settle moves on behind a batch of n records that was settled under id.
func (p *producer) settle(id Identity, n int) {
	if p.valid && p.identity() == id {
		p.next += int32(n)
	}
}

// sharedProducer returns the Client's producer id, asking for it the first time. All partitions share it; each counts its own sequence.
func (c *Client) sharedProducer(ctx context.Context) (producer, error) {
	select {
	case c.producerTurn <- struct{}{}:
		defer func() { <-c.producerTurn }()
	case <-ctx.Done():
		return producer{}, ctx.Err()
	}
	if c.producer < 0 {
		p, err := c.newProducer(ctx)
		if err != nil {
			return producer{}, err
		}
		c.producer, c.epoch = p.id, p.epoch
	}
	return producer{id: c.producer, epoch: c.epoch, valid: true}, nil
}

// newProducer asks for a producer id that nobody has used, once. Any broker hands them out; kafka-go's Client would look for a
// transaction coordinator first, for which a user without transactions has no permission.
func (c *Client) newProducer(ctx context.Context) (producer, error) {
	m, err := c.cluster.askAny(ctx, &initproducerid.Request{ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return producer{}, &lookupError{err}
	}
	res := m.(*initproducerid.Response)
	if res.ErrorCode != 0 {
		return producer{}, &lookupError{c.cfg.denied("IdempotentWrite", "", kafka.Error(res.ErrorCode))}
	}
	if res.ProducerID < 0 {
		return producer{}, &lookupError{errors.New("the broker handed out no producer id")}
	}
	return producer{id: res.ProducerID, epoch: res.ProducerEpoch, valid: true}, nil
}
