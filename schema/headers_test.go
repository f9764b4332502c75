package schema

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func asLines(list []Header) string {
	var b strings.Builder
	for _, h := range list {
		fmt.Fprintf(&b, "%s: %s\n", h.Key, h.Value)
	}
	return b.String()
}

func TestHeadersOfTheSpecificationsExample(t *testing.T) {
	got := asLines(goldenEvent(t, "specification").Headers(Unsequenced, Hole{}))
	const want = `ce_specversion: 1.0
ce_id: 84576bbc-f585-5051-a48b-fa5512f6cdf0
ce_type: com.tencent.chat.group.message.sent
ce_source: /tencent-chat/1400000000/groups/@TGS%232J4SZEAEL
ce_subject: 144115233406643804-1727580296-4026038328
ce_time: 2022-12-09T08:26:54.123Z
ce_recordedtime: 2025-10-09T08:53:25.678Z
ce_partitionkey: @TGS#2J4SZEAEL
ce_dataschema: https://github.com/chatbridge/chatbridge/raw/main/schema/event.v1.schema.json
content-type: application/json
chatbridge-order: unsequenced
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHeadersAfterAHole holds P5: the record says which numbers are missing.
func TestHeadersAfterAHole(t *testing.T) {
	got := asLines(goldenEvent(t, "topic-and-mentions").Headers(AfterHole, Hole{From: 7, To: 9}))
	for _, want := range []string{
		"ce_source: /tencent-chat/1400000000/groups/@TGS%23_@TGS%23cOWNVALUE62CJ/topics/@TGS%23_@TGS%23cOWNVALUE62CJ@TOPIC%23_general\n",
		"ce_partitionkey: @TGS#_@TGS#cOWNVALUE62CJ\nce_sequence: 0000000001\nce_dataschema: ",
		"chatbridge-order: after-hole\nchatbridge-hole: 7-9\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	got = asLines(goldenEvent(t, "topic-and-mentions").Headers(Late, Hole{From: 7, To: 9}))
	if strings.Contains(got, HeaderHole) {
		t.Errorf("a hole on a late record:\n%s", got)
	}
}

// TestAppendedHeadersLeaveWhatStandsBefore: headers of several events in the same
// memory, too small at first, are those that each has by itself.
func TestAppendedHeadersLeaveWhatStandsBefore(t *testing.T) {
	first, second := goldenEvent(t, "specification"), goldenEvent(t, "topic-and-mentions")
	hole := Hole{From: 7, To: 9}
	list, text := first.AppendHeaders(nil, make([]byte, 0, 8), Unsequenced, Hole{})
	list, _ = second.AppendHeaders(list, text, AfterHole, hole)
	want := append(first.Headers(Unsequenced, Hole{}), second.Headers(AfterHole, hole)...)
	if diff := cmp.Diff(asLines(want), asLines(list)); diff != "" {
		t.Errorf("(-each by itself +appended):\n%s", diff)
	}
}

func TestSequencesSortAsText(t *testing.T) {
	for n, want := range map[uint64]string{
		1: "0000000001", 4294967295: "4294967295", 9999999999: "9999999999",
		12345678901: "12345678901", 9223372036854775807: "9223372036854775807", 1000000000: "1000000000", 999999999: "0999999999",
	} {
		if got := string(appendSequence(nil, n)); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

// TestHeadersReadBack: ParseHeaders is the inverse of Headers for every event.
func TestHeadersReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := maker{t: t}
		e := m.event()
		seq, sequenced := e.Sequence()
		order, hole := Unsequenced, Hole{}
		if sequenced {
			order = rapid.SampledFrom([]Order{InOrder, AfterHole, Late, Reset}).Draw(t, "order")
		}
		if order == AfterHole {
			hole.From = rapid.Uint64Range(1, 1<<62).Draw(t, "from")
			hole.To = hole.From + rapid.Uint64Max(1<<62).Draw(t, "more")
		}
		list := e.Headers(order, hole)
		got, err := ParseHeaders(getter(list))
		if err != nil {
			t.Fatal(err)
		}
		want := Marks{
			ID: e.Identity(), Stream: e.Stream(), Sequence: seq, Sequenced: sequenced, Order: order, Hole: hole,
			MessageID: e.Message.ID, Time: e.Time(), ReceivedAt: e.ReceivedAt,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-event +marks):\n%s", diff)
		}
		seen := map[string]bool{}
		for _, h := range list {
			if seen[h.Key] || cap(h.Value) != len(h.Value) {
				t.Fatalf("%s is there twice, or its value can grow into the next", h.Key)
			}
			seen[h.Key] = true
		}
	})
}

func TestDamagedHeadersAreNamed(t *testing.T) {
	e := goldenEvent(t, "public-text")
	for _, c := range []struct{ key, value, says string }{
		{HeaderID, "", HeaderID},
		{HeaderID, "12", HeaderID},
		{HeaderType, "com.example", HeaderType},
		{HeaderSource, "/tencent-chat/x/groups/g", HeaderSource},
		{HeaderSource, "/tencent-chat/1/groups/", HeaderSource},
		{HeaderSource, "/tencent-chat/1/groups/g/topics/", HeaderSource},
		{HeaderSource, "/tencent-chat/1/groups/a%2fb", HeaderSource},
		{HeaderSource, "/tencent-chat/01/groups/a", HeaderSource},
		{HeaderSource, "/tencent-chat/1/groups/a/b", HeaderSource},
		{HeaderTime, "yesterday", HeaderTime},
		{HeaderRecordedTime, "", HeaderRecordedTime},
		{HeaderSequence, "42", HeaderSequence},
		{HeaderSequence, "0000000000", HeaderSequence},
		{HeaderOrder, "ordered", HeaderOrder},
		{HeaderOrder, "unsequenced", "does not go with"},
		{HeaderOrder, "after-hole", "does not go with"},
		{HeaderHole, "3-2", HeaderHole},
		{HeaderHole, "0-2", HeaderHole},
		{HeaderHole, "1", HeaderHole},
		{HeaderHole, "1-2", "does not go with"},
	} {
		get := getter(e.Headers(InOrder, Hole{}))
		_, err := ParseHeaders(func(key string) (string, bool) {
			if key == c.key {
				return c.value, c.value != ""
			}
			return get(key)
		})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s=%q: error %v", c.key, c.value, err)
		}
	}
}

func TestSourceIsOnePathWithOneSegmentForEachID(t *testing.T) {
	for want, s := range map[string]Stream{
		"/tencent-chat/1400000000/groups/@TGS%232J4SZEAEL":      {1400000000, "@TGS#2J4SZEAEL", ""},
		"/tencent-chat/1/groups/room%207%2F%23east":             {1, "room 7/#east", ""},
		"/tencent-chat/1/groups/a%3F%25%22%5B/topics/%E7%BE%A4": {1, `a?%"[`, "群"},
		"/tencent-chat/1/groups/-._~!$&'()*+,;=:@":              {1, "-._~!$&'()*+,;=:@", ""},
		"/tencent-chat/1/groups/%2E%2E/topics/%2E":              {1, "..", "."},
		"/tencent-chat/1/groups/.../topics/%00":                 {1, "...", "\x00"},
	} {
		if got := s.Source(); got != want {
			t.Errorf("%+v: source %q, want %q", s, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Stream{
			AppID:   rapid.Uint64().Draw(t, "app"),
			GroupID: rapid.StringN(1, 8, -1).Draw(t, "group"),
			TopicID: rapid.String().Draw(t, "topic"),
		}
		back, err := ParseSource(s.Source())
		if err != nil || back != s {
			t.Fatalf("%+v reads back as %+v, %v", s, back, err)
		}
		u, err := url.Parse(s.Source())
		if err != nil || strings.Count(u.EscapedPath(), "/") != strings.Count(u.Path, "/")-strings.Count(s.GroupID+s.TopicID, "/") {
			t.Fatalf("%q is not one path (%v)", s.Source(), err)
		}
	})
}

func TestDeadLettersAndCallbacksCarryNoSignature(t *testing.T) {
	at := time.Date(2025, 10, 9, 16, 53, 25, 678_999_999, time.FixedZone("", 8*3600))
	const query = "SdkAppid=1&Sign=abc&CallbackCommand=x&RequestTime=5&%53IGN=def&sign&Signature=kept"
	got := asLines(DeadLetterHeaders(ReasonNotJSON, "the body is empty", query, at))
	const want = `chatbridge-reason: not-json
chatbridge-detail: the body is empty
chatbridge-query: SdkAppid=1&CallbackCommand=x&RequestTime=5&Signature=kept
chatbridge-received-at: 2025-10-09T08:53:25.678Z
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letter (-want +got):\n%s", diff)
	}
	got = asLines(CallbackHeaders("State.StateChange", query, at))
	const wantCallback = `chatbridge-command: State.StateChange
chatbridge-query: SdkAppid=1&CallbackCommand=x&RequestTime=5&Signature=kept
chatbridge-received-at: 2025-10-09T08:53:25.678Z
`
	if diff := cmp.Diff(wantCallback, got); diff != "" {
		t.Errorf("callback (-want +got):\n%s", diff)
	}
}
