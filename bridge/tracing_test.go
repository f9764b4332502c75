package bridge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logwatch "go.uber.org/zap/zaptest/observer"

	"github.com/chatbridge/chatbridge/bridge/ingest"
)

// exporterDouble is a collector that answers when it is told to.
type exporterDouble struct {
	answer chan error
}

func (e *exporterDouble) ExportSpans(ctx context.Context, _ []sdk.ReadOnlySpan) error {
	select {
	case err := <-e.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *exporterDouble) Shutdown(context.Context) error { return nil }

// P2, P8: with a collector that does not answer, spans wait up to the bound, those on
// top are dropped at once, and every one is counted. The log says it once, not of each.
func TestSpansThatFindNoRoomAreDroppedAndCounted(t *testing.T) {
	core, logs := logwatch.New(zapcore.DebugLevel)
	results := struct {
		sync.Mutex
		n map[string]int
	}{n: map[string]int{}}
	counted := func(result string) int {
		results.Lock()
		defer results.Unlock()
		return results.n[result]
	}
	collector := &exporterDouble{answer: make(chan error)}
	at := time.Unix(1760000000, 0)
	now := func() time.Time { return at }
	exit := &spanExit{SpanExporter: collector, log: zap.New(core), now: now, counted: func(result string, n int) {
		results.Lock()
		defer results.Unlock()
		results.n[result] += n
	}}
	tracing := newTracing(newSpanGate(exit), 1, "test", now)
	defer tracing.close()
	const more = 300
	for range maxSpans + more {
		_, span := tracing.tracer.Start(t.Context(), "any")
		span.End()
	}
	if n := counted(spanDropped); n != more || exit.waiting.Load() != maxSpans {
		t.Errorf("%d are dropped and %d wait; want %d and %d", n, exit.waiting.Load(), more, maxSpans)
	}
	if lines := logs.TakeAll(); len(lines) != 1 || lines[0].Message != "spans are dropped: the collector is slower than they come" {
		t.Errorf("logged %v", lines)
	}
	collector.answer <- errors.New("busy")
	for counted(spanFailed)+counted(spanExported) < maxSpans {
		collector.answer <- nil
		_ = tracing.provider.ForceFlush(t.Context()) // the next batch does not wait for its time
	}
	if failed, exported := counted(spanFailed), counted(spanExported); failed == 0 || failed+exported != maxSpans {
		t.Errorf("%d failed and %d were exported; want %d in all", failed, exported, maxSpans)
	}
	if lines := logs.TakeAll(); len(lines) != 1 || lines[0].Message != "the collector does not take spans" {
		t.Errorf("logged %v", lines)
	}
}

// What the spool keeps of a span is enough to go on from it; a tracestate over the
// bound is left out, the trace goes on.
func TestATraceGoesOnFromItsText(t *testing.T) {
	tracing := newTracing(sdk.NewSimpleSpanProcessor(&exporterDouble{}), 1, "test", time.Now)
	defer tracing.close()
	long := "k=" + strings.Repeat("v", 250) + ",l=" + strings.Repeat("v", 250) + ",m=" + strings.Repeat("v", 250)
	for state, kept := range map[string]string{"": "", "vendor=x&y": "vendor=x&y", long: ""} {
		header := propagation.HeaderCarrier{}
		header.Set(traceParent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
		header.Set(traceState, state)
		begun := tracing.Begin(map[string][]string(header), time.Now())
		was := trace.SpanContextFromContext(begun.(*callbackTrace).ctx)
		text := begun.Context()
		begun.Answered(ingest.Stored, time.Now())
		is := trace.SpanContextFromContext(tracing.goOn(text))
		if is.TraceID() != was.TraceID() || is.SpanID() != was.SpanID() || is.IsSampled() || is.TraceState().String() != kept {
			t.Errorf("with the state %.20q: went on as %v; want %v with the state %q", state, is, was, kept)
		}
	}
}

// Tracing that is off is nothing at all: no tracer for the endpoint, no hook, no goroutine.
func TestTracingIsOffByDefault(t *testing.T) {
	b := runWith(t, func(*Config) {})
	if b.tracing != nil || b.tracing.forIngest() != nil || b.relayHooks().Published != nil {
		t.Error("tracing is on without an endpoint")
	}
}
