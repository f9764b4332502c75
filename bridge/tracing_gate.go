package bridge

import (
	"context"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
)

// spanGate stands before the library's queue. It lets in no more than the queue
// holds, so that what is dropped is dropped, and counted, here.
type spanGate struct {
	sdk.SpanProcessor // the queue; what leaves it goes to exit
	exit              *spanExit
	droppedLine       loglimit.Limit
}

// spanExit stands behind the queue and takes what the collector says, which would
// otherwise go to standard error.
type spanExit struct {
	sdk.SpanExporter
	log        *zap.Logger
	now        func() time.Time
	counted    countSpans
	secrets    secrets
	waiting    atomic.Int64 // in the queue or on their way
	failedLine loglimit.Limit
}

// newSpanGate puts a queue between the two.
func newSpanGate(exit *spanExit) *spanGate {
	return &spanGate{exit: exit, SpanProcessor: sdk.NewBatchSpanProcessor(exit, sdk.WithMaxQueueSize(maxSpans),
		sdk.WithMaxExportBatchSize(spanBatch), sdk.WithBatchTimeout(spanDelay), sdk.WithExportTimeout(spanTimeout))}
}

// OnEnd queues a span that is done, or drops it. It does not wait.
func (g *spanGate) OnEnd(s sdk.ReadOnlySpan) {
	e := g.exit
	if e.waiting.Add(1) > maxSpans {
		e.waiting.Add(-1)
		e.counted(spanDropped, 1)
		g.droppedLine.Warn(e.log, e.now(), "spans are dropped: the collector is slower than they come")
		return
	}
	g.SpanProcessor.OnEnd(s)
}

// ExportSpans posts spans to the collector.
func (e *spanExit) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer e.waiting.Add(-int64(len(spans)))
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.counted(spanFailed, len(spans))
		e.failedLine.Warn(e.log, e.now(), "the collector does not take spans", zap.Int("spans", len(spans)), zap.String("error", e.secrets.strip(err.Error())))
		return nil // it has been said
	}
	e.counted(spanExported, len(spans))
	return nil
}

// countSpans is told how many spans ended how.
type countSpans func(result string, n int)

// What becomes of a span.
const (
	spanExported = "exported"
	spanDropped  = "dropped" // the queue was full
	spanFailed   = "failed"  // the collector did not take it
)
