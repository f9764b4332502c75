package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzNormalize holds P6: any body has a defined answer, and an accepted one
// becomes an event that the schema accepts and that reads back as it was.
func FuzzNormalize(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.callback)
	}
	for _, h := range hostileBodies() {
		if len(h.body) < 4096 {
			f.Add([]byte(h.body))
		}
	}
	validate := mustCompile(f, true)
	req := goldenRequest(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		e, err := Normalize(req, body)
		checkAgreement(t, body, e, err)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			return
		}
		checkAccepted(t, body, e)
		out := mustEncode(t, e)
		if len(out) > maxGrowth*len(body)+2048 {
			t.Fatalf("%d bytes became %d", len(body), len(out))
		}
		if err := validate(out); err != nil {
			t.Fatalf("%s\n%v", out, err)
		}
		back, err := Decode(out)
		if err != nil {
			t.Fatalf("%s\n%v", out, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Fatalf("(-normalized +decoded):\n%s", diff)
		}
		if again := mustEncode(t, back); !bytes.Equal(out, again) {
			t.Fatalf("encoded\n%s\nand again\n%s", out, again)
		}
	})
}

// maxGrowth bounds the event's size by the body's. The worst is a list of
// one-digit numbers for a MsgBody: 2 bytes become 28.
const maxGrowth = 16

// checkAgreement holds Check, Peek and Normalize to one answer.
func checkAgreement(t testing.TB, body []byte, e *Event, err error) {
	t.Helper()
	if diff := cmp.Diff(err, Check(CommandAfterSend, body)); diff != "" {
		t.Fatalf("(-Normalize +Check):\n%s", diff)
	}
	group, ok := Peek(body, nil)
	var bad *UnreadableError
	switch {
	case err == nil:
		if !ok || string(group) != e.Group.ID {
			t.Fatalf("Normalize reads group %q, Peek %q, %v", e.Group.ID, group, ok)
		}
	case !errors.As(err, &bad):
		t.Fatalf("%T is not an *UnreadableError", err)
	case ok != (bad.Reason == ReasonCommandMismatch) && bad.Reason != ReasonCommandMismatch:
		t.Fatalf("Normalize: %v; Peek reads %q", err, group)
	}
	if bad != nil && (bad.Reason == "" || bad.Detail == "" || !utf8.ValidString(bad.Detail)) {
		t.Fatalf("%+v", bad)
	}
}

