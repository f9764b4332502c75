package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

const testTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nvendor=x&SdkAppid;2"

// storeTraced stores a callback of group g, with or without a trace.
func (r *rig) storeTraced(seq int, body []byte, trace string) {
	r.t.Helper()
	_, err := r.spool.Append(context.Background(), spool.Record{
		ReceivedAt: time.Unix(1760000000+int64(seq), 0), Query: spool.AppendTrace(query(schema.CommandAfterSend), trace), Body: body,
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// The trace that was stored with a callback is told to the hooks, with what they need
// for its spans, and is in its record while that is wanted: no other is. A dead
// letter's query is as it came.
func TestAStoredTraceGoesOn(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		r := newRig(t, 1)
		var mu sync.Mutex
		var told []string
		r.config = func(o *Options) {
			o.TraceHeaders = wanted
			tell := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, what)
			}
			o.Hooks.Decided = func(d Decided) {
				if d.Trace != "" && d.Received.Equal(d.Event.ReceivedAt) {
					tell("decided " + d.Trace)
				}
			}
			o.Hooks.Published = func(p Published) {
				if p.Partition == 0 && p.Offset == 1 && !p.From.IsZero() && !p.To.Before(p.From) {
					tell("published " + p.Trace)
				}
			}
		}
		r.storeTraced(1, body("g", 1, 1), "")
		r.storeTraced(2, body("g", 2, 2), testTrace)
		r.storeTraced(3, []byte("no JSON"), testTrace)
		r.drain()
		if diff := cmp.Diff([]string{"decided " + testTrace, "published " + testTrace}, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		records := 0
		r.read(testTopic, func(_ int, record *publisher.Record) {
			records++
			var traced []string
			for _, h := range record.Headers {
				if strings.HasPrefix(h.Key, "trace") {
					traced = append(traced, h.Key+": "+string(h.Value))
				}
			}
			var want []string
			if parent, state, _ := strings.Cut(testTrace, "\n"); wanted && record.Offset == 1 {
				want = []string{"traceparent: " + parent, "tracestate: " + state}
			}
			if !slices.Equal(traced, want) {
				t.Errorf("headers wanted: %v; record %d has %q, want %q", wanted, record.Offset, traced, want)
			}
		})
		r.read(testDeadTopic, func(_ int, letter *publisher.Record) {
			records++
			for _, h := range letter.Headers {
				if strings.HasPrefix(h.Key, "trace") || h.Key == schema.HeaderQuery && string(h.Value) != string(query(schema.CommandAfterSend)) {
					t.Errorf("the dead letter has %s: %q", h.Key, h.Value)
				}
			}
		})
		if records != 3 {
			t.Errorf("%d records; want 2 and a dead letter", records)
		}
	}
}

// P6: a trace makes no dead letter. An event that its topic takes only without the
// trace goes there without, and its span says so all the same.
func TestATraceMakesNoEventTooLarge(t *testing.T) {
	const events, step, near = 20, 100, 28_000 // bytes of text, which an event has twice; the topic takes 60,000
	trace := testTrace + ",other=" + strings.Repeat("v", 250) + ",another=" + strings.Repeat("v", 200)
	refused := map[bool][]string{}
	for _, wanted := range []bool{true, false} {
		r := newRig(t, 1, smallTopics())
		published := map[string]bool{}
		r.config = func(o *Options) {
			o.TraceHeaders = wanted
			o.Hooks.Published = func(p Published) { published[p.Event.Message.Text[:2]] = true }
		}
		for i := range events {
			seq := 10 + i
			text := fmt.Sprint(seq) + rand.Text()
			for len(text) < near+i*step {
				text += rand.Text()
			}
			message := strings.Replace(string(body("g", seq, uint32(seq))), "message "+fmt.Sprint(seq), text[:near+i*step], 1)
			r.storeTraced(seq, []byte(message), trace)
		}
		r.drain()
		bare := 0
		r.read(testTopic, func(_ int, record *publisher.Record) {
			if !slices.ContainsFunc(record.Headers, func(h publisher.Header) bool { return h.Key == "traceparent" }) {
				bare++
			}
		})
		r.read(testDeadTopic, func(_ int, letter *publisher.Record) {
			refused[wanted] = append(refused[wanted], string(letter.Value[:60]))
		})
		if n := len(refused[wanted]); n == 0 || len(published)+n != events || wanted && (bare == 0 || bare == len(published)) {
			t.Errorf("traces wanted: %v: %d spans, %d dead letters of %d events, %d records without their trace", wanted, len(published), n, events, bare)
		}
	}
	if len(refused[true]) != len(refused[false]) {
		t.Errorf("%d dead letters with traces, %d without", len(refused[true]), len(refused[false]))
	}
}

// A program that does not know traces reads what was stored with one as it came.
func TestAnOlderVersionReadsPastTheTrace(t *testing.T) {
	at := time.Unix(1760000000, 0)
	want, err := schema.ParseQuery(string(query(schema.CommandAfterSend)), at)
	if err != nil {
		t.Fatal(err)
	}
	got, err := schema.ParseQuery(string(spool.AppendTrace(query(schema.CommandAfterSend), testTrace)), at)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-without +with):\n%s", err, diff)
	}
}
