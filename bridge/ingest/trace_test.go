package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// tracerDouble writes down what it is told.
type tracerDouble struct {
	answered chan struct{} // one message an answer, which comes after the peer has it

	mu   sync.Mutex
	told []string
}

func (d *tracerDouble) tell(form string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, fmt.Sprintf(form, args...))
}

func (d *tracerDouble) taken() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	told := d.told
	d.told = nil
	return told
}

func (d *tracerDouble) Begin(h http.Header, start time.Time) Trace {
	d.tell("begin %s %d", h.Get("traceparent"), start.Unix())
	return (*traceDouble)(d)
}

type traceDouble tracerDouble

func (d *traceDouble) Context() string { return "the context\nits state" }

func (d *traceDouble) Appended(from, to time.Time, err error) {
	(*tracerDouble)(d).tell("appended %d %d %v", from.Unix(), to.Unix(), err)
}

func (d *traceDouble) Answered(o Outcome, at time.Time) {
	(*tracerDouble)(d).tell("answered %s %d", o, at.Unix())
	d.answered <- struct{}{}
}

// A kept callback's trace is begun, told of the store and of the answer, and stored
// with it. Who is refused before he is known, or sends what is not kept, makes none (P7).
func TestWhatIsKeptIsTraced(t *testing.T) {
	t.Parallel()
	d := &tracerDouble{answered: make(chan struct{}, 1)}
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.Tracer = d })
	told := func(raw string, want ...string) {
		t.Helper()
		f.exchange(t, raw)
		if len(want) > 0 {
			within(t, "the end of the trace", d.answered)
		}
		if diff := cmp.Diff(want, d.taken()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	}
	begun, kept := fmt.Sprintf("begin a-parent %d", clock), fmt.Sprintf("appended %d %d <nil>", clock, clock)
	told(request("POST", path+"?"+goodQuery(), goodBody, "Traceparent: a-parent"), begun, kept, fmt.Sprintf("answered stored %d", clock))
	told(request("POST", path+"?"+goodQuery(), "hello", "Traceparent: a-parent"), begun, kept, fmt.Sprintf("answered unreadable %d", clock))
	told(request("POST", path+"?"+sign(signedApp, message, "another-token", clock), goodBody, "Traceparent: a-parent"))
	told(request("POST", path+"?"+sign(signedApp, "another.command", token, clock), goodBody, "Traceparent: a-parent"))
	for _, r := range f.store.kept() {
		query, trace := spool.CutTrace(r.Query)
		if string(trace) != "the context\nits state" || strings.Contains(string(query), "\n") || strings.Contains(string(query), "Sign") {
			t.Errorf("stored the query %q with the trace %q", query, trace)
		}
	}
	full := errors.New("no disk")
	f.store.mu.Lock()
	f.store.lasting = full
	f.store.mu.Unlock()
	told(request("POST", path+"?"+goodQuery(), goodBody, "Traceparent: a-parent"),
		begun, fmt.Sprintf("appended %d %d %v", clock, clock, full), fmt.Sprintf("answered store-failed %d", clock))
}

// A panic ends the trace of its request.
func TestAPanicEndsItsTrace(t *testing.T) {
	t.Parallel()
	d := &tracerDouble{answered: make(chan struct{}, 1)}
	f := newFixture(t, func(cfg *Config, s *storeDouble) { cfg.Tracer, s.panics = d, "a fault" })
	f.exchange(t, request("POST", path+"?"+goodQuery(), goodBody, "Traceparent: a-parent"))
	within(t, "the end of the trace", d.answered)
	want := []string{fmt.Sprintf("begin a-parent %d", clock), fmt.Sprintf("answered panic %d", clock)}
	if diff := cmp.Diff(want, d.taken()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// Without a tracer a record has the bytes that it always had, whatever a request's
// headers say.
func TestWithoutATracerNothingIsAdded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.exchange(t, request("POST", path+"?"+goodQuery(), goodBody, "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	kept := f.store.kept()
	if len(kept) != 1 || string(kept[0].Query) != string(appendWithoutSign(nil, goodQuery())) || string(kept[0].Body) != goodBody {
		t.Errorf("stored %q", kept)
	}
}
