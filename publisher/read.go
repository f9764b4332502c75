package publisher

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// Record is one record as read back. The Record and its Headers slice are reused after the function that got it returns; the bytes of
// Key, Value and the header values stay valid and must not be changed.
type Record struct {
	Offset     int64
	Time       time.Time // the broker's where the topic has LogAppendTime
	Key, Value []byte    // nil = null
	Headers    []Header

	// Of its batch, as the producer sent it; the first three are -1 where it was not idempotent.
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	BaseOffset    int64 // offset of the batch's first record
	BatchRecords  int   // how many records the batch had
}

// ReadOptions of ReadWith. The zero value is Read's.
type ReadOptions struct {
	// MaxWait is how long to wait at the end for a first new record; 0 = not at all.
	MaxWait time.Duration
	// Whole reads to the end of the leader's log instead, and waits for what its replicas have not confirmed yet: nothing that the
	// leader has taken before the call is missed.
	Whole bool
	// Restart goes on from the partition's start where the topic turns out to be made anew: it was away while it was read, or is shorter
	// than what was read already. Otherwise Read ends at its end.
	Restart bool
	// MaxBytes bounds one fetch, and so the memory in use, before unpacking; a larger single batch comes whole. 0 = 4 MiB.
	MaxBytes int
}

const defaultReadBytes = 4 << 20

// Read hands the records from offset from on, in order, to fn, up to the high watermark of the moment of the call, and returns the
// offset to go on from. Below the partition's start it begins at the start; above its end it does nothing and returns the end. Records
// of transactions are handed out whether committed or not; their markers are not.
//
// It retries for ever, or as Config.Patience says; each record is handed out once. An error of fn ends it and is returned, with the
// offset of that record. *CorruptError says that a batch cannot be read; it is not skipped.
func (p *Partition) Read(ctx context.Context, from int64, fn func(*Record) error) (next int64, err error) {
	return p.ReadWith(ctx, from, ReadOptions{}, fn)
}

// ReadWith is Read with options.
func (p *Partition) ReadWith(ctx context.Context, from int64, o ReadOptions, fn func(*Record) error) (next int64, err error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultReadBytes
	}
	r := &reading{p: p, options: o, next: max(from, 0), end: -1, fn: fn}
	for !r.done {
		if err := p.health.persist(ctx, r.step); err != nil {
			return r.next, err
		}
	}
	return r.next, nil
}

// reading is one Read on its way.
type reading struct {
	p       *Partition
	options ReadOptions
	fn      func(*Record) error
	decoder decoder
	next    int64 // offset to go on from
	end     int64 // where to stop; -1 = not known yet
	done    bool
}

// step makes one fetch and hands out what it brings.
func (r *reading) step(ctx context.Context) (err error) {
	k := r.p.client.cluster
	at, err := k.leader(ctx, r.p.topic, r.p.id)
	if err != nil {
		r.notThere(err)
		return &lookupError{err}
	}
	defer func() {
		if err != nil {
			k.mistrust(r.p.topic, r.p.id, at)
		}
	}()
	wait := r.options.MaxWait
	if r.options.Whole && r.end < 0 {
		if r.end, err = r.p.logEnd(ctx, at); err != nil {
			return err
		}
		if r.next == r.end {
			r.done = true // a fetch would wait for what nobody asked for
			return nil
		}
	}
	if r.end >= 0 {
		wait = searchWait // records up to the end are there: this only bounds a fetch that meets trouble
	}
	res, err := r.p.fetch(ctx, at, r.next, wait, r.options.MaxBytes)
	if err != nil {
		return err
	}
	switch {
	case res.code == kafka.OffsetOutOfRange:
		return r.outOfRange(ctx, at)
	case res.code != 0:
		r.notThere(res.code)
		return k.cfg.denied("Read", r.p.topic, res.code)
	}
	before := r.next
	if err := r.hand(res.batches); err != nil {
		return err
	}
	if r.end < 0 {
		r.end = max(res.highWatermark, r.next) // after a wait, what has come counts too
	}
	r.done = r.next >= r.end
	if r.next == before && r.next >= res.highWatermark && !r.done {
		return r.stalled(ctx, at)
	}
	return nil
}

