package integration

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A collector takes spans as OpenTelemetry's does: OTLP over HTTP.
type collector struct {
	t      testing.TB
	server *httptest.Server

	mu    sync.Mutex
	spans []span
	raw   []byte // all that was posted
}

// A span is one, its ids in hex.
type span struct {
	name, trace, id, parent string
	*otlp.Span
}

func newCollector(t testing.TB) *collector {
	t.Helper()
	c := &collector{t: t}
	c.server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.server.Close)
	return c
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collected.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("spans posted to %s: %v", r.URL.Path, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, span{
					s.Name, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId), s,
				})
			}
		}
	}
}

// of returns the spans of a trace by name; one that is there twice fails the test
// unless its name is allowed to be.
func (c *collector) of(trace string) map[string]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]span{}
	for _, s := range c.spans {
		if s.trace == trace {
			if _, twice := all[s.name]; twice {
				c.t.Errorf("the span %s is in trace %s twice", s.name, trace)
			}
			all[s.name] = s
		}
	}
	return all
}

// have waits until a trace has these spans, and returns all of its spans.
func (c *collector) have(trace string, names ...string) map[string]span {
	c.t.Helper()
	var all map[string]span
	eventually(c.t, "the collector has the spans", func() error {
		all = c.of(trace)
		for _, name := range names {
			if _, ok := all[name]; !ok {
				return fmt.Errorf("trace %s has no span %s, of %d", trace, name, len(all))
			}
		}
		return nil
	})
	return all
}