// checkAccepted compares with what the standard library reads from the same
// body. It knows no duplicate names, and replaces invalid bytes one by one.
func checkAccepted(t testing.TB, body []byte, e *Event) {
	t.Helper()
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var twin map[string]any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&twin); err != nil || !json.Valid(body) {
		t.Fatalf("accepted, but encoding/json says %v", err)
	}
	if !utf8.Valid(body) {
		return
	}
	same := func(name, got string) {
		t.Helper()
		if want, _ := twin[name].(string); want != got {
			t.Fatalf("%s is %q in encoding/json, %q here", name, want, got)
		}
	}
	if n, ok := twin["GroupId"].(json.Number); ok {
		twin["GroupId"] = string(n)
	}
	same("GroupId", e.Group.ID)
	same("TopicId", e.Group.TopicID)
	same("Type", e.Group.Type)
	same("MsgId", e.Message.ID)
	same("From_Account", e.Sender.Account)
	same("Operator_Account", e.Sender.Operator)
	same("CloudCustomData", e.Message.CustomData)
	same("MsgPriority", e.Message.Priority)
	if list, ok := twin["MsgBody"].([]any); ok && e.Extra["MsgBody"] == nil {
		n := 0
		for _, item := range list {
			if item != nil {
				n++
			}
		}
		if n != len(e.Message.Elements) {
			t.Fatalf("MsgBody has %d elements, the event %d", n, len(e.Message.Elements))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.event)
	}
	f.Add([]byte(`{"schema":"chat.group-message/v1","id":"00000000-0000-0000-0000-000000000000","group":{"id":"g"},"received_at":"2025-10-09T10:53:25.6789+02:00","message":{"elements":[{"type":"relay","messages":[{"extra":{"a":null}}]}]}}`))
	validate := mustCompile(f, true)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		out := mustEncode(t, e)
		if err := validate(out); err != nil {
			t.Fatalf("%s\n%v", out, err)
		}
		back, err := Decode(out)
		if err != nil {
			t.Fatalf("%s\n%v", out, err)
		}
		if again := mustEncode(t, back); !bytes.Equal(out, again) {
			t.Fatalf("encoded\n%s\nand again\n%s", out, again)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	f.Add(goldenQuery)
	f.Add("SdkAppid=1&SdkAppid=2&ClientIP=%41%zz%&OptPlatform=a+b&OptPlatform=%ff")
	f.Add("%53dkAppid=7&=&&CallbackCommand=x%3D%26")
	f.Fuzz(func(t *testing.T, raw string) {
		req, err := ParseQuery(raw, goldenReceived())
		if (err != nil) != (req.AppID == 0) && req.AppID != 0 {
			t.Fatalf("app id %d with error %v", req.AppID, err)
		}
		for _, s := range []string{req.Command, req.ClientIP, req.Platform} {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
		}
		values, twinErr := url.ParseQuery(raw)
		if twinErr != nil || !utf8.ValidString(values.Get("ClientIP")+values.Get("OptPlatform")+values.Get("CallbackCommand")) {
			return // we are more tolerant
		}
		want := Request{
			AppID: req.AppID, Command: values.Get("CallbackCommand"),
			ClientIP: values.Get("ClientIP"), Platform: values.Get("OptPlatform"), ReceivedAt: goldenReceived(),
		}
		if diff := cmp.Diff(want, req); diff != "" {
			t.Fatalf("%q (-net/url +ours):\n%s", raw, diff)
		}
		if n, ok := wholeNumber([]byte(values.Get("SdkAppid"))); ok != (err == nil) || ok && n != req.AppID {
			t.Fatalf("SdkAppid %q: %d, %v", values.Get("SdkAppid"), req.AppID, err)
		}
	})
}

// A consumer reads headers that anybody may have written.
func FuzzParseHeaders(f *testing.F) {
	e := goldenEvent(f, "specification")
	marks := map[string]string{}
	for _, h := range e.Headers(Unsequenced, Hole{}) {
		marks[h.Key] = string(h.Value)
	}
	f.Add(marks[HeaderID], marks[HeaderType], marks[HeaderSource], marks[HeaderTime], marks[HeaderRecordedTime], "after-hole", "0000000123", "7-9")
	f.Add(marks[HeaderID], marks[HeaderType], "/tencent-chat/1/groups/%", "x", "", "late", "0", "9-7")
	f.Fuzz(func(t *testing.T, id, kind, source, at, received, order, sequence, hole string) {
		values := map[string]string{
			HeaderID: id, HeaderType: kind, HeaderSource: source, HeaderTime: at, HeaderRecordedTime: received,
			HeaderOrder: order, HeaderSequence: sequence, HeaderHole: hole,
		}
		for key, value := range values {
			if value == "" {
				delete(values, key) // is not there
			}
		}
		m, err := ParseHeaders(func(key string) (string, bool) { v, ok := values[key]; return v, ok })
		if err != nil {
			if m != (Marks{}) {
				t.Fatalf("%+v with the error %v", m, err)
			}
			return
		}
		if m.Sequenced && m.Sequence == 0 || m.Sequenced == (m.Order == Unsequenced) {
			t.Fatalf("order %q with the number %d", m.Order, m.Sequence)
		}
		if (m.Order == AfterHole) != (m.Hole.From > 0) || m.Hole.To < m.Hole.From {
			t.Fatalf("order %q with the hole %+v", m.Order, m.Hole)
		}
	})
}
