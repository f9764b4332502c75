package publisher

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// delivery is one Publish on its way. It belongs to the publishing goroutine.
//
// The rule that everything here serves: an attempt that may have appended is followed by a look at the tail before anything else is
// decided, and what is sent again has the same identity, so that a former attempt that is still on its way is dropped by the broker.
type delivery struct {
	p     *Partition
	batch Batch
	frame *frame
	id    Identity // under which the batch is sent; valid once announced
	from  int64    // the batch cannot lie below

	sent       bool      // an attempt under id may have reached a broker, now or in a former process
	doubt      bool      // … and the tail was not read since
	unanswered time.Time // when the last attempt under id ended that got no answer; zero = all were answered
	verdict    *failure  // reject, resync or fatal: to be carried out once there is no doubt
	waited     bool      // the quarantine before the verdict is over
}

// run is the loop of attempts.
func (d *delivery) run(ctx context.Context) (int64, error) {
	if err := d.begin(ctx); err != nil {
		return 0, err
	}
	for {
		if d.doubt {
			base, found, err := d.look(ctx)
			if err != nil || found {
				return base, err
			}
		}
		if d.verdict != nil {
			done, err := d.carryOut(ctx)
			if err != nil {
				return 0, err
			}
			if !done {
				continue
			}
		}
		base, err := d.send(ctx)
		if err == nil && base >= 0 {
			return base, nil
		}
		if err := d.weigh(ctx, err); err != nil {
			return 0, err
		}
	}
}

