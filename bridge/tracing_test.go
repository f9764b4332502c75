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
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logwatch "go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/proto"

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

// spanCounts counts what became of spans.
type spanCounts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *spanCounts) count(result string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n != 0 {
		c.n[result] += n
	}
}

// is compares what became of all spans so far.
func (c *spanCounts) is(t *testing.T, want map[string]int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff(want, c.n); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// newQueue returns tracing to a collector, what it counts and what it logs.
func newQueue(collector sdk.SpanExporter) (*tracing, *spanCounts, *logwatch.ObservedLogs) {
	core, logs := logwatch.New(zapcore.DebugLevel)
	counted := &spanCounts{n: map[string]int{}}
	exit := &spanExit{SpanExporter: collector, log: zap.New(core), now: time.Now, counted: counted.count}
	return newTracing(newSpanGate(exit), 1, "test", time.Now), counted, logs
}

// end makes n spans and ends them.
func (t *tracing) end(n int) {
	for range n {
		_, span := t.tracer.Start(context.Background(), "any")
		span.End()
	}
}

// P2, P8: with a collector that does not answer, spans wait up to the bound, those on
// top are dropped at once, and every one is counted. The log says it once, not of each.
func TestSpansThatFindNoRoomAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a stalled machine lets nothing time out
		collector := &exporterDouble{answer: make(chan error)}
		tracing, counted, logs := newQueue(collector)
		defer tracing.close()
		const more = 300
		tracing.end(maxSpans + more)
		counted.is(t, map[string]int{spanDropped: more})
		if lines := logs.TakeAll(); len(lines) != 1 || lines[0].Message != "spans are dropped: the collector is slower than they come" {
			t.Errorf("logged %v", lines)
		}
		for range maxSpans / spanBatch {
			collector.answer <- errors.New("busy")
		}
		synctest.Wait()
		counted.is(t, map[string]int{spanDropped: more, spanFailed: maxSpans})
		if lines := logs.TakeAll(); len(lines) != 1 || lines[0].Message != "the collector does not take spans" {
			t.Errorf("logged %v", lines)
		}
		tracing.end(maxSpans) // there is room again
		for range maxSpans / spanBatch {
			collector.answer <- nil
		}
		synctest.Wait()
		counted.is(t, map[string]int{spanDropped: more, spanFailed: maxSpans, spanExported: maxSpans})
	})
}

// A stop waits for the collector as long as it may, and then for nothing: every span
// is counted, and nothing of tracing goes on behind it.
func TestAStopCountsWhatTheCollectorDidNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails where a goroutine stays
		tracing, counted, _ := newQueue(&exporterDouble{answer: make(chan error)})
		tracing.end(maxSpans)
		began := time.Now()
		tracing.close()
		if took := time.Since(began); took != closeTracing {
			t.Errorf("the stop took %v; want %v", took, closeTracing)
		}
		counted.is(t, map[string]int{spanFailed: maxSpans})
	})
}

// Of a batch that a collector takes in part, only the others have failed; and where it
// took all, and says something, none has.
func TestABatchThatIsTakenInPartIsCountedSo(t *testing.T) {
	for rejected, want := range map[int64]map[string]int{
		0: {spanExported: 5}, 2: {spanExported: 3, spanFailed: 2}, 5: {spanFailed: 5}, 1 << 40: {spanFailed: 5},
	} {
		answer, err := proto.Marshal(&collected.ExportTraceServiceResponse{PartialSuccess: &collected.ExportTracePartialSuccess{
			RejectedSpans: rejected, ErrorMessage: "not all (9 spans rejected)\nof them",
		}})
		if err != nil {
			t.Fatal(err)
		}
		collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(answer)
		}))
		defer collector.Close()
		exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(collector.URL+tracesPath))
		if err != nil {
			t.Fatal(err)
		}
		tracing, counted, logs := newQueue(exporter)
		tracing.end(5)
		tracing.close()
		counted.is(t, want)
		if lines := logs.TakeAll(); len(lines) != min(1, want[spanFailed]) {
			t.Errorf("%d rejected: logged %v", rejected, lines)
		}
	}
}

