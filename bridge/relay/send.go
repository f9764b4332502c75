package relay

import (
	"context"
	"errors"
	"runtime"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// send is the lane's second goroutine: it publishes what was decided, batch by
// batch, the next only when the last is settled.
func (l *lane) send(ctx context.Context) error {
	if err := l.resend(ctx); err != nil {
		return err
	}
	for {
		batch, err := l.cut(ctx)
		if err != nil {
			return err
		}
		if err := l.publish(ctx, batch, nil); err != nil {
			return err
		}
	}
}

// resend sends the batch that the former run announced and may not have got
// through, under its old identity, so that a copy of it that is still on its
// way is dropped by the broker.
func (l *lane) resend(ctx context.Context) error {
	for {
		l.mu.Lock()
		open := l.openLocked()
		l.mu.Unlock()
		if open {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ready:
		}
	}
	l.mu.Lock()
	batch, id := l.inflight, l.identity
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	return l.publish(ctx, batch, &id)
}

// cut takes the next batch: as much as is there, up to the bounds, after a
// short wait for company when there is little.
func (l *lane) cut(ctx context.Context) ([]*outgoing, error) {
	lingered := false
	for {
		l.mu.Lock()
		n, full := l.batchLocked()
		if n > 0 && (full || lingered) {
			batch := l.takeOutLocked(n)
			l.mu.Unlock()
			return batch, nil
		}
		l.mu.Unlock()
		if n > 0 {
			if err := pause(ctx, l.relay.opt.Linger); err != nil {
				return nil, err
			}
			// Under load the scheduler lets a timer's goroutine run before those who
			// bring more.
			runtime.Gosched()
			lingered = true
			continue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.ready:
		}
	}
}

// batchLocked counts how many of the queue go into the next batch, and whether
// the batch is then full.
func (l *lane) batchLocked() (n int, full bool) {
	bytes := 0
	for n < len(l.out) && n < maxBatchRecords {
		bytes += len(l.out[n].value) + len(l.out[n].trace) + recordEnvelope
		if n > 0 && bytes > l.relay.batchBytes {
			return n, true
		}
		n++
	}
	return n, n == maxBatchRecords || bytes >= l.relay.batchBytes
}

// recordEnvelope is about what key, headers and framing of a record take. A
// batch that turns out to be larger than its topic takes is halved.
const recordEnvelope = 768

// maxBatchRecords bounds a batch by count, so that what an ambiguous answer
// leaves open stays small.
const maxBatchRecords = 1000

func (l *lane) takeOutLocked(n int) []*outgoing {
	l.inflight, l.announced = append(make([]*outgoing, 0, n), l.out[:n]...), 0
	clear(l.out[:n]) // what has been settled must not be kept alive by what waits
	l.out = l.out[n:]
	if len(l.out) == 0 {
		l.out = nil
	}
	return l.inflight
}

// publish sees a batch through: it returns when every event of it is settled or
// dead-lettered, or ctx ends. A batch that Kafka refuses for what is in it is
// halved until the one event that it refuses stands alone.
func (l *lane) publish(ctx context.Context, batch []*outgoing, id *publisher.Identity) error {
	var from time.Time // for traces only
	if l.relay.opt.Hooks.Published != nil {
		from = l.relay.opt.Now()
	}
	base, err := l.partition.Publish(ctx, publisher.Batch{
		Messages: l.parcel.pack(batch),
		Resend:   id,
		Announce: func(id publisher.Identity) error { return l.announce(id, batch) },
		From:     l.nextOffset(),
	})
	var rejected *publisher.RejectedError
	var fatal *publisher.FatalError
	switch {
	case err == nil:
		return l.settle(batch, base, from)
	case errors.As(err, &rejected) && len(batch) == 1 && rejected.Code == codeInvalidTimestamp && !batch[0].untimely:
		batch[0].untimely = true
		return l.publish(ctx, batch, nil)
	case errors.As(err, &rejected) && len(batch) == 1 && refusal(rejected) == schema.ReasonTooLargeForTopic && l.parcel.carries(batch[0]):
		batch[0].untraced = true
		return l.publish(ctx, batch, nil)
	case errors.As(err, &rejected) && len(batch) == 1:
		return l.refuse(ctx, batch[0], rejected)
	case errors.As(err, &rejected):
		half := len(batch) / 2
		if err := l.publish(ctx, batch[:half], nil); err != nil {
			return err
		}
		return l.publish(ctx, batch[half:], nil)
	case errors.As(err, &fatal):
		l.relay.fatalLine.Error(l.logger(), l.relay.opt.Now(), "kafka refuses everything; trying again later", zap.Error(err), zap.Duration("after", fatalPause))
		if err := pause(ctx, fatalPause); err != nil {
			return err
		}
		if errors.Is(err, publisher.ErrUnresolved) { // it may be in the topic
			last := l.identity
			return l.publish(ctx, batch, &last)
		}
		return l.publish(ctx, batch, nil)
	default:
		return err
	}
}

// fatalPause is how long a lane waits after an answer that only a change by a
// person can mend.
const fatalPause = 30 * time.Second

func (l *lane) nextOffset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// announce writes to the checkpoint what is about to be sent. It is not synced:
// a killed process leaves it in the page cache, and after a power loss nothing
// of it is on its way any more and reading the partition's tail suffices.
//
// The lane's state changes before the entry is written, never after: a Rewrite
// in between then holds the change already, and the entry repeats it.
func (l *lane) announce(id publisher.Identity, batch []*outgoing) error {
	l.mu.Lock()
	l.identity, l.announced = id, len(batch)
	finished := l.finished
	l.finished = nil
	l.mu.Unlock()
	ds := l.announcing[:0]
	for _, o := range batch {
		ds = append(ds, o.decision())
	}
	l.announcing = ds
	if err := l.relay.journal.appendFinished(l.id, finished); err != nil {
		return err
	}
	return l.relay.journal.append(func(b []byte) []byte { return appendIntent(b, l.id, id, ds) })
}

// settle closes a batch that Kafka has acknowledged, whose first record has the
// offset base. from is when publishing it began, where somebody wants to know.
func (l *lane) settle(batch []*outgoing, base int64, from time.Time) error {
	now, next := l.relay.opt.Now().UnixNano(), base+int64(len(batch))
	var id publisher.Identity
	anew := false
	err := l.relay.journal.change(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		id = l.identity
		anew = next < l.next // offsets only rise, but for those of a topic that was made anew
		l.next = next
		for i, o := range batch {
			l.unsettled.finish(o.position)
			l.queued -= o.size()
			l.recent.published(&o.fact, o.event, l.id, next-int64(len(batch)-i), now)
		}
		l.inflight, l.announced = l.inflight[len(batch):], 0
		l.wakeSendLocked()
	}, func(b []byte) []byte { return appendSettled(b, l.id, id, next) })
	if anew {
		l.relay.madeAnew(l.id)
	}
	l.relay.opt.Hooks.settled(l.id, batch, now)
	l.relay.opt.Hooks.published(l.id, batch, base, from, now)
	return err
}

