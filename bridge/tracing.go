package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/relay"
)

// tracing is the one door to OpenTelemetry (tracing*.go): it makes four spans of a
// callback, request → append, hold, publish, from what the parts tell. The parts know
// nothing of it: between them goes the text that the spool keeps (traceText).
//
// Nothing waits for it. A span that is done goes into a bounded queue, or is dropped
// and counted; one goroutine of the library posts them. No span has a message's text.
type tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	format   propagation.TraceContext
	now      func() time.Time
}

// Bounds of what waits for the collector, and of how long it is waited for.
const (
	maxSpans      = 2048 // about 2 MiB
	spanBatch     = 512
	spanDelay     = time.Second
	spanTimeout   = 5 * time.Second
	closeTracing  = 2 * time.Second
	maxSpanAnswer = 64 << 10 // bytes that are read of what the collector says
)

// openTracing opens nothing where tracing is off. It connects to nothing yet.
func (b *Bridge) openTracing() error {
	if b.cfg.Tracing.Endpoint == "" {
		return nil
	}
	to, err := b.cfg.Tracing.url()
	if err != nil {
		return errors.New("tracing.endpoint is no URL") // which may hold a secret, and so may err
	}
	log, secrets := b.opt.Logger.Named("tracing"), b.cfg.Tracing.secrets()
	said := &otelLog{log: log, now: b.opt.Now, secrets: secrets}
	otel.SetLogger(logr.New(said)) // before the exporter reads its variables
	otel.SetErrorHandler(said)
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(to), otlptracehttp.WithTimeout(spanTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), otlptracehttp.WithMaxResponseSize(maxSpanAnswer))
	if err != nil {
		return fmt.Errorf("open tracing to tracing.endpoint: %w", err)
	}
	gate := newSpanGate(&spanExit{SpanExporter: exporter, log: log, now: b.opt.Now, counted: b.metrics.countSpans, secrets: secrets})
	b.tracing = newTracing(gate, float64(b.cfg.Tracing.SampleRatio), b.opt.Version, b.opt.Now)
	b.opt.Hooks.Decided = b.tracing.decided(b.opt.Hooks.Decided)
	return nil
}

func newTracing(to sdk.SpanProcessor, ratio float64, version string, now func() time.Time) *tracing {
	// The last wins: a random service.instance.id, what we are, what OTEL_SERVICE_NAME and
	// OTEL_RESOURCE_ATTRIBUTES say. The provider reads those, too, and says what is wrong.
	who, _ := resource.New(context.Background(), resource.WithService(),
		resource.WithAttributes(attribute.String("service.name", "chatbridge"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	provider := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(to),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(ratio))),
		sdk.WithResource(who),
	)
	return &tracing{provider: provider, tracer: provider.Tracer("github.com/chatbridge/chatbridge/bridge"), now: now}
}

// close sends what is left, for as long as that may take. A nil tracing is closed.
func (t *tracing) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTracing)
	defer cancel()
	// A collector that is away keeps nobody from stopping: what it lacks is counted.
	_ = t.provider.Shutdown(ctx)
}

// forIngest is the tracer that the endpoint is given: nil where tracing is off.
func (t *tracing) forIngest() ingest.Tracer {
	if t == nil {
		return nil
	}
	return t
}

// Begin opens the span of a request, or goes on with the trace that it brings. As the
// W3C has it, two traceparents are none, and tracestate is one list on any number of lines.
func (t *tracing) Begin(header http.Header, start time.Time) ingest.Trace {
	ctx := context.Background()
	if parent := header.Values(traceParent); len(parent) == 1 {
		state := strings.Join(header.Values(traceState), ",")
		ctx = t.format.Extract(ctx, propagation.MapCarrier{traceParent: parent[0], traceState: state})
	}
	ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	return &callbackTrace{tracing: t, ctx: ctx, span: span}
}

// callbackTrace is the part of a trace that ends with the answer.
type callbackTrace struct {
	tracing *tracing
	ctx     context.Context // holds span
	span    trace.Span
}

// Context is the request's span, for the spool.
func (c *callbackTrace) Context() string { return c.tracing.traceText(c.ctx) }