// begin gives the batch its identity and finds out from where the tail would be read.
func (d *delivery) begin(ctx context.Context) error {
	d.from = max(d.batch.From, d.p.settled)
	if d.batch.Resend != nil {
		if d.batch.From < 0 && d.p.settled == 0 {
			d.from = 0
		}
		d.id = *d.batch.Resend
		d.frame.setIdentity(d.id)
		// The former attempt counts as one that got no answer just now: nobody knows when it was made.
		d.sent, d.doubt, d.unanswered = true, true, time.Now()
		return nil
	}
	if d.batch.From < 0 && d.p.settled == 0 {
		err := d.p.health.insist(ctx, func(ctx context.Context) error {
			return d.p.atLeader(ctx, func(at place) (err error) {
				d.from, err = d.p.listOffset(ctx, at, timeLatest, replicaConsumer)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	if d.p.producer.fits(d.frame.count) {
		return d.announce()
	}
	return d.renew(ctx)
}

// renew takes a producer whose sequences this partition has never used, and announces the batch's identity under it. The Client's
// shared one is such only once: a sequence used a second time for other messages would be dropped by the broker as known.
func (d *delivery) renew(ctx context.Context) error {
	ask := d.p.client.newProducer
	if !d.p.shared {
		ask, d.p.shared = d.p.client.sharedProducer, true
	}
	err := d.p.health.insist(ctx, func(ctx context.Context) (err error) {
		d.p.producer, err = ask(ctx)
		return err
	})
	if err != nil {
		d.p.producer.valid = false
		return err
	}
	return d.announce()
}

func (d *delivery) announce() error {
	d.id = d.p.producer.identity()
	d.frame.setIdentity(d.id)
	d.sent, d.doubt, d.unanswered = false, false, time.Time{}
	if d.batch.Announce == nil {
		return nil
	}
	return d.batch.Announce(d.id)
}

// look reads the tail until it is known whether the batch is there. A batch that is not there leaves no doubt.
func (d *delivery) look(ctx context.Context) (base int64, found bool, err error) {
	if !searchesTail {
		d.doubt = false
		return 0, false, nil
	}
	err = d.p.health.insist(ctx, func(ctx context.Context) error {
		base, found, err = d.p.search(ctx, d.id, d.frame.count, d.from)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	if hook := d.p.client.cfg.Hooks.TailRead; hook != nil {
		hook(d.p.topic, d.p.id, found)
	}
	d.doubt = false
	return base, found, nil
}

// carryOut does what the verdict asks for, now that the tail was read. done says that the batch may be sent (again); otherwise the
// tail is to be read once more: a verdict ends the batch or gives it another identity, after which a former attempt that is still on
// its way would no longer be dropped. So where one got no answer, it is first given the time to arrive.
func (d *delivery) carryOut(ctx context.Context) (done bool, err error) {
	if !d.unanswered.IsZero() && !d.waited {
		d.waited = true
		rest := d.p.client.cfg.Quarantine - time.Since(d.unanswered)
		if err := d.p.client.sleep(ctx, max(rest, 0)); err != nil {
			return false, err
		}
		d.doubt = true
		return false, nil
	}
	v := d.verdict
	d.verdict, d.waited = nil, false
	switch v.class {
	case classReject:
		d.sent = false
		d.p.health.succeeded()
		if hook := d.p.client.cfg.Hooks.Rejected; hook != nil {
			hook(d.p.topic, d.p.id, d.frame.count, v.label)
		}
		return false, &RejectedError{Code: v.code(), Sentence: v.sentence, Records: culprits(v.err), Err: v.err}
	case classResync:
		if hook := d.p.client.cfg.Hooks.Resynced; hook != nil {
			hook(d.p.topic, d.p.id)
		}
		return true, d.renew(ctx)
	}
	d.sent = false
	return false, v.fatal()
}

// weigh decides what follows from an attempt that did not settle the batch. A nil err stands for a success without an offset.
func (d *delivery) weigh(ctx context.Context, err error) error {
	if err == nil { // an old broker, about a batch that it had already: it is in the tail
		d.doubt = true
		return nil
	}
	f := judge(err)
	if f.class == classAmbiguous {
		d.sent, d.doubt = true, true
	}
	if f.unanswered {
		d.unanswered = time.Now()
	}
	if d.p.client.closed() {
		return ErrClosed
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch f.class {
	case classReject: // the batch is at fault, not Kafka: no failure of the partition
		d.verdict, d.doubt = &f, d.sent
		return nil
	case classFatal:
		d.p.health.failed(f)
		d.verdict, d.doubt = &f, d.sent
		return nil
	case classResync:
		d.p.health.failed(f)
		d.verdict, d.doubt = &f, true
		return nil
	}
	return d.p.health.pause(ctx, f)
}

// left returns the identity of which err leaves the outcome unknown, nil where nothing was sent or the outcome is known. A fault that
// only a person can mend may also come up while the tail is read: then the batch can be there.
func (d *delivery) left(err error) *Identity {
	var rejected *RejectedError
	var fatal *FatalError
	switch {
	case errors.Is(err, errCut):
		if d.p.producer.identity() == d.id {
			d.p.producer.valid = false // its sequence is taken
		}
		return nil
	case !d.sent, errors.As(err, &rejected), errors.As(err, &fatal) && !d.doubt:
		return nil
	}
	id := d.id
	return &id
}

// send makes one attempt: it returns the offset of the first record, or -1 where the broker has the batch but does not say where.
func (d *delivery) send(ctx context.Context) (int64, error) {
	p, k := d.p, d.p.client.cluster
	at, err := k.leader(ctx, p.topic, p.id)
	if err != nil {
		return 0, &lookupError{err}
	}
	timeout := k.cfg.RequestTimeout
	m, err := k.ask(ctx, at.addr, &rawproduce.Request{
		Acks:    int16(kafka.RequireAll),
		Timeout: int32((timeout * 2 / 3).Milliseconds()), // the broker gives up before we do: its answer says more than silence
		Topics: []rawproduce.RequestTopic{{Topic: p.topic, Partitions: []rawproduce.RequestPartition{{
			Partition: int32(p.id),
			RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(d.frame.buf)},
		}}}},
	}, timeout, false)
	if err == nil {
		var base int64
		if base, err = appended(m); err == nil {
			return base, nil
		}
		err = k.cfg.deniedWrite(p.topic, err)
	}
	k.mistrust(p.topic, p.id, at)
	return 0, err
}

// appended reads the answer to a Produce request of one partition.
func appended(m protocol.Message) (int64, error) {
	res := m.(*produce.Response)
	if len(res.Topics) != 1 || len(res.Topics[0].Partitions) != 1 {
		return 0, errors.New("the answer does not name the partition")
	}
	part := &res.Topics[0].Partitions[0]
	if part.ErrorCode == 0 {
		return part.BaseOffset, nil
	}
	return 0, &produceError{code: kafka.Error(part.ErrorCode), message: part.ErrorMessage, records: part.RecordErrors}
}

// produceError is a broker's answer that is not a success.
type produceError struct {
	code    kafka.Error
	message string
	records []produce.ResponseError
}

func (e *produceError) Error() string {
	if e.message == "" {
		return e.code.Error()
	}
	return e.code.Error() + ": " + e.message
}

func (e *produceError) Unwrap() error { return e.code }

// culprits lists the messages that a broker names as the cause.
func culprits(err error) []int {
	var e *produceError
	if !errors.As(err, &e) {
		return nil
	}
	var list []int
	for i := range e.records {
		list = append(list, int(e.records[i].BatchIndex))
	}
	return list
}
