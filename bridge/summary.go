package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/schema"
)

// summary counts what goes wrong, so that the log has one line about a minute of
// trouble and not one about each record of it. The parts' hooks feed it; nothing of
// it lies on the way of a callback that is well.
type summary struct {
	refused [1 << 8]atomic.Int64 // by ingest.Outcome, a byte
	late    atomic.Int64

	mu       sync.Mutex // guards what follows
	letters  map[string]int64
	attempts map[string]int64 // that failed, by class
}

func newSummary() *summary {
	return &summary{letters: map[string]int64{}, attempts: map[string]int64{}}
}

// answered counts answers that were not OK, and tells next.
func (s *summary) answered(next func(ingest.Outcome, time.Duration)) func(ingest.Outcome, time.Duration) {
	return func(o ingest.Outcome, took time.Duration) {
		if !o.OK() {
			s.refused[o].Add(1)
		}
		if next != nil {
			next(o, took)
		}
	}
}

// relayHooks counts messages that came late and dead letters, and tells next.
func (s *summary) relayHooks(next relay.Hooks) relay.Hooks {
	out := next
	out.Decided = func(d relay.Decided) {
		if d.Verdict == resequence.Late {
			s.late.Add(1)
		}
		if next.Decided != nil {
			next.Decided(d)
		}
	}
	out.SentAside = func(topic string, reason schema.Reason) {
		if reason != "" {
			s.count(s.letters, string(reason))
		}
		if next.SentAside != nil {
			next.SentAside(topic, reason)
		}
	}
	return out
}

// retried counts attempts that failed, and tells next.
func (s *summary) retried(next func(string, int, string, error)) func(string, int, string, error) {
	return func(topic string, partition int, class string, err error) {
		s.count(s.attempts, class)
		next(topic, partition, class, err)
	}
}

func (s *summary) count(in map[string]int64, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in[what]++
}

// take returns what was counted since the last time, as a line's fields; none
// where all was well.
func (s *summary) take() []zap.Field {
	var fields []zap.Field
	refused := map[string]int64{}
	for _, o := range ingest.Outcomes() {
		if n := s.refused[o].Swap(0); n > 0 {
			refused[o.String()] = n
		}
	}
	s.mu.Lock()
	letters, attempts := s.letters, s.attempts
	s.letters, s.attempts = map[string]int64{}, map[string]int64{}
	s.mu.Unlock()
	for _, part := range []struct {
		key    string
		counts map[string]int64
	}{{"refused", refused}, {"dead_letters", letters}, {"kafka_attempts_failed", attempts}} {
		if len(part.counts) > 0 {
			fields = append(fields, zap.Object(part.key, counts(part.counts)))
		}
	}
	if n := s.late.Swap(0); n > 0 {
		fields = append(fields, zap.Int64("late", n))
	}
	return fields
}

// counts is numbers by name, in a line.
type counts map[string]int64

// MarshalLogObject writes them.
func (c counts) MarshalLogObject(e zapcore.ObjectEncoder) error {
	for name, n := range c {
		e.AddInt64(name, n)
	}
	return nil
}

// sumUp writes the summary of each minute in which something went wrong, and the
// last one when ctx ends.
func (b *Bridge) sumUp(ctx context.Context) {
	each := time.NewTicker(loglimit.Each)
	defer each.Stop()
	for {
		select {
		case <-each.C:
			b.sayTrouble()
		case <-ctx.Done():
			b.sayTrouble()
			return
		}
	}
}

// sayTrouble writes one line, if there is something to say.
func (b *Bridge) sayTrouble() {
	fields := b.summary.take()
	if len(fields) == 0 {
		return
	}
	stat := b.spool.Stat()
	b.opt.Logger.Warn("trouble within the last minute", append(fields, zap.Int64("in_spool", stat.Records), zap.Int64("spool_bytes", stat.Bytes))...)
}