// Appended makes the span of storing.
func (c *callbackTrace) Appended(from, to time.Time, err error) {
	_, span := c.tracing.tracer.Start(c.ctx, "append", trace.WithTimestamp(from))
	if err != nil {
		span.SetStatus(codes.Error, "not stored")
	}
	span.End(trace.WithTimestamp(to))
}

// Answered ends the request's span.
func (c *callbackTrace) Answered(o ingest.Outcome, at time.Time) {
	if c.span.IsRecording() {
		c.span.SetAttributes(attribute.String("chatbridge.outcome", o.String()))
		if !o.OK() {
			c.span.SetStatus(codes.Error, o.String())
		}
	}
	c.span.End(trace.WithTimestamp(at))
}

// maxTraceState bounds what of a peer's own tracestate is kept in the spool: what the
// W3C asks everybody to pass on. From a longer one, members over largeMember go first.
const (
	maxTraceState = 512
	largeMember   = 128
)

// The headers of the W3C.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// traceText is a span as the spool keeps it: its traceparent and, behind a newline,
// its tracestate, if there is one. "" = there is no span.
func (t *tracing) traceText(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	t.format.Inject(ctx, carrier)
	state := cutTraceState(carrier[traceState])
	if state == "" {
		return carrier[traceParent]
	}
	return carrier[traceParent] + "\n" + state
}

// cutTraceState leaves out whole members, from the right, until the rest may be kept.
func cutTraceState(state string) string {
	if len(state) <= maxTraceState {
		return state
	}
	members, size := strings.Split(state, ","), len(state)
	for _, over := range [...]int{largeMember, 0} {
		for i := len(members) - 1; i >= 0 && size > maxTraceState; i-- {
			if n := len(members[i]); n > over {
				members, size = slices.Delete(members, i, i+1), size-n-1
			}
		}
	}
	return strings.Join(members, ",")
}

// goOn is the inverse of traceText: what is started in the context is a child of the
// span that was stored.
func (t *tracing) goOn(text string) context.Context {
	parent, state, _ := strings.Cut(text, "\n")
	carrier := propagation.MapCarrier{traceParent: parent}
	if state != "" {
		carrier[traceState] = state
	}
	return t.format.Extract(context.Background(), carrier)
}

// decided makes the span of waiting: from the receipt to the moment at which an event
// may leave, or is dropped as a duplicate. After a backlog it is as long as that was.
func (t *tracing) decided(next func(relay.Decided)) func(relay.Decided) {
	return func(d relay.Decided) {
		if d.Trace != "" {
			seq, _ := d.Event.Sequence()
			_, span := t.tracer.Start(t.goOn(d.Trace), "hold", trace.WithTimestamp(d.Received))
			if span.IsRecording() {
				span.SetAttributes(attribute.String("chatbridge.group", d.Event.Group.ID), attribute.Int64("chatbridge.seq", int64(seq)),
					attribute.String("chatbridge.order", d.Verdict.String()), attribute.Float64("chatbridge.held_seconds", d.Held.Seconds()))
			}
			span.End(trace.WithTimestamp(t.now()))
		}
		if next != nil {
			next(d)
		}
	}
}

// published makes the span of publishing: from the first attempt on the event's batch
// to Kafka's answer.
func (t *tracing) published(p relay.Published) {
	_, span := t.tracer.Start(t.goOn(p.Trace), "publish", trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(p.From))
	if span.IsRecording() {
		seq, _ := p.Event.Sequence()
		span.SetAttributes(attribute.String("chatbridge.group", p.Event.Group.ID), attribute.Int64("chatbridge.seq", int64(seq)),
			attribute.Int("messaging.kafka.partition", p.Partition), attribute.Int64("messaging.kafka.offset", p.Offset))
	}
	span.End(trace.WithTimestamp(p.To))
}

// relayHooks adds the hook that only tracing needs.
func (b *Bridge) relayHooks() relay.Hooks {
	hooks := b.recent.relayHooks(b.metrics.relayHooks(b.opt.Hooks))
	if b.tracing != nil {
		hooks.Published = b.tracing.published
	}
	return hooks
}
