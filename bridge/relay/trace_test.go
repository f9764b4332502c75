package relay

import (
	"context"
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
