package integration

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The trace that a test's request brings.
const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
	callersState  = "vendor=opaque&SdkAppid;1,other=2"
)

// chatText is in every message of these tests, and in no span.
const chatText = "a text that nobody else may see"

// postTraced posts a message of a group, with these headers.
func postTraced(t testing.TB, b *bridge, group string, seq int, headers map[string]string) answer {
	t.Helper()
	body := fmt.Sprintf(`{"CallbackCommand":%q,"GroupId":%q,"Type":"Public","From_Account":"jared","MsgSeq":%d,"Random":%d,"MsgTime":1760000000,`+
		`"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":%q}}],"CloudCustomData":%q}`, commandAfterSend, group, seq, seq, chatText, chatText)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"?"+query(commandAfterSend).Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := opsClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, response)
}

// tracedTo is the setting that switches tracing on.
func tracedTo(url string) string { return "tracing.endpoint=" + url }

// byGroup finds the record of each group.
func byGroup(records []*kgo.Record) map[string]*kgo.Record {
	all := map[string]*kgo.Record{}
	for _, r := range records {
		all[string(r.Key)] = r
	}
	return all
}

// TestTraceFromRequestToRecord: a callback's four spans are one trace, that of the
// request where it brings one, and the record carries it on. No span says what was
// said. A trace that is not sampled goes on without spans.
func TestTraceFromRequestToRecord(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	c := newCollector(t)
	b := startBridge(t, kafka, tracedTo(c.server.URL))
	const quietTrace = "1bf7651916cd43dd8448eb211c80319c"
	for group, headers := range map[string]map[string]string{
		"brings": {"traceparent": callersParent, "tracestate": callersState},
		"quiet":  {"traceparent": "00-" + quietTrace + "-" + callersSpan + "-00"},
		"broken": {"traceparent": "00-" + strings.Repeat("0", 32) + "-" + callersSpan + "-01"},
		"none":   nil,
	} {
		if a := postTraced(t, b, group, 7, headers); !a.ok() {
			t.Fatalf("%s: answer %+v", group, a)
		}
	}
	post(t, b, query(commandAfterSend), []byte("no JSON: "+chatText))
	b.drained()
	records := byGroup(kafka.read(b.events, count(4)))

	spans := c.have(callersTrace, "request", "append", "hold", "publish")
	if p := spans["request"].parent; p != callersSpan {
		t.Errorf("the request's parent is %s; want %s", p, callersSpan)
	}
	for _, name := range []string{"append", "hold", "publish"} {
		if p := spans[name].parent; p != spans["request"].id {
			t.Errorf("the parent of %s is %s; want %s, the request", name, p, spans["request"].id)
		}
	}
	for name, s := range spans {
		if s.StartTimeUnixNano == 0 || s.EndTimeUnixNano < s.StartTimeUnixNano {
			t.Errorf("%s lasts from %d to %d", name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
	}
	carried := headers(t, records["brings"])
	if want := "00-" + callersTrace + "-" + spans["request"].id + "-01"; carried["traceparent"] != want || carried["tracestate"] != callersState {
		t.Errorf("the record carries %q, %q; want %q, %q", carried["traceparent"], carried["tracestate"], want, callersState)
	}
	if parent := headers(t, records["quiet"])["traceparent"]; !strings.HasPrefix(parent, "00-"+quietTrace+"-") || !strings.HasSuffix(parent, "-00") {
		t.Errorf("the record of a trace that is not sampled carries %q", parent)
	}
	for _, group := range []string{"broken", "none"} { // they begin a trace of their own
		parent := strings.Split(headers(t, records[group])["traceparent"], "-")
		if len(parent) != 4 || strings.Trim(parent[1], "0") == "" {
			t.Errorf("%s: the record carries %q", group, parent)
			continue
		}
		if p := c.have(parent[1], "request", "append", "hold", "publish")["request"].parent; p != "" {
			t.Errorf("%s: the request has the parent %s", group, p)
		}
	}
	if n := len(c.of(quietTrace)); n != 0 {
		t.Errorf("a trace that is not sampled has %d spans", n)
	}
	letter := headers(t, kafka.read(b.dead, count(1))[0])
	if _, ok := letter["traceparent"]; ok || strings.ContainsRune(letter["chatbridge-query"], '\n') {
		t.Errorf("the dead letter's headers: %v", letter)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range []string{chatText, "jared", appToken, "/callback"} {
		if bytes.Contains(c.raw, []byte(secret)) {
			t.Errorf("the spans say %q", secret)
		}
	}
}

// TestTraceGoesOnAfterAKill: what was stored while there was no Kafka, and by a
// process that was killed, goes on with its trace; and goes on without, where tracing
// was switched off meanwhile.
func TestTraceGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	kafka := newKafka(t, spec{})
	c := newCollector(t)
	b := startBridge(t, kafka, tracedTo(c.server.URL))
	if a := postTraced(t, b, "killed", 1, map[string]string{"traceparent": callersParent, "tracestate": callersState}); !a.ok() {
		t.Fatalf("answer %+v", a)
	}
	request := c.have(callersTrace, "request", "append")["request"]
	b.kill()
	kafka.start()
	b.start()
	b.ready()
	b.drained()
	spans := c.have(callersTrace, "hold", "publish")
	for _, name := range []string{"hold", "publish"} {
		if p := spans[name].parent; p != request.id {
			t.Errorf("the parent of %s is %s; want %s, the request before the kill", name, p, request.id)
		}
	}
	if got, want := headers(t, kafka.read(b.events, count(1))[0])["traceparent"], "00-"+callersTrace+"-"+request.id+"-01"; got != want {
		t.Errorf("the record carries %q; want %q", got, want)
	}

	kafka.kill()
	if a := postTraced(t, b, "switched off", 2, map[string]string{"traceparent": callersParent}); !a.ok() {
		t.Fatalf("answer %+v", a)
	}
	if a := post(t, b, query(commandAfterSend), []byte("no JSON")); a.Status != http.StatusBadRequest {
		t.Fatalf("answer %+v", a)
	}
	b.kill()
	b.set = append(b.set, tracedTo(""))
	kafka.start()
	b.start()
	b.ready()
	b.drained()
	for name, value := range headers(t, byGroup(kafka.read(b.events, count(2)))["switched off"]) {
		if strings.HasPrefix(name, "trace") {
			t.Errorf("tracing is off, and the record carries %s: %s", name, value)
		}
	}
	if q := headers(t, kafka.read(b.dead, count(1))[0])["chatbridge-query"]; strings.ContainsAny(q, "\n") || strings.Contains(q, callersTrace) {
		t.Errorf("the dead letter's query is %q", q)
	}
}

// TestACollectorThatIsAwayChangesNothing: P2. A collector that never answers, and one
// that is not there, stop no answer and no publishing, and no stop of the bridge.
// What finds no room is counted.
func TestACollectorThatIsAwayChangesNothing(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	for name, url := range map[string]string{"Slow": slow.URL, "Dead": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, sharedKafka(t), tracedTo(url))
			ledger := newLedger(t)
			s := send(b, ledger, "--rate", "0", "--count", "3000")
			if s.OK != s.Callbacks || s.Callbacks == 0 {
				t.Errorf("not every callback was answered OK: %v", s)
			}
			t.Log(audit(b, ledger))
			if name == "Slow" {
				if n := b.metric(`chatbridge_trace_spans_total{result="dropped"}`); n == 0 {
					t.Error("no span was dropped, by 12000 for a collector that takes none")
				}
			} else {
				eventually(t, "spans fail", func() error { return b.above(`chatbridge_trace_spans_total{result="failed"}`, 0) })
			}
			b.signal(os.Interrupt)
			if code := b.exit(); code != 0 {
				t.Errorf("serve ended with %d", code)
			}
		})
	}
}
