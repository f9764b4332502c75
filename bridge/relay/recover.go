package relay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// run recovers the lane and works until ctx ends or the checkpoint cannot be
// written. Only this lane waits while its partition cannot be read.
func (l *lane) run(ctx context.Context) error {
	if err := l.recover(ctx); err != nil {
		return err
	}
	return together(ctx, l.order, l.send)
}

// recover reads the partition's tail, to learn what of the former run arrived
// there: the checkpoint knows only what it was told before the process died.
//
// Where the checkpoint may have lost its end, a batch can be on its way of which
// it says nothing, and which the broker would take after the tail was read. From
// the first answer of the partition's leader on, it is given quiet to arrive.
func (l *lane) recover(ctx context.Context) error {
	if err := l.insist(ctx, l.readTail); err != nil {
		return err
	}
	if l.relay.doubtful {
		if err := pause(ctx, l.relay.quiet); err != nil {
			return err
		}
		if err := l.insist(ctx, l.readOn); err != nil {
			return err
		}
	}
	if err := l.noteTail(); err != nil {
		return err
	}
	return l.relay.recovered()
}

// noteTail writes to the checkpoint what the tail has told.
func (l *lane) noteTail() error {
	l.mu.Lock()
	l.replay.arm(l.relay.until)
	learned := l.replay.learned || l.replay.void
	l.mu.Unlock()
	if learned {
		// What the topic has told must be in the checkpoint before the offset
		// moves past it: another restart would not read it there again. And it
		// must not send under an identity that has turned out to be another batch's.
		if err := l.relay.rewrite(); err != nil {
			return err
		}
	}
	l.mu.Lock()
	settled, next := l.replay.settled, l.replay.nextAfter(l.next)
	l.mu.Unlock()
	if settled != nil {
		// Before the offset moves past the batch: another crash would otherwise
		// look for it behind where it is, not find it, and send it again.
		if err := l.relay.journal.append(func(b []byte) []byte { return appendSettled(b, l.id, *settled, next) }); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.replay.noted = true
	low := l.lowLocked()
	l.mu.Unlock()
	signal(l.wake)
	return l.relay.journal.append(func(b []byte) []byte { return appendLane(b, l.id, low, next) })
}

// insist reads until it succeeds.
func (l *lane) insist(ctx context.Context, read func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := read(ctx)
		if err == nil {
			l.setTrouble(nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.relay.tailLine.Warn(l.logger(), l.relay.opt.Now(), "kafka's tail cannot be read yet; this partition's records wait in the spool", zap.Error(err))
		l.setTrouble(err)
		if err := pause(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

func (l *lane) setTrouble(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = err
}

// backoff is 100 ms doubled per attempt up to 5 s, with up to half of it taken
// off at random, so that many lanes do not ask at once.
func backoff(attempt int) time.Duration {
	d := min(100*time.Millisecond<<min(attempt, 6), 5*time.Second)
	return d - time.Duration(rand.Int64N(int64(d/2)))
}

func (l *lane) readTail(ctx context.Context) error {
	from, err := l.tailStart(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.replay.tail = from
	l.mu.Unlock()
	return l.readFrom(ctx, from)
}

// readOn reads what has come since.
func (l *lane) readOn(ctx context.Context) error {
	l.mu.Lock()
	from := l.next
	l.mu.Unlock()
	return l.readFrom(ctx, from)
}

func (l *lane) readFrom(ctx context.Context, from int64) error {
	next, err := l.partition.ReadWith(ctx, from, publisher.ReadOptions{Whole: l.relay.doubtful}, l.recognize)
	if err != nil {
		return fmt.Errorf("read partition %d from offset %d: %w", l.id, from, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = next
	return nil
}

// recordTimeSkew is more than the time of a record can be before its receipt.
const recordTimeSkew = 25 * time.Hour

// tailStart is the offset before which nothing unsettled can be.
func (l *lane) tailStart(ctx context.Context) (int64, error) {
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	start, end, err := l.partition.Offsets(ctx)
	switch {
	case err != nil:
		return 0, err
	case next > end: // all of the new topic is behind what the checkpoint knows
		l.relay.madeAnew(l.id)
		return start, nil
	case next >= 0:
		return next, nil
	}
	if oldest := l.relay.oldest; !oldest.IsZero() {
		// Records without a checkpoint: it was lost, or this is another topic, or the partitions have
		// become fewer.
		// A record's time is never more than a day before its receipt, so none
		// of the spool's can lie before the first offset of that time.
		return l.partition.OffsetAt(ctx, oldest.Add(-recordTimeSkew))
	}
	return end, nil // the spool is empty
}

// recognize notes a record of the tail: one of the announced batch settles it
// whole; any other of ours is passed over when the spool yields it again, and
// the resequencer is told.
func (l *lane) recognize(r *publisher.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	marks, err := schema.ParseHeaders(headerOf(r))
	if err != nil {
		return nil // somebody else's record
	}
	event, err := schema.Decode(r.Value)
	if err != nil {
		return nil
	}
	known := fact(event, marks)
	if l.relay.oldest.IsZero() { // else the tail is long, and most of it old
		l.recent.published(&known, event, l.id, r.Offset, l.relay.opt.Now().UnixNano())
	}
	rp, id := l.replay, known.ID
	if rp.settled != nil && *rp.settled == identityOf(r) {
		return nil
	}
	if rp.pending != nil && *rp.pending == identityOf(r) && rp.recognizes(id, r.BatchRecords) {
		return nil
	}
	rp.learned = true
	if !rp.knows(id) {
		l.buffer.Observe(known)
	}
	if l.relay.inSpool(marks.ReceivedAt) {
		rp.found[id] = struct{}{}
	}
	return nil
}

// receiptPrecision is more than the time of receipt loses in an event's header.
const receiptPrecision = time.Second

// inSpool reports whether a callback received then can still be in the spool.
// Where the checkpoint is lost the tail is long; only what may be read again
// needs to be remembered.
func (r *Relay) inSpool(received time.Time) bool {
	return r.oldest.IsZero() || !received.Before(r.oldest.Add(-receiptPrecision))
}

func identityOf(r *publisher.Record) publisher.Identity {
	return publisher.Identity{ProducerID: r.ProducerID, Epoch: r.ProducerEpoch, Sequence: r.BaseSequence}
}

func headerOf(r *publisher.Record) func(key string) (string, bool) {
	return func(key string) (string, bool) {
		for _, h := range r.Headers {
			if h.Key == key {
				return string(h.Value), true
			}
		}
		return "", false
	}
}

// savedNextLocked is the offset that the checkpoint may know: as long as what
// was found in the tail is only remembered here, a further restart has to find
// it again.
func (l *lane) savedNextLocked() int64 {
	switch {
	case l.replay == nil:
		return l.next
	case !l.replay.noted:
		return l.replay.tail
	}
	return l.replay.nextAfter(l.next)
}