// refuse sends an event that Kafka will never take to the dead letters: the
// callback as it came, read again from the spool.
func (l *lane) refuse(ctx context.Context, o *outgoing, rejected *publisher.RejectedError) error {
	l.mu.Lock()
	l.inflight, l.announced = l.inflight[1:], 0
	l.refused = append(l.refused, o.decision())
	l.queued -= o.size()
	l.wakeSendLocked()
	l.mu.Unlock()
	record, err := l.relay.reread(o.position)
	if err != nil {
		return err
	}
	return l.relay.deadLetters.send(ctx, &letter{
		lane: l, position: o.position, key: []byte(o.event.Group.ID), record: record,
		reason: refusal(rejected), detail: rejected.Error(),
	})
}

// Kafka's codes for what is too large (MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE)
// and for a record's time that the topic does not take (INVALID_TIMESTAMP; since
// 4.0 a topic refuses, by default, times more than an hour ahead).
const (
	codeMessageTooLarge    = 10
	codeRecordListTooLarge = 18
	codeInvalidTimestamp   = 32
)

func refusal(e *publisher.RejectedError) schema.Reason {
	if e.Code == codeMessageTooLarge || e.Code == codeRecordListTooLarge {
		return schema.ReasonTooLargeForTopic
	}
	return schema.ReasonRejected
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
