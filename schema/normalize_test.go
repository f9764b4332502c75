package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSequenceOfAnEvent: what orders a message, and what only looks like it.
func TestSequenceOfAnEvent(t *testing.T) {
	for members, want := range map[string]struct {
		seq  uint64
		ok   bool
		json string
	}{
		`"MsgSeq":5`:                          {5, true, `"seq":5`},
		`"MsgSeq":"5"`:                        {5, true, `"seq":5`},
		`"MsgSeq":5,"OnlineOnlyFlag":0`:       {5, true, `"seq":5`},
		`"MsgSeq":5,"OnlineOnlyFlag":1`:       {0, false, `"message":{"seq":5,"online_only":true}`},
		`"MsgSeq":5,"OnlineOnlyFlag":"1"`:     {0, false, `"message":{"seq":5,"online_only":true}`},
		`"MsgSeq":5,"OnlineOnlyFlag":2`:       {5, true, `"extra":{"OnlineOnlyFlag":2}`},
		`"MsgSeq":0`:                          {0, false, `"message":{"seq":0}`},
		`"MsgSeq":null`:                       {0, false, `"message":{}`},
		`"Type":"Public"`:                     {0, false, `"message":{}`},
		`"MsgSeq":-5`:                         {0, false, `"extra":{"MsgSeq":-5}`},
		`"MsgSeq":5.0`:                        {0, false, `"extra":{"MsgSeq":5.0}`},
		`"MsgSeq":"five"`:                     {0, false, `"extra":{"MsgSeq":"five"}`},
		`"MsgSeq":" 5"`:                       {0, false, `"extra":{"MsgSeq":" 5"}`},
		`"MsgSeq":[5]`:                        {0, false, `"extra":{"MsgSeq":[5]}`},
		`"MsgSeq":"\u0035"`:                   {5, true, `"seq":5`},
		`"MsgSeq":9223372036854775807`:        {9223372036854775807, true, `"seq":9223372036854775807`},
		`"MsgSeq":18446744073709551615`:       {0, false, `"extra":{"MsgSeq":18446744073709551615}`},
		`"MsgSeq":99999999999999999999999999`: {0, false, `"extra":{"MsgSeq":99999999999999999999999999}`},
	} {
		e := mustNormalize(t, goldenRequest(t), []byte(in(members)))
		seq, ok := e.Sequence()
		if out := string(mustEncode(t, e)); seq != want.seq || ok != want.ok || !strings.Contains(out, want.json) {
			t.Errorf("%s: sequence %d, %v in %s", members, seq, ok, out)
		}
	}
}

func TestTimesOfAnEvent(t *testing.T) {
	received := goldenReceived() // 2025-10-09T08:53:25.678Z
	req := goldenRequest(t)
	for members, want := range map[string]struct{ time, record string }{
		`"Type":"x"`:           {"2025-10-09T08:53:25.678Z", "2025-10-09T08:53:25.678Z"},
		`"MsgTime":1760000001`: {"2025-10-09T08:53:21.000Z", "2025-10-09T08:53:21.000Z"},
		`"MsgTime":1760000001,"EventTime":"1760000002003"`:  {"2025-10-09T08:53:22.003Z", "2025-10-09T08:53:22.003Z"},
		`"MsgTime":1760000001,"EventTime":"soon"`:           {"2025-10-09T08:53:21.000Z", "2025-10-09T08:53:21.000Z"},
		`"EventTime":1759913605678`:                         {"2025-10-08T08:53:25.678Z", "2025-10-08T08:53:25.678Z"}, // a day before
		`"EventTime":1759913605677`:                         {"2025-10-08T08:53:25.677Z", "2025-10-09T08:53:25.678Z"}, // and more
		`"EventTime":1760086405678`:                         {"2025-10-10T08:53:25.678Z", "2025-10-10T08:53:25.678Z"}, // a day after
		`"EventTime":1760086405679`:                         {"2025-10-10T08:53:25.679Z", "2025-10-09T08:53:25.678Z"}, // and more
		`"EventTime":0`:                                     {"1970-01-01T00:00:00.000Z", "2025-10-09T08:53:25.678Z"},
		`"EventTime":253402300799999`:                       {"9999-12-31T23:59:59.999Z", "2025-10-09T08:53:25.678Z"},
		`"EventTime":253402300800000,"MsgTime":-1`:          {"2025-10-09T08:53:25.678Z", "2025-10-09T08:53:25.678Z"},
		`"EventTime":9223372036854775807,"MsgTime":1e9`:     {"2025-10-09T08:53:25.678Z", "2025-10-09T08:53:25.678Z"},
		`"MsgTime":253402300800,"EventTime":1760000002003`:  {"2025-10-09T08:53:22.003Z", "2025-10-09T08:53:22.003Z"},
		`"MsgTime":"1760000001","OnlineOnlyFlag":0`:         {"2025-10-09T08:53:21.000Z", "2025-10-09T08:53:21.000Z"},
		`"MsgTime":true,"EventTime":{}`:                     {"2025-10-09T08:53:25.678Z", "2025-10-09T08:53:25.678Z"},
		`"MsgTime":1760000001,"EventTime":"1760000002003 "`: {"2025-10-09T08:53:21.000Z", "2025-10-09T08:53:21.000Z"},
	} {
		e := mustNormalize(t, req, []byte(in(members)))
		if got := string(appendTime(nil, e.Time())); got != want.time {
			t.Errorf("%s: time %s, want %s", members, got, want.time)
		}
		if got := string(appendTime(nil, e.RecordTime())); got != want.record {
			t.Errorf("%s: record time %s, want %s", members, got, want.record)
		}
		if !e.ReceivedAt.Equal(received) {
			t.Errorf("%s: received at %v", members, e.ReceivedAt)
		}
	}
}