// stalled decides what it means that there is nothing more to read below the end that was asked for: what the log has lost since is
// no longer waited for, and what the replicas do not have yet only where the whole log is read.
func (r *reading) stalled(ctx context.Context, at place) error {
	if !r.options.Whole {
		r.done = true
		return nil
	}
	end, err := r.p.logEnd(ctx, at)
	if err != nil {
		return err
	}
	r.end = min(r.end, end)
	r.done = r.next >= r.end
	return nil
}

// notThere begins anew where err says that there is no such topic: who makes it again begins at 0.
func (r *reading) notThere(err error) {
	if r.options.Restart && errors.Is(err, kafka.UnknownTopicOrPartition) {
		r.next, r.end = 0, -1
	}
}

// outOfRange moves to where there is something to read.
func (r *reading) outOfRange(ctx context.Context, at place) error {
	start, err := r.p.listOffset(ctx, at, timeEarliest, replicaConsumer)
	if err != nil {
		return err
	}
	if r.next < start {
		r.next = start
		return nil
	}
	if r.options.Restart {
		r.next, r.end = start, -1
		return nil
	}
	end, err := r.p.listOffset(ctx, at, timeLatest, replicaConsumer)
	if err != nil {
		return err
	}
	if r.next > end {
		r.next, r.done = end, true
	}
	return nil
}

// hand gives the records of data at r.next or above to fn.
func (r *reading) hand(data []byte) error {
	for {
		v, rest, ok, err := cutBatch(data)
		if err != nil || !ok {
			return err
		}
		data = rest
		if v.next() <= r.next {
			continue
		}
		if !v.control() {
			if err := r.decoder.records(v, r.next, r.give); err != nil {
				return err
			}
		}
		r.next = v.next()
	}
}

func (r *reading) give(rec *Record) error {
	if err := r.fn(rec); err != nil {
		r.next = rec.Offset
		return &handed{err}
	}
	r.next = rec.Offset + 1
	return nil
}

// Offsets returns the offset of the first record that is there, and the one after the last that every in-sync replica has.
func (p *Partition) Offsets(ctx context.Context) (start, end int64, err error) {
	err = p.lookup(ctx, func(at place) error {
		if start, err = p.listOffset(ctx, at, timeEarliest, replicaConsumer); err != nil {
			return err
		}
		end, err = p.listOffset(ctx, at, timeLatest, replicaConsumer)
		return err
	})
	return start, end, err
}

// OffsetAt returns the offset of the first record whose time is t or later, the end where there is none.
func (p *Partition) OffsetAt(ctx context.Context, t time.Time) (offset int64, err error) {
	err = p.lookup(ctx, func(at place) error {
		if offset, err = p.listOffset(ctx, at, max(t.UnixMilli(), 0), replicaConsumer); err != nil || offset >= 0 {
			return err
		}
		offset, err = p.listOffset(ctx, at, timeLatest, replicaConsumer)
		return err
	})
	return offset, err
}

// lookup calls do with the leader until it succeeds.
func (p *Partition) lookup(ctx context.Context, do func(place) error) error {
	return p.health.persist(ctx, func(ctx context.Context) error { return p.atLeader(ctx, do) })
}

// atLeader calls do with the leader, once.
func (p *Partition) atLeader(ctx context.Context, do func(place) error) error {
	k := p.client.cluster
	at, err := k.leader(ctx, p.topic, p.id)
	if err != nil {
		return &lookupError{err}
	}
	if err := do(at); err != nil {
		k.mistrust(p.topic, p.id, at)
		return err
	}
	return nil
}
