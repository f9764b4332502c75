package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// The times that stand for the ends of a partition in ListOffsets, and the replica ids that ask with.
const (
	timeLatest      = -1
	timeEarliest    = -2
	replicaConsumer = -1 // sees up to the high watermark
	replicaDebug    = -2 // sees up to the log's end
)

// errBehind says that batches lie in the leader's log that its followers do not have yet. One of them may be the batch looked for.
var errBehind = errors.New("the replicas have not confirmed the partition's end yet")

// errCut says that the log has another batch under the identity that is looked for.
var errCut = errors.New("the identity is another batch's")

// search looks for the batch with identity id and count records at offset from or above.
//
// It must not say "not there" of a batch that is only not visible yet, so: the end up to which it reads is the leader's log end,
// asked for after the outcome became ambiguous, not the high watermark, up to which a consumer sees; an end above the high watermark
// is waited for, since what lies between may still be kept or be cut off. Both answers come from the leader of one epoch, else the
// broker refuses (CurrentLeaderEpoch). What it cannot see is a request that no broker has read yet; that one carries the same identity.
func (p *Partition) search(ctx context.Context, id Identity, count int, from int64) (base int64, found bool, err error) {
	k := &p.client.cfg
	at, err := p.client.cluster.leader(ctx, p.topic, p.id)
	if err != nil {
		return 0, false, &lookupError{err}
	}
	defer func() {
		if err != nil {
			p.client.cluster.mistrust(p.topic, p.id, at)
		}
	}()
	end, err := p.logEnd(ctx, at)
	if err != nil {
		return 0, false, err
	}
	at64 := from
	if at64 > end { // the topic was made anew, or lost its end in an unclean election
		if at64, err = p.listOffset(ctx, at, timeEarliest, replicaConsumer); err != nil {
			return 0, false, err
		}
	}
	patience := time.Now().Add(p.client.cfg.RequestTimeout)
	for at64 < end {
		res, err := p.fetch(ctx, at, at64, searchWait, searchBytes)
		if err != nil {
			return 0, false, err
		}
		if res.code == kafka.OffsetOutOfRange && res.logStart > at64 { // retention has removed what was below
			at64 = res.logStart
			continue
		}
		if res.code != 0 {
			return 0, false, k.denied("Read", p.topic, res.code)
		}
		next, base, found, err := scan(res.batches, id, count, at64)
		if err != nil || found {
			return base, found, err
		}
		if next == at64 && time.Now().After(patience) {
			return 0, false, &lookupError{fmt.Errorf("%w: %w", errBehind, kafka.OffsetNotAvailable)}
		}
		at64 = next
	}
	return 0, false, nil
}

const (
	searchWait  = 500 * time.Millisecond
	searchBytes = 4 << 20
)

// scan looks through the headers of fetched batches. next is the offset to go on from; from where there was none to read.
func scan(data []byte, id Identity, count int, from int64) (next, base int64, found bool, err error) {
	next = from
	for {
		v, rest, ok, err := cutBatch(data)
		if err != nil || !ok {
			return next, 0, false, err
		}
		data = rest
		if v.next() <= from {
			continue
		}
		next = v.next()
		if v.control() || v.identity() != id {
			continue
		}
		if int(v.lastDelta())+1 != count {
			return next, 0, false, &handed{&FatalError{Sentence: fmt.Sprintf(
				"the batch in the log at offset %d has %d records, the one published under the same identity %d: it was cut differently when it was announced",
				v.baseOffset(), v.lastDelta()+1, count), Err: errCut}}
		}
		return next, v.baseOffset(), true, nil
	}
}

// fetch asks the leader at for batches from offset on.
func (p *Partition) fetch(ctx context.Context, at place, offset int64, wait time.Duration, maxBytes int) (*fetchResponse, error) {
	k := p.client.cluster
	m, err := k.ask(ctx, at.addr, &fetchRequest{
		topic: p.topic, partition: int32(p.id), epoch: at.epoch, offset: offset,
		maxWait: wait, maxBytes: int32(maxBytes), clientID: k.cfg.ClientID,
	}, k.cfg.RequestTimeout+wait, true)
	if err != nil {
		return nil, err
	}
	return m.(*fetchResponse), nil
}

// logEnd is the offset after the last batch in the leader's log, replicated or not. A broker that does not tell it gives the high watermark.
func (p *Partition) logEnd(ctx context.Context, at place) (int64, error) {
	end, err := p.listOffset(ctx, at, timeLatest, replicaDebug)
	var code kafka.Error
	if errors.As(err, &code) && ruleFor(code).label != "not-leader" && ruleFor(code).label != "unknown-topic" {
		return p.listOffset(ctx, at, timeLatest, replicaConsumer)
	}
	return end, err
}

// listOffset asks the leader at for one offset; -1 where no record has that time.
func (p *Partition) listOffset(ctx context.Context, at place, when int64, replica int32) (int64, error) {
	k := p.client.cluster
	m, err := k.ask(ctx, at.addr, &listoffsets.Request{
		ReplicaID: replica,
		Topics: []listoffsets.RequestTopic{{Topic: p.topic, Partitions: []listoffsets.RequestPartition{{
			Partition: int32(p.id), CurrentLeaderEpoch: at.epoch, Timestamp: when,
		}}}},
	}, k.cfg.RequestTimeout, true)
	if err != nil {
		return 0, err
	}
	res := m.(*listoffsets.Response)
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return 0, errors.New("the answer does not name the partition")
	}
	if part := &res.Topics[0].Partitions[0]; part.ErrorCode == 0 {
		return part.Offset, nil
	}
	return 0, k.cfg.denied("Describe", p.topic, kafka.Error(res.Topics[0].Partitions[0].ErrorCode))
}
