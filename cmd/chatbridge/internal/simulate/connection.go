package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
)

// connection sends one callback after the other until there is none left or ctx
// ends. It returns an error where going on would make the ledger wrong.
func (s *Simulator) connection(ctx context.Context) error {
	w := &worker{Simulator: s, client: client{target: s.target, timeout: s.opt.Timeout}}
	defer w.client.close()
	for ctx.Err() == nil {
		s.mu.Lock()
		d, ok, err := s.plan.next()
		s.mu.Unlock()
		if err != nil || !ok {
			return err
		}
		due, ok := w.waitFor(ctx, d.slot)
		if !ok {
			if d.copies == 0 && d.msg.seq > 0 {
				s.drop(d.msg.stream, d.msg.seq, "stopped before it was sent")
			}
			return nil
		}
		if err := w.deliver(ctx, &d, due); err != nil {
			return err
		}
	}
	return nil
}

// A worker is what one connection works with.
type worker struct {
	*Simulator
	client client
	body   bodyWriter
	query  []byte
	pause  time.Duration // after the last failure to connect, 0 after a success
}

// waitFor waits for a slot's time and returns it; without a rate, it is now.
func (w *worker) waitFor(ctx context.Context, slot uint64) (due time.Time, ok bool) {
	if w.opt.Rate == 0 {
		if w.pause > 0 && !sleep(ctx, w.pause) {
			return time.Time{}, false
		}
		return time.Now(), true
	}
	due = w.start.Add(time.Duration(float64(slot) / w.opt.Rate * float64(time.Second)))
	if wait := time.Until(due); wait > 0 {
		if !sleep(ctx, wait) {
			return time.Time{}, false
		}
		w.count.lag.add(time.Since(due))
	}
	return due, true
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// deliver sends one callback, again if the options say so, and notes its fate.
func (w *worker) deliver(ctx context.Context, d *delivery, due time.Time) error {
	body := w.body.write(&d.msg, d.copies, w.opt.Now().UnixMilli())
	pause := firstPause
	for attempt := 1; ; attempt++ {
		sent := w.opt.Now()
		w.query = w.signer.append(w.query[:0], &d.msg, sent.Unix())
		begun := time.Now()
		a := w.client.post(context.WithoutCancel(ctx), w.query, body, begun)
		took := time.Since(due)
		w.pauseAfter(a)
		tried := w.opt.Retries == -1 || attempt <= w.opt.Retries
		if a.outcome == Stored || !tried || !sleep(ctx, pause) {
			return w.note(d, body, a, attempt, sent, took)
		}
		pause = min(2*pause, longestPause)
	}
}

// pauseAfter lets a closed loop wait where nobody listens, else it would burn
// all its messages in the second that a restart takes.
func (w *worker) pauseAfter(a answer) {
	if a.reason != "connect" {
		w.pause = 0
		return
	}
	w.pause = min(max(2*w.pause, firstPause), longestPause)
}

// note counts a delivery that has come to its end and writes its line.
func (w *worker) note(d *delivery, body []byte, a answer, attempts int, sent time.Time, took time.Duration) error {
	first := a.outcome == Stored && d.told.stored.CompareAndSwap(false, true)
	w.count.add(d, a, first, took)
	if w.ledger == nil && w.watch == nil {
		return nil
	}
	answered := w.opt.Now()
	event, err := d.msg.read(body)
	if err != nil {
		return fmt.Errorf("a simulated callback cannot be read back: %w", err)
	}
	w.tell(Event{
		Outcome: a.outcome, Stream: d.msg.stream.id, Seq: d.msg.seq, Message: event,
		Overtaken: d.overtaken, Copy: d.copies > 0, Status: a.status, Reason: a.reason, Took: took,
	})
	if w.ledger == nil {
		return nil
	}
	id := d.msg.stream.id
	line := ledger.Line{
		Kind: lineKind(a.outcome, first), App: id.AppID, Group: id.GroupID, Topic: id.TopicID,
		Seq: d.msg.seq, Random: d.msg.random, MsgTime: d.msg.madeAt / 1000, ID: event.ID,
		SentAt: sent, AnsweredAt: answered, Attempts: attempts, Reason: a.reason,
	}
	if a.outcome == Refused {
		line.Status = a.status
	}
	return w.ledger.Append(&line)
}

func lineKind(o Outcome, first bool) ledger.Kind {
	switch {
	case o == Stored && first:
		return ledger.OK
	case o == Stored:
		return ledger.Copy
	case o == Refused:
		return ledger.Refused
	default:
		return ledger.Unanswered
	}
}