func TestReceiptIsInMillisecondsUTC(t *testing.T) {
	req := goldenRequest(t)
	req.ReceivedAt = time.Date(2025, 10, 9, 16, 53, 25, 678_999_999, time.FixedZone("", 8*3600))
	e := mustNormalize(t, req, []byte(in(`"Random":1`)))
	if !e.ReceivedAt.Equal(goldenReceived()) || e.ReceivedAt.Location() != time.UTC {
		t.Errorf("received at %v", e.ReceivedAt)
	}
}

func TestQueryTextIsRepaired(t *testing.T) {
	req := goldenRequest(t)
	req.ClientIP, req.Platform = "\xff", "a\xc3b"
	e := mustNormalize(t, req, []byte(in(`"Random":1`)))
	if e.Sender.IP != "\ufffd" || e.Sender.Platform != "a\ufffdb" {
		t.Errorf("sender %+v", e.Sender)
	}
}

func TestTextIsTheTextElementsInOrder(t *testing.T) {
	text := func(s string) string {
		return `{"MsgType":"TIMTextElem","MsgContent":{"Text":"` + s + `"}}`
	}
	const face = `{"MsgType":"TIMFaceElem","MsgContent":{"Data":"no text"}}`
	relay := `{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"MsgBody":[` + text("inside") + `]}]}}`
	for want, list := range map[string][]string{
		"":      {face, relay, text("")},
		"one":   {face, text("one"), relay},
		"onetw": {text("one"), face, text(""), text("tw")},
		"abc":   {text("a"), text("b"), text("c")},
	} {
		e := mustNormalize(t, goldenRequest(t), []byte(in(`"MsgBody":[`+strings.Join(list, ",")+`]`)))
		if e.Message.Text != want || len(e.Message.Elements) != len(list) {
			t.Errorf("text %q of %v, want %q", e.Message.Text, list, want)
		}
	}
}

func TestMentionsThatAreNotUnderstoodAreKeptWhole(t *testing.T) {
	for list, want := range map[string]string{
		`[{"GroupAtAllFlag":1},{"GroupAt_Account":"a"},null,{}]`:   `"mentions":{"all":true,"accounts":["a"]},"received_at":"2025-10-09T08:53:25.678Z"}`,
		`[{"GroupAtAllFlag":0,"GroupAt_Account":""}]`:              `"message":{},"sender":{"platform":"Web","ip":"203.0.113.7"},"received_at":"2025-10-09T08:53:25.678Z"}`,
		`[{"GroupAtAllFlag":2,"GroupAt_Account":"a"}]`:             `"mentions":{"all":false,"accounts":["a"]},"received_at":"2025-10-09T08:53:25.678Z","extra":{"GroupAtInfo":[`,
		`[{"GroupAtAllFlag":1,"GroupAt_Account":["a","b"]}]`:       `"mentions":{"all":true},"received_at":"2025-10-09T08:53:25.678Z","extra":{"GroupAtInfo":[`,
		`[{"GroupAtAllFlag":1,"GroupAt_Account":"a","Since":"b"}]`: `"mentions":{"all":true,"accounts":["a"]},"received_at":"2025-10-09T08:53:25.678Z","extra":{"GroupAtInfo":[`,
		`["a"]`: `"received_at":"2025-10-09T08:53:25.678Z","extra":{"GroupAtInfo":["a"]}}`,
		`"a"`:   `"received_at":"2025-10-09T08:53:25.678Z","extra":{"GroupAtInfo":"a"}}`,
	} {
		e := mustNormalize(t, goldenRequest(t), []byte(in(`"GroupAtInfo":`+list)))
		if out := string(mustEncode(t, e)); !strings.Contains(out, want) {
			t.Errorf("%s: %s", list, out)
		}
	}
}

