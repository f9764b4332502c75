package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Partition publishes to, and reads from, one partition. Publish is for one goroutine at a time; everything else may run beside it.
type Partition struct {
	client *Client
	topic  string
	id     int
	health *health

	publishing sync.Mutex // held by Publish; guards the rest
	producer   producer
	shared     bool      // the Client's shared producer id was used here
	settled    int64     // offset after the newest batch that this Partition settled; a later one of ours cannot lie below it
	open       *Identity // of the batch of which a cancelled Publish left the outcome unknown
}

// Batch is what one Publish settles as a whole. Messages and what they point to must not change until Publish has returned.
type Batch struct {
	Messages []Message

	// Resend, when not nil, is the identity under which the same messages were announced before, by this process or by one that ended
	// (P4). The partition's tail is read from From first; where the batch is there, nothing is sent.
	Resend *Identity

	// Announce is called with each identity that the batch gets, before its first byte leaves: the caller records it, so that it can
	// Resend after a crash. An error ends Publish, with nothing sent under that identity. It is not called for Resend. It is called a
	// second time only when a broker's idea of the sequence asks for a new producer id; then the batch surely is not there under the
	// former identity. May be nil.
	Announce func(Identity) error

	// From is the offset from which the tail is read after an ambiguous outcome: the one after the last settled batch. A batch that is
	// sent again must not lie below it. -1: from the partition's end as it is before the first attempt; with Resend, from its start.
	From int64
}

// Publish blocks until the batch is settled: in the log exactly once, and replicated as acks=all asks for. It retries for ever, with
// the identical batch, and reads the partition's tail after every attempt of which it does not know what became of it.
//
// It returns the offset of the first record. Errors: *RejectedError, Kafka never takes this batch and nothing of it was appended;
// *FatalError, no retry helps until something is changed, and where that also is an ErrUnresolved the outcome is unknown; ErrBusy,
// ErrUnresolved, ErrClosed; Announce's own; the context's, with the outcome unknown if anything was sent.
func (p *Partition) Publish(ctx context.Context, b Batch) (base int64, err error) {
	if !p.publishing.TryLock() {
		return 0, ErrBusy
	}
	defer p.publishing.Unlock()
	switch {
	case p.client.closed():
		return 0, ErrClosed
	case len(b.Messages) == 0:
		return 0, &FatalError{Sentence: "a batch without messages was to be published"}
	case p.open != nil && (b.Resend == nil || *b.Resend != *p.open):
		return 0, ErrUnresolved
	}
	begin := time.Now()
	f := p.client.frames.Get().(*frame)
	defer p.client.recycle(f)
	if err := f.encode(b.Messages, p.client.cfg.Compression, begin); err != nil {
		return 0, &FatalError{Sentence: "a batch could not be encoded", Err: err}
	}
	d := &delivery{p: p, batch: b, frame: f}
	base, err = d.run(ctx)
	if err != nil {
		err = p.client.ended(err)
		p.open = d.left(err)
		var fatal *FatalError
		if p.open != nil && errors.As(err, &fatal) {
			err = fmt.Errorf("%w: %w", ErrUnresolved, err)
		}
		return 0, err
	}
	p.open = nil
	p.producer.settle(d.id, f.count)
	p.settled = base + int64(f.count)
	p.health.succeeded()
	if hook := p.client.cfg.Hooks.Published; hook != nil {
		hook(p.topic, p.id, f.count, len(f.batch()), time.Since(begin))
	}
	return base, nil
}

// keepFrame is the largest buffer kept for the next batch (P8).
const keepFrame = 4 << 20

func (c *Client) recycle(f *frame) {
	if cap(f.buf)+cap(f.plain) <= keepFrame {
		c.frames.Put(f)
	}
}

// Status says how publishing and reading go.
func (p *Partition) Status() Status { return p.health.snapshot() }
