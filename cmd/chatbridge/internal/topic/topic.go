package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chatbridge/chatbridge/publisher"
)

// A Topic is one topic of one cluster. Its methods may be called by several
// goroutines, each for another partition.
type Topic struct {
	client *publisher.Client
	name   string
}

// New returns the topic of that name; it asks nothing yet.
func New(client *publisher.Client, name string) *Topic {
	return &Topic{client: client, name: name}
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Partitions asks how many partitions the topic has.
func (t *Topic) Partitions(ctx context.Context) (int, error) {
	n, err := t.client.PartitionCount(ctx, t.name)
	if err != nil {
		return 0, fmt.Errorf("asking Kafka for topic %s: %w", t.name, err)
	}
	return n, nil
}

// Offsets returns a partition's first offset and the one after its last record.
func (t *Topic) Offsets(ctx context.Context, partition int) (start, end int64, err error) {
	start, end, err = t.client.Partition(t.name, partition).Offsets(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for the offsets of %s/%d: %w", t.name, partition, err)
	}
	return start, end, nil
}

// OffsetAt returns the offset of the first record at or after a time; where
// there is none, the partition's end.
func (t *Topic) OffsetAt(ctx context.Context, partition int, at time.Time) (int64, error) {
	offset, err := t.client.Partition(t.name, partition).OffsetAt(ctx, at)
	if err != nil {
		return 0, fmt.Errorf("asking for the offset of %s/%d at %s: %w", t.name, partition, at.Format(time.RFC3339), err)
	}
	return offset, nil
}

// errEnough ends a read at the offset that it was to go to.
var errEnough = errors.New("enough")

// How often, and how long each time, a partition that ends before it should is
// asked again: the high watermark of a new leader may lag for a moment.
const (
	endTries = 10
	endWait  = 200 * time.Millisecond
)

// Read calls fn for each record of a partition from offset from up to, not
// including, offset to, which Kafka has named before. Where the partition then
// ends earlier, and stays so, the error says that records are gone. The record is
// valid only during the call; an error of fn ends the read and is returned.
func (t *Topic) Read(ctx context.Context, partition int, from, to int64, fn func(*publisher.Record) error) error {
	within := func(r *publisher.Record) error {
		if r.Offset >= to {
			return errEnough
		}
		if err := fn(r); err != nil {
			return err
		}
		if r.Offset+1 == to {
			return errEnough
		}
		return nil
	}
	next, wait := from, time.Duration(0)
	for range endTries {
		if next >= to {
			return nil
		}
		reached, err := t.client.Partition(t.name, partition).ReadWith(ctx, next, publisher.ReadOptions{MaxWait: wait}, within)
		if err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
		next, wait = max(next, reached), endWait
	}
	if next >= to {
		return nil
	}
	return fmt.Errorf("partition %d of %s ends at %d, and Kafka had said that it ends at %d: records are gone; "+
		"look for an unclean leader election or a topic made anew", partition, t.name, next, to)
}

// Follow is Read without an end: it calls fn for each record that there is, or
// that comes within wait, and returns the offset to go on from. That begins again
// where the topic was made anew.
func (t *Topic) Follow(ctx context.Context, partition int, from int64, wait time.Duration, fn func(*publisher.Record) error) (next int64, err error) {
	return t.client.Partition(t.name, partition).ReadWith(ctx, from, publisher.ReadOptions{MaxWait: wait, Restart: true}, fn)
}
