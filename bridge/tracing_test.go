package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// traced runs a bridge that sends spans to a collector, and returns its log.
func traced(t *testing.T, endpoint string) (*Bridge, *logwatch.ObservedLogs) {
	t.Helper()
	core, logs := logwatch.New(zapcore.DebugLevel)
	cfg := testConfig(t, "127.0.0.1:1")
	cfg.ShutdownTimeout, cfg.Tracing.Endpoint = time.Millisecond, endpoint
	b, err := Open(cfg, Options{Version: "test", Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b, logs
}

// lineOf waits for a line, and returns it with all of its fields.
func lineOf(t *testing.T, logs *logwatch.ObservedLogs, message string) map[string]any {
	t.Helper()
	waitUntil(t, "the log says "+message, func() bool { return logs.FilterMessage(message).Len() > 0 })
	return logs.FilterMessage(message).All()[0].ContextMap()
}

// A collector's key that the exporter cannot read goes to the bridge's log, not to
// standard error, and without the key. The check refuses it before that.
func TestAKeyThatCannotBeReadIsNotRepeated(t *testing.T) {
	const headers = "Authorization: Bearer planted-collector-secret"
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers)
	_, logs := traced(t, "http://127.0.0.1:1")
	if line := lineOf(t, logs, "opentelemetry complains"); line["text"] != "parse headers" {
		t.Errorf("logged %v", line)
	}
	for _, entry := range logs.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "planted") {
			t.Errorf("the log holds the key: %s", text)
		}
	}
}

// What a collector answers is cut before it is logged, and neither it nor the URL
// shows the key or a token in the path.
func TestWhatACollectorSaysIsCutAndMasked(t *testing.T) {
	const key, token = "planted-collector-secret", "planted-token-of-the-path"
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20"+key)
	for name, more := range map[string]string{"short": "", "long": strings.Repeat(" so", 10000), "endless": strings.Repeat("x", 3<<20)} {
		collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, r.Header.Get("Authorization")+" is no key of "+r.URL.Path+more)
		}))
		b, logs := traced(t, collector.URL+"/for/"+token+"/v1/traces")
		postMessage(t, b, 1)
		text := lineOf(t, logs, "the collector does not take spans")["error"].(string)
		if len(text) > mostOfComplaint+10 || strings.Contains(text, "planted") {
			t.Errorf("%s: logged %d bytes: %.2000s", name, len(text), text)
		}
		if name == "short" && !strings.Contains(text, "/for/"+mask+"/v1/traces: 400 Bad Request (body: Bearer "+mask+" is no key of") {
			t.Errorf("the line does not say what is wrong: %s", text)
		}
		if name == "endless" && !strings.Contains(text, "response body too large") {
			t.Errorf("all of an endless answer was read: %s", text)
		}
		collector.Close()
	}
}

// A collector's URL is shown but for what may be a secret in it.
func TestTheCollectorsPathIsMasked(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"": "", "http://a-collector-with-a-long-name:4318": "http://a-collector-with-a-long-name:4318", "https://c/v1/traces": "https://c/v1/traces",
		"https://c/in/0123456789abcdef/v1": "https://c/in/" + mask + "/v1", "https://0123456789abcdef/0123456789abcdef": "https://0123456789abcdef/" + mask,
		"https://c/0123456789%2Fabcdef": "https://c/" + mask, "http://u:p@c": mask, "http://c/?key=k": mask, "collector:4317": mask,
	} {
		settings := LoadConfig(Sources{Environ: []string{"CHATBRIDGE_TRACING_ENDPOINT=" + endpoint}})
		if endpoint == "" {
			settings = LoadConfig(Sources{})
		}
		shown, err := settings.Masked()
		if err != nil {
			t.Fatal(err)
		}
		if got := shown["tracing"].(map[string]any)["endpoint"]; got != want {
			t.Errorf("%q is shown as %q; want %q", endpoint, got, want)
		}
	}
}

// Headers that the exporter would leave out are a fault, which says where it is, and
// nothing of the key.
func TestHeadersThatTheCollectorWouldNotGetAreAFault(t *testing.T) {
	const end = "; write name=value, a comma between two, and each value percent-encoded"
	for _, c := range []struct{ variable, value, want string }{
		{"OTEL_EXPORTER_OTLP_HEADERS", "", ""},
		{"OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20key, x-team = chat,", ""},
		{"OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer key", "OTEL_EXPORTER_OTLP_HEADERS, whose part 1 has no ="},
		{"OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Basic a2V5==", "OTEL_EXPORTER_OTLP_HEADERS, whose part 1 does not begin with a header's name and ="},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-team=chat,key", "OTEL_EXPORTER_OTLP_TRACES_HEADERS, whose part 2 has no ="},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=100%key", "OTEL_EXPORTER_OTLP_TRACES_HEADERS, whose part 1 has a % that is none of percent-encoding; write %25"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			cfg := validConfig()
			checkConfigFaults(t, cfg, "") // tracing is off
			cfg.Tracing.Endpoint = "http://c:4318"
			if c.want != "" {
				c.want = "tracing.endpoint: is to be used with the headers of the variable " + c.want + end
			}
			checkConfigFaults(t, cfg, c.want)
		})
	}
}

// Tracing that is off is nothing at all: no tracer for the endpoint, no hook, no goroutine.
func TestTracingIsOffByDefault(t *testing.T) {
	b := runWith(t, func(*Config) {})
	if b.tracing != nil || b.tracing.forIngest() != nil || b.relayHooks().Published != nil {
		t.Error("tracing is on without an endpoint")
	}
}
