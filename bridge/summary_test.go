package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logwatch "go.uber.org/zap/zaptest/observer"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

// In trouble the log has one line a minute and not one a record: what was counted,
// once, and nothing where all is well.
func TestTroubleIsOneLineAMinute(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := spool.Open(spool.Options{Dir: dir, MaxBytes: 256 << 20, MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		core, logs := logwatch.New(zapcore.DebugLevel)
		b := &Bridge{opt: Options{Logger: zap.New(core)}, summary: newSummary(), spool: store}
		var passed int // to those who were told before
		answered := b.summary.answered(func(ingest.Outcome, time.Duration) { passed++ })
		hooks := b.summary.relayHooks(relay.Hooks{
			Decided:   func(relay.Decided) { passed++ },
			SentAside: func(string, schema.Reason) { passed++ },
		})
		retried := b.summary.retried(func(string, int, string, error) { passed++ })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.sumUp(ctx)
		}()

		well := func() {
			answered(ingest.Stored, time.Millisecond)
			hooks.Decided(relay.Decided{Verdict: resequence.InOrder})
			hooks.SentAside("callbacks", "")
		}
		trouble := func() {
			for range 1000 {
				answered(ingest.SignatureWrong, time.Millisecond)
				answered(ingest.UnknownApp, time.Millisecond)
				hooks.SentAside("dead", schema.ReasonNotJSON)
				hooks.Decided(relay.Decided{Verdict: resequence.Late})
				retried("events", 3, "refused", errors.New("nobody listens"))
			}
		}
		minute := func(want ...string) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			var got []string
			for _, line := range logs.TakeAll() {
				got = append(got, line.Message)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		}
		well()
		minute()
		trouble()
		well()
		minute("trouble within the last minute")
		minute()
		trouble()
		stop() // the last of it is not lost
		<-done
		lines := logs.TakeAll()
		if len(lines) != 1 {
			t.Fatalf("%d lines at the end: %v", len(lines), lines)
		}
		want := map[string]any{
			"refused":               map[string]any{"signature-wrong": int64(1000), "unknown-app": int64(1000)},
			"dead_letters":          map[string]any{"not-json": int64(1000)},
			"kafka_attempts_failed": map[string]any{"refused": int64(1000)},
			"late":                  int64(1000), "in_spool": int64(0), "spool_bytes": lines[0].ContextMap()["spool_bytes"],
		}
		if diff := cmp.Diff(want, lines[0].ContextMap()); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if passed != 2*3+2*5000 {
			t.Errorf("the next hooks were called %d times", passed)
		}
	})
}

// What counts trouble costs a callback that is well nothing.
func TestTheSummaryAllocatesNothing(t *testing.T) {
	s := newSummary()
	answered, hooks := s.answered(nil), s.relayHooks(relay.Hooks{})
	if n := testing.AllocsPerRun(100, func() {
		answered(ingest.Stored, time.Millisecond)
		answered(ingest.SignatureWrong, time.Millisecond)
		hooks.Decided(relay.Decided{Verdict: resequence.Late})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