// TestMembersBesideAContentNeverPushOneOut: where both would need one place, the
// element is kept as it came.
func TestMembersBesideAContentNeverPushOneOut(t *testing.T) {
	for element, want := range map[string]string{
		`"MsgContent":{"Text":"a","Font":1,"Color":"red"},"Level":2`: `{"type":"text","text":"a","extra":{"Color":"red","Font":1,"Level":2}}`,
		`"MsgContent":{"Text":"a","Font":1,"Color":"red"},"Color":2`: `{"type":"other","name":"TIMTextElem","content":{"Text":"a","Font":1,"Color":"red"},"extra":{"Color":2}}`,
	} {
		e := mustNormalize(t, goldenRequest(t), []byte(in(`"MsgBody":[{"MsgType":"TIMTextElem",`+element+`}]`)))
		if out := string(mustEncode(t, e)); !strings.Contains(out, `"elements":[`+want+`]`) {
			t.Errorf("%s: %s", element, out)
		}
	}
}

// TestUnreadableDetailsHoldNoMessageText: reasons go into logs and headers.
func TestUnreadableDetailsHoldNoMessageText(t *testing.T) {
	const secret = "SECRET"
	for _, body := range []string{
		`{"GroupId":"g","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"SECRET","SECRET":1,"SECRET":2}}]}`,
		`{"GroupId":"g","SECRET":SECRET}`,
		`{"GroupId":["SECRET"]}`,
		`"SECRET"`,
		`SECRET`,
		`{"SECRET":"SECRET`,
		`{"GroupId":"g","A":` + nested(70, `{"SECRET":`, "1", "}") + `}`,
	} {
		err := Check(CommandAfterSend, []byte(body))
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), secret) {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for body, want := range map[string]string{
		``:                           "the body is empty (not-json)",
		`{"GroupId":"g",]}`:          "the body is not JSON, near byte 14 (not-json)",
		`{"GroupId":"g"`:             "the body ends in the middle of its JSON, at byte 14 (not-json)",
		`[1]`:                        "the body is JSON but not an object (not-json)",
		`{"A":1,"A":2}`:              "an object in the body has two members of the same name, near byte 7 (duplicate-name)",
		strings.Repeat(`{"A":`, 100): "objects and lists in the body are nested more than 64 deep, near byte 320 (too-deep)",
		`{}`:                         "the body has no GroupId, or an empty one (no-group-id)",
		`{"GroupId":{}}`:             "the body's GroupId is neither text nor a whole number (no-group-id)",
		`{"CallbackCommand":"State.StateChange","GroupId":"g"}`: `the body's CallbackCommand is "State.StateChange", ` +
			`the query's is "Group.CallbackAfterSendMsg" (command-mismatch)`,
	} {
		if err := Check("", []byte(body)); err == nil || err.Error() != want {
			t.Errorf("%.40s: %v, want %s", body, err, want)
		}
	}
}

func TestPeekWritesOverItsBuffer(t *testing.T) {
	buf := []byte("something longer than the id")
	got, ok := Peek([]byte(`{"GroupId":"caf\u00e9"}`), buf)
	if !ok || string(got) != "café" || &got[0] != &buf[0] {
		t.Errorf("%q, %v", got, ok)
	}
	if got, ok := Peek([]byte(`{"GroupId":""}`), buf); ok || got != nil {
		t.Errorf("%q, %v", got, ok)
	}
	if got, ok := Peek([]byte(`{"GroupId":"g","CallbackCommand":"other"}`), nil); !ok || string(got) != "g" {
		t.Errorf("%q, %v: the command is not Peek's matter", got, ok)
	}
}

