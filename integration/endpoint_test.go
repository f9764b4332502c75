package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// golden reads a file of schema's golden test: what the program does from end to
// end is what the package promises.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../schema/testdata/golden/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// headers of a record as text; each key must be there once.
func headers(t testing.TB, r *kgo.Record) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, h := range r.Headers {
		if _, twice := all[h.Key]; twice {
			t.Errorf("header %s is there twice", h.Key)
		}
		all[h.Key] = string(h.Value)
	}
	return all
}

// count returns a condition for broker.read.
func count(n int) func([]*kgo.Record) bool {
	return func(r []*kgo.Record) bool { return len(r) >= n }
}

// TestSpecificationsExampleBecomesItsEvent: the example of the specification,
// its comments removed, is the one record of the topic: value, key, partition,
// headers and time as the design says.
func TestSpecificationsExampleBecomesItsEvent(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	before := time.Now()
	if a := post(t, b, query(commandAfterSend), golden(t, "specification.callback.json")); !a.ok() {
		t.Fatalf("answer %+v", a)
	}
	after := time.Now()
	r := kafka.read(b.events, count(1))[0]

	var event struct {
		ReceivedAt time.Time `json:"received_at"`
	}
	if err := json.Unmarshal(r.Value, &event); err != nil {
		t.Fatal(err)
	}
	received := event.ReceivedAt
	if received.Before(before.Truncate(time.Millisecond)) || received.After(after) {
		t.Errorf("received_at is %v, the request was made between %v and %v", received, before, after)
	}
	stamp := received.Format("2006-01-02T15:04:05.000Z")
	want := regexp.MustCompile(`"received_at":"[^"]*"`).
		ReplaceAllString(string(golden(t, "specification.event.json")), `"received_at":"`+stamp+`"`)
	if diff := cmp.Diff(want, string(r.Value)); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if string(r.Key) != "@TGS#2J4SZEAEL" {
		t.Errorf("key %q", r.Key)
	}
	if want := javaPartition(r.Key, 12); r.Partition != want {
		t.Errorf("partition %d, Java's default partitioner takes %d", r.Partition, want)
	}
	// The event is years old, so the record has the time of receipt.
	if r.Timestamp.UnixMilli() != received.UnixMilli() {
		t.Errorf("record time %v, received at %v", r.Timestamp, received)
	}
	wantHeaders := map[string]string{
		"ce_specversion":  "1.0",
		"ce_id":           "84576bbc-f585-5051-a48b-fa5512f6cdf0",
		"ce_type":         "com.tencent.chat.group.message.sent",
		"ce_source":       "/tencent-chat/1400000000/groups/@TGS%232J4SZEAEL",
		"ce_subject":      "144115233406643804-1727580296-4026038328",
		"ce_time":         "2022-12-09T08:26:54.123Z",
		"ce_recordedtime": stamp,
		"ce_partitionkey": "@TGS#2J4SZEAEL",
		"ce_dataschema":   headers(t, r)["ce_dataschema"], // schema's own tests fix it
		"content-type":    "application/json",
		// The example is online-only, and such messages have no place in the order.
		"chatbridge-order": "unsequenced",
	}
	if diff := cmp.Diff(wantHeaders, headers(t, r)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// javaPartition is the partition that Java's default partitioner takes: murmur2
// with the sign bit cleared. It is written here once more, from Kafka's
// documentation, so that the program is not judged by itself.
func javaPartition(key []byte, partitions int32) int32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		k = (k ^ k>>24) * m
		h = h*m ^ k
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
	}
	if len(key) > 0 {
		h *= m
	}
	h = (h ^ h>>13) * m
	h ^= h >> 15
	return int32(h&0x7fffffff) % partitions
}

