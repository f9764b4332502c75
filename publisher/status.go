package publisher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Status says how the work on a partition goes. Partition -1 stands for look-ups that concern the topic as a whole.
type Status struct {
	Topic     string
	Partition int
	OK        bool      // the last attempt succeeded, or none was made yet
	Class     string    // of the last failure, a short constant such as "not-leader"; "" when OK
	Sentence  string    // what is wrong and what to do next; "" when OK
	Since     time.Time // of the first failure in a row
	Attempts  int       // failures in a row
	Err       error     // the last failure
}

// health keeps one Status and paces the attempts that it counts. Safe for concurrent use.
type health struct {
	client *Client
	mu     sync.Mutex
	status Status
}

func newHealth(c *Client, topic string, partition int) *health {
	return &health{client: c, status: Status{Topic: topic, Partition: partition, OK: true}}
}

func (h *health) snapshot() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// failed notes a failure, says it to the log and the hook, and returns how many there were in a row.
func (h *health) failed(f failure) int {
	h.mu.Lock()
	s := &h.status
	if s.OK {
		s.OK, s.Since, s.Attempts = false, time.Now(), 0
	}
	s.Attempts++
	s.Class, s.Sentence, s.Err = f.label, f.sentence, f.err
	now := *s
	h.mu.Unlock()

	if hook := h.client.cfg.Hooks.Retried; hook != nil {
		hook(now.Topic, now.Partition, f.label, f.err)
	}
	if more, ok := h.client.gate.pass(f.sentence, time.Now()); ok {
		h.client.cfg.Logger.Warn("kafka attempt failed, trying again", append(now.fields(),
			zap.String("class", f.label), zap.String("sentence", f.sentence), zap.Int("not_logged", more), zap.Error(f.err))...)
	}
	return now.Attempts
}

// succeeded notes a success.
func (h *health) succeeded() {
	h.mu.Lock()
	was := h.status
	h.status = Status{Topic: was.Topic, Partition: was.Partition, OK: true}
	h.mu.Unlock()
	if was.OK {
		return
	}
	if more, ok := h.client.gate.pass("recovered", time.Now()); ok {
		h.client.cfg.Logger.Info("kafka works again", append(was.fields(),
			zap.String("class", was.Class), zap.Duration("after", time.Since(was.Since)), zap.Int("not_logged", more))...)
	}
}

func (s Status) fields() []zap.Field {
	return []zap.Field{zap.String("topic", s.Topic), zap.Int("partition", s.Partition), zap.Int("attempts", s.Attempts)}
}

// pause notes f and waits before the next attempt.
func (h *health) pause(ctx context.Context, f failure) error {
	attempts := h.failed(f)
	return h.client.sleep(ctx, backoff(&h.client.cfg, attempts, rand.Float64()))
}

// backoff is the wait after the n-th failure in a row: twice as long each time up to RetryMax, of which the upper half is random so
// that partitions that failed together do not come back together. random is in [0, 1).
func backoff(cfg *Config, n int, random float64) time.Duration {
	d := cfg.RetryMin
	for i := 1; i < n && d < cfg.RetryMax; i++ {
		d *= 2
	}
	d = min(d, cfg.RetryMax)
	return d/2 + time.Duration(random*float64(d/2))
}

// handed marks an error of the caller's own function: it is not Kafka's, and goes back as it is.
type handed struct{ err error }

func (e *handed) Error() string { return e.err.Error() }
func (e *handed) Unwrap() error { return e.err }

// persist calls do until it succeeds, as long as ctx, the Client and Config.Patience allow. It is for what changes nothing.
func (h *health) persist(ctx context.Context, do func(context.Context) error) error {
	err := h.repeat(ctx, h.client.cfg.Patience, do)
	if err == nil {
		h.succeeded()
	}
	return err
}

// insist is persist for a step of Publish: without an end, and without taking the step's success for that of the whole.
func (h *health) insist(ctx context.Context, do func(context.Context) error) error {
	return h.repeat(ctx, 0, do)
}

func (h *health) repeat(ctx context.Context, patience time.Duration, do func(context.Context) error) error {
	begin := time.Now()
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		var own *handed
		var damaged *CorruptError
		switch {
		case errors.As(err, &own):
			return own.err
		case errors.As(err, &damaged), errors.Is(err, ErrClosed), h.client.closed():
			return h.client.ended(err)
		}
		f := judge(err)
		if f.class == classFatal {
			h.failed(f)
			return f.fatal()
		}
		if ctx.Err() == nil && patience > 0 && time.Since(begin) >= patience {
			h.failed(f)
			return &UnavailableError{Sentence: f.sentence, Err: f.err}
		}
		if ctx.Err() == nil {
			err = h.pause(ctx, f)
		}
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil && errors.Is(f.err, ctx.Err()):
			return h.gaveUp(ctx.Err())
		case ctx.Err() != nil:
			return &UnavailableError{Sentence: f.sentence, Err: fmt.Errorf("%w; before that: %w", ctx.Err(), f.err)}
		}
	}
}

// gaveUp tells the last failure before the context ended, where there was one.
func (h *health) gaveUp(end error) error {
	if s := h.snapshot(); !s.OK {
		return &UnavailableError{Sentence: s.Sentence, Err: fmt.Errorf("%w; before that: %w", end, s.Err)}
	}
	return end
}

// UnavailableError says that a read or look-up did not succeed in the time it had. It wraps the last failure, and the context's
// error where that ended it.
type UnavailableError struct {
	Sentence string // what is wrong and what to do
	Err      error
}

func (e *UnavailableError) Error() string { return e.Sentence + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

func (f failure) fatal() *FatalError {
	return &FatalError{Code: f.code(), Sentence: f.sentence, Err: f.err}
}

func (f failure) code() int {
	var code kafka.Error
	errors.As(f.err, &code)
	return int(code)
}

// logGate keeps a storm of retries from flooding the log: each fault is said at once, and again after logEvery, which doubles each time
// up to logLast. What has not been seen for logLast is new.
type logGate struct {
	mu   sync.Mutex
	said map[string]*saying // by what is wrong
}

type saying struct {
	next time.Time     // until then it is counted only
	gap  time.Duration // to the one after
	more int
}

const (
	logEvery = 10 * time.Second
	logLast  = 10 * time.Minute
)

// pass says whether a line about what may be logged at now, and how many were not since the last one.
func (g *logGate) pass(what string, now time.Time) (more int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, s := range g.said {
		if now.Sub(s.next) > logLast {
			delete(g.said, key)
		}
	}
	if g.said == nil {
		g.said = make(map[string]*saying)
	}
	s := g.said[what]
	if s == nil {
		g.said[what] = &saying{next: now.Add(logEvery), gap: 2 * logEvery}
		return 0, true
	}
	if now.Before(s.next) {
		s.more++
		return 0, false
	}
	more, s.more = s.more, 0
	s.next, s.gap = now.Add(s.gap), min(2*s.gap, logLast)
	return more, true
}