// What the spool keeps of a span is enough to go on from it. As the W3C has it, the
// lines of a tracestate are one list, of which whole members are left out where it is
// too long, the large ones first, then from the right; and two traceparents are none.
func TestATraceGoesOnFromItsText(t *testing.T) {
	tracing := newTracing(sdk.NewSimpleSpanProcessor(&exporterDouble{}), 0, "test", time.Now)
	defer tracing.close()
	const parent, other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00-1bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	member := func(key string, size int) string { return key + "=" + strings.Repeat("v", size-len(key)-1) }
	list := func(members ...string) string { return strings.Join(members, ",") }
	a, b, c, d, e := member("a", 128), member("b", 129), member("c", 128), member("d", 126), member("e", 200)
	for name, test := range map[string]struct {
		parents, states []string
		goesOn          bool
		kept            string
	}{
		"no state":              {[]string{parent}, nil, true, ""},
		"an empty one":          {[]string{parent}, []string{""}, true, ""},
		"one":                   {[]string{parent}, []string{"vendor=x&y"}, true, "vendor=x&y"},
		"on two lines":          {[]string{parent}, []string{"k=1,l=2", "m=3"}, true, "k=1,l=2,m=3"},
		"at the bound":          {[]string{parent}, []string{list(a, c, d, member("m", 127))}, true, list(a, c, d, member("m", 127))},
		"a large one over it":   {[]string{parent}, []string{list(a, b, c, d, "k=1")}, true, list(a, c, d, "k=1")},
		"two large ones":        {[]string{parent}, []string{list(b, e, a, c)}, true, list(b, a, c)},
		"none that is large":    {[]string{parent}, []string{list(a, c, d, member("m", 128), "k=1")}, true, list(a, c, d)},
		"one that is too long":  {[]string{parent}, []string{"k" + strings.Repeat("k", 255) + "=" + strings.Repeat("v", 256)}, true, ""},
		"two parents":           {[]string{parent, other}, []string{"k=1"}, false, ""},
		"the same parent twice": {[]string{parent, parent}, []string{"k=1"}, false, ""},
	} {
		begun := tracing.Begin(http.Header{"Traceparent": test.parents, "Tracestate": test.states}, time.Now())
		was := trace.SpanContextFromContext(begun.(*callbackTrace).ctx)
		text := begun.Context()
		begun.Answered(ingest.Stored, time.Now())
		is := trace.SpanContextFromContext(tracing.goOn(text))
		if goesOn := strings.Contains(parent, was.TraceID().String()); goesOn != test.goesOn {
			t.Errorf("%s: goes on with the request's trace: %v; want %v", name, goesOn, test.goesOn)
		}
		if is.TraceID() != was.TraceID() || is.SpanID() != was.SpanID() || is.IsSampled() || is.TraceState().String() != test.kept {
			t.Errorf("%s: went on as %v; want %v with the state %q", name, is, was, test.kept)
		}
	}
}

// Spans say who they are of, each process for itself; OpenTelemetry's variables win.
func TestOpenTelemetrysVariablesNameTheService(t *testing.T) {
	who := func() map[string]string {
		tracing := newTracing(sdk.NewSimpleSpanProcessor(&exporterDouble{}), 1, "1.2.3", time.Now)
		defer tracing.close()
		_, span := tracing.tracer.Start(t.Context(), "any")
		all := map[string]string{}
		for _, a := range span.(sdk.ReadOnlySpan).Resource().Attributes() {
			all[string(a.Key)] = a.Value.AsString()
		}
		return all
	}
	one, two := who(), who()
	if one["service.name"] != "chatbridge" || one["service.version"] != "1.2.3" || one["service.instance.id"] == "" || one["service.instance.id"] == two["service.instance.id"] {
		t.Errorf("two processes are %v and %v", one, two)
	}
	t.Setenv("OTEL_SERVICE_NAME", "chat-eu")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=bridge-1,deployment.environment.name=test")
	want := map[string]string{"service.name": "chat-eu", "service.version": "1.2.3", "service.instance.id": "bridge-1", "deployment.environment.name": "test"}
	if diff := cmp.Diff(want, who()); diff != "" {
		t.Errorf("the variables name it (-want +got):\n%s", diff)
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

// Tracing that is off is nothing at all: no tracer for the endpoint, no hook.
func TestTracingIsOffByDefault(t *testing.T) {
	b := runWith(t, func(*Config) {})
	if b.tracing != nil || b.tracing.forIngest() != nil || b.relayHooks().Published != nil {
		t.Error("tracing is on without an endpoint")
	}
}