// TestUnreadableBodyIsDeadLettered: P6. It is answered 400, and lies in the
// dead-letter topic whole, with the reason.
func TestUnreadableBodyIsDeadLettered(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	cases := []struct {
		reason, body, key string
	}{
		{"not-json", `{"GroupId": "@TGS#broken", "MsgSeq": 1`, ""},
		{"no-group-id", `{"CallbackCommand":"Group.CallbackAfterSendMsg","MsgSeq":7}`, ""},
		{"duplicate-name", `{"GroupId":"@TGS#twice","MsgSeq":1,"MsgSeq":2}`, ""},
		{"command-mismatch", `{"CallbackCommand":"Group.CallbackAfterNewMemberJoin","GroupId":"@TGS#other"}`, "@TGS#other"},
	}
	bodies := map[string]string{}
	for _, c := range cases {
		bodies[c.body] = c.reason
		a := post(t, b, query(commandAfterSend), []byte(c.body))
		if a.Status != http.StatusBadRequest || a.ActionStatus != "FAIL" || a.ErrorCode == 0 || a.ErrorInfo == "" {
			t.Errorf("%s: answer %+v", c.reason, a)
		}
	}
	b.drained()
	for _, r := range kafka.read(b.dead, count(len(cases))) {
		reason, ours := bodies[string(r.Value)]
		if !ours {
			t.Errorf("dead letter %q is not what was sent", r.Value)
			continue
		}
		delete(bodies, string(r.Value))
		h := headers(t, r)
		if h["chatbridge-reason"] != reason {
			t.Errorf("reason %q of %s", h["chatbridge-reason"], r.Value)
		}
		if h["chatbridge-detail"] == "" {
			t.Errorf("%s: no detail", reason)
		}
		q, err := url.ParseQuery(h["chatbridge-query"])
		if err != nil || q.Get("SdkAppid") != strconv.Itoa(app) || q.Get("CallbackCommand") != commandAfterSend || q.Has("Sign") {
			t.Errorf("%s: query %q (%v)", reason, h["chatbridge-query"], err)
		}
		if _, err := time.Parse(time.RFC3339Nano, h["chatbridge-received-at"]); err != nil {
			t.Errorf("%s: received at %q", reason, h["chatbridge-received-at"])
		}
		for _, c := range cases {
			if c.reason == reason && c.key != "" && string(r.Key) != c.key {
				t.Errorf("%s: key %q", reason, r.Key)
			}
		}
	}
	if len(bodies) > 0 {
		t.Errorf("not dead-lettered: %v", bodies)
	}
}

// TestEndpointTable is the design's table of answers, over the wire. P7: what is
// refused leaves nothing in the spool.
func TestEndpointTable(t *testing.T) {
	t.Parallel()
	b := startBridge(t, nowhere()) // no Kafka is needed to refuse
	body := string(golden(t, "specification.callback.json"))
	without := func(name string) url.Values { q := query(commandAfterSend); q.Del(name); return q }
	with := func(name, value string) url.Values {
		q := query(commandAfterSend)
		q.Set(name, value)
		return q
	}
	for _, c := range []struct {
		name   string
		method string
		path   string
		query  url.Values
		body   string
		status int
	}{
		{"another command is let through", "POST", "", query("Group.CallbackBeforeSendMsg"), `{"GroupId":"g"}`, 200},
		{"a console's check of the URL", "POST", "", url.Values{}, "", 200},
		{"unknown app", "POST", "", with("SdkAppid", "1400000001"), body, 403},
		{"no signature", "POST", "", without("Sign"), body, 401},
		{"wrong signature", "POST", "", with("Sign", strings.Repeat("0", 64)), body, 401},
		{"stale signature", "POST", "", with("RequestTime", "1700000000"), body, 401},
		{"too large", "POST", "", query(commandAfterSend), strings.Repeat("x", 1<<20+1), 413},
		{"not POST", "GET", "", query(commandAfterSend), "", 405},
		{"another path", "POST", "/elsewhere", query(commandAfterSend), body, 404},
		{"empty body with the command", "POST", "", query(commandAfterSend), "", 400},
	} {
		target := b.url + "?" + c.query.Encode()
		if c.path != "" {
			target = strings.Replace(b.url, "/callback", c.path, 1)
		}
		request, err := http.NewRequestWithContext(t.Context(), c.method, target, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := opsClient.Do(request)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		a := readAnswer(t, response)
		action := "FAIL"
		if c.status == http.StatusOK {
			action = "OK"
		}
		if a.Status != c.status || a.ActionStatus != action || (a.ErrorCode == 0) != (c.status == http.StatusOK) {
			t.Errorf("%s: answer %+v, want %d", c.name, a, c.status)
		}
	}
	if n := b.metric("chatbridge_spool_records"); n != 0 {
		t.Errorf("%v records are in the spool", n)
	}
}