// TestTooManyEntriesAreKeptVerbatim holds P8 and P6 together.
func TestTooManyEntriesAreKeptVerbatim(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat("{},", n-1) + "{}]" }
	e := mustNormalize(t, goldenRequest(t), []byte(in(`"MsgBody":`+list(maxEntries))))
	if len(e.Message.Elements) != maxEntries || e.Extra != nil {
		t.Errorf("%d elements, %d extra", len(e.Message.Elements), len(e.Extra))
	}
	e = mustNormalize(t, goldenRequest(t), []byte(in(`"MsgBody":`+list(maxEntries+1))))
	if len(e.Message.Elements) != 0 || string(e.Extra["MsgBody"]) != list(maxEntries+1) {
		t.Errorf("%d elements, extra %.40s", len(e.Message.Elements), e.Extra["MsgBody"])
	}
	image := `{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":` + list(maxEntries-2) + `}}`
	e = mustNormalize(t, goldenRequest(t), []byte(in(`"MsgBody":[`+image+`,`+image+`]`)))
	first, second := e.Message.Elements[0].(*Image), e.Message.Elements[1].(*Image)
	if len(first.Variants) != maxEntries-2 || second.Variants != nil || second.Extra["ImageInfoArray"] == nil {
		t.Errorf("%d and %d variants", len(first.Variants), len(second.Variants))
	}
}

// TestDeepestBodiesBecomeEventsThatDecode: the event's bound on nesting leaves
// room for every body within its own bound.
func TestDeepestBodiesBecomeEventsThatDecode(t *testing.T) {
	relay := `{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"MsgBody":[`
	for name, body := range map[string]string{
		"extra":    in(`"A":` + nested(MaxDepth-1, "[", "", "]")),
		"relays":   in(`"MsgBody":[` + nested(12, relay, `{"A":1}`, `]}]}}`) + `]`),
		"content":  in(`"MsgBody":[{"MsgType":"X","MsgContent":` + nested(MaxDepth-3, "[", "", "]") + `}]`),
		"element":  in(`"MsgBody":[` + nested(MaxDepth-2, "[", "", "]") + `]`),
		"nameless": in(`"MsgBody":[{"A":` + nested(MaxDepth-3, "[", "", "]") + `}]`),
		"variant":  in(`"MsgBody":[{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[{"A":` + nested(MaxDepth-6, "[", "", "]") + `}]}}]`),
		"relayed":  in(`"MsgBody":[{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"A":` + nested(MaxDepth-6, "[", "", "]") + `}]}}]`),
		"mentions": in(`"GroupAtInfo":[{"A":` + nested(MaxDepth-3, "[", "", "]") + `}]`),
	} {
		e := mustNormalize(t, goldenRequest(t), []byte(body))
		if _, err := Decode(mustEncode(t, e)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		deeper := strings.Replace(strings.Replace(body, "[[", "[[[", 1), "]]", "]]]", 1)
		if err := Check("", []byte(deeper)); name != "relays" && err == nil {
			t.Errorf("%s was not at the bound", name)
		}
	}
}

// TestAnyMixOfMembersIsReadTheSameWayByAll makes bodies of parts that matter,
// so that more of them are accepted than a fuzzer's.
func TestAnyMixOfMembersIsReadTheSameWayByAll(t *testing.T) {
	validate := mustCompile(t, true)
	values := []string{
		`"g"`, `""`, `34`, `-1`, `1.5`, `"7"`, `null`, `true`, `[]`, `{}`, `[1]`, `"\ud800"`, `"Group.CallbackAfterSendMsg"`,
		`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a"}}]`, `[{"GroupAtAllFlag":1}]`, ` [ {"a" : 1} , null ] `, `1e400`, `253402300799`,
	}
	names := []string{"GroupId", "New", "Group\\u0049d"}
	for name := range strings.FieldsSeq("CallbackCommand Type From_Account Operator_Account Random MsgId MsgSeq MsgTime " +
		"OnlineOnlyFlag MsgBody CloudCustomData TopicId EventTime GroupAtInfo MsgPriority") {
		names = append(names, name)
	}
	req := goldenRequest(t)
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		parts := []string{`"GroupId":` + rapid.SampledFrom(values).Draw(rt, "group")}
		for range rapid.IntRange(0, 6).Draw(rt, "n") {
			parts = append(parts, `"`+rapid.SampledFrom(names).Draw(rt, "name")+`":`+rapid.SampledFrom(values).Draw(rt, "value"))
		}
		body := []byte("{" + strings.Join(parts, ",") + "}")
		e, err := Normalize(req, body)
		checkAgreement(t, body, e, err)
		if err != nil {
			return
		}
		accepted++
		out := mustEncode(t, e)
		if err := validate(out); err != nil {
			rt.Fatalf("%s\n%s\n%v", body, out, err)
		}
	})
	if accepted == 0 {
		t.Error("no body was accepted")
	}
}
