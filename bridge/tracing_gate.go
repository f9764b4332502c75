package bridge

import (
	"context"
	"regexp"
	"strconv"
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

	life context.Context // ends when nothing is waited for any more
	end  context.CancelFunc
}

// newSpanGate puts a queue between the two.
func newSpanGate(exit *spanExit) *spanGate {
	exit.life, exit.end = context.WithCancel(context.Background())
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

// Shutdown posts what is left. When ctx ends, what is still there has failed: either
// way nothing goes on behind it, and every span is counted.
func (g *spanGate) Shutdown(ctx context.Context) error {
	defer g.exit.end()
	defer context.AfterFunc(ctx, g.exit.end)()
	return g.SpanProcessor.Shutdown(context.WithoutCancel(ctx))
}

// ExportSpans posts spans to the collector.
func (e *spanExit) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer e.waiting.Add(-int64(len(spans)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		failed := rejected(err, len(spans))
		e.counted(spanExported, len(spans)-failed)
		e.counted(spanFailed, failed)
		if failed == 0 { // the collector had something to say, and took them all
			return nil
		}
		e.failedLine.Warn(e.log, e.now(), "the collector does not take spans", zap.Int("spans", failed), zap.String("error", e.secrets.strip(err.Error())))
		return nil // it has been said
	}
	e.counted(spanExported, len(spans))
	return nil
}

// partialSuccess is how the exporter says that some of a batch were taken. Its type of
// error is the library's own.
var partialSuccess = regexp.MustCompile(`^traces export: OTLP partial success: [\s\S]* \((\d+) spans rejected\)`)

// rejected is how many of a batch's spans an error is about.
func rejected(err error, all int) int {
	if match := partialSuccess.FindStringSubmatch(err.Error()); match != nil {
		if n, err := strconv.Atoi(match[1]); err == nil {
			return min(n, all)
		}
	}
	return all
}

// countSpans is told how many spans ended how.
type countSpans func(result string, n int)

// What becomes of a span.
const (
	spanExported = "exported"
	spanDropped  = "dropped" // the queue was full
	spanFailed   = "failed"  // the collector did not take it
)
