package schema

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const smallest = `{"schema":"chat.group-message/v1","id":"1bff7909-5292-5ae1-88d0-cb16d01ed0c4","app_id":1,` +
	`"group":{"id":"g"},"message":{},"received_at":"2025-10-09T08:53:25.678Z"}`

func TestDecodeToleratesWhatV1MayBecome(t *testing.T) {
	for name, text := range map[string]string{
		"a new member":            strings.Replace(smallest, `"app_id"`, `"new":{"a":[1]},"app_id"`, 1),
		"a new member in a part":  strings.Replace(smallest, `"message":{`, `"message":{"new":1`, 1),
		"a null":                  strings.Replace(smallest, `"message":{`, `"sender":null,"occurred_at":null,"message":{"seq":null,"elements":null`, 1),
		"a null element":          strings.Replace(smallest, `"message":{`, `"message":{"elements":[null]`, 1),
		"empty values":            strings.Replace(smallest, `"message":{`, `"extra":{"a":null},"sender":{},"mentions":{"all":false},"message":{"elements":[],"id":""`, 1),
		"space":                   strings.ReplaceAll(smallest, `,`, " ,\n "),
		"another order":           strings.Replace(strings.Replace(smallest, `"app_id":1,`, "", 1), `"message":{}`, `"message":{},"app_id":1`, 1),
		"another zone and digits": strings.Replace(smallest, "08:53:25.678Z", "16:53:25.678999+08:00", 1),
	} {
		e, err := Decode([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(smallest, string(mustEncode(t, e))); diff != "" {
			t.Errorf("%s (-smallest +encoded):\n%s", name, diff)
		}
	}
}

func TestDecodeToleratesNewMembersInElements(t *testing.T) {
	text := strings.Replace(smallest, `"message":{}`,
		`"message":{"elements":[{"new":1,"type":"image","variants":[{"new":2}]},{"type":"relay","messages":[{"new":3}]}]}`, 1)
	e, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Elements{&Image{Variants: []ImageVariant{{}}}, &Relay{Messages: []RelayMessage{{}}}}
	if diff := cmp.Diff(want, e.Message.Elements); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(smallest, old, new, 1) }
	for name, text := range map[string]string{
		"nothing":                  "",
		"null":                     "null",
		"a list":                   "[]",
		"text after it":            smallest + "x",
		"half of it":               smallest[:100],
		"another schema":           with("/v1", "/v2"),
		"no schema":                with(`"schema":"chat.group-message/v1",`, ""),
		"no id":                    with(`"id":"1bff7909-5292-5ae1-88d0-cb16d01ed0c4",`, ""),
		"an id in capitals":        with(`1bff`, `1BFF`),
		"no group":                 with(`"group":{"id":"g"},`, ""),
		"an empty group":           with(`{"id":"g"}`, `{"id":""}`),
		"no receipt":               with(`,"received_at":"2025-10-09T08:53:25.678Z"`, ""),
		"a time that is none":      with("2025-10-09T", "2025-02-30T"),
		"a time before year 0":     with(`"2025-10-09T08:53:25.678Z"`, `"0000-01-01T00:00:00+01:00"`),
		"a duplicate":              with(`"app_id":1`, `"app_id":1,"app_id":1`),
		"a duplicate that is new":  with(`"app_id":1`, `"app_id":1,"n":{"a":1,"a":1}`),
		"invalid UTF-8":            with(`"g"`, "\"\xff\""),
		"a lone surrogate":         with(`"g"`, `"\ud800"`),
		"a byte-order mark":        "\ufeff" + smallest,
		"a number in a string":     with(`"app_id":1`, `"app_id":"1"`),
		"a negative app":           with(`"app_id":1`, `"app_id":-1`),
		"an app above 63 bits":     with(`"app_id":1`, `"app_id":9223372036854775808`),
		"a fraction":               with(`"message":{}`, `"message":{"seq":1.5}`),
		"a sequence above 63 bits": with(`"message":{}`, `"message":{"seq":9223372036854775808}`),
		"a huge latitude":          with(`"message":{}`, `"message":{"elements":[{"type":"location","latitude":1e999}]}`),
		"an unknown element":       with(`"message":{}`, `"message":{"elements":[{"type":"sticker"}]}`),
		"an element without type":  with(`"message":{}`, `"message":{"elements":[{"text":"a"}]}`),
		"an element that is none":  with(`"message":{}`, `"message":{"elements":[1]}`),
		"an unknown format":        with(`"message":{}`, `"message":{"elements":[{"type":"image","format":"tiff"}]}`),
		"an unknown variant":       with(`"message":{}`, `"message":{"elements":[{"type":"image","variants":[{"kind":"huge"}]}]}`),
		"extra that is no object":  with(`"message":{}`, `"message":{},"extra":[]`),
		"too deep":                 with(`"message":{}`, `"message":{},"extra":{"a":`+nested(maxEventDepth-1, "[", "", "]")+`}`),
		"a million brackets":       strings.Repeat("[", mib),
	} {
		if e, err := Decode([]byte(text)); err == nil || e != nil {
			t.Errorf("%s: decoded %+v", name, e)
		}
	}
}

// TestDecodeErrorsHoldNoMessageText: they may be logged.
func TestDecodeErrorsHoldNoMessageText(t *testing.T) {
	for _, part := range []string{
		`"message":{"text":SECRET}`,
		`"message":{"text":["SECRET"]}`,
		`"message":{"seq":"SECRET"}`,
		`"message":{"online_only":"SECRET"}`,
		`"message":{"sent_at":"SECRET"}`,
		`"message":{"elements":[{"type":"text","text":{"a":"SECRET"}}]}`,
		`"message":{"elements":[{"type":"SECRET"}]}`,
		`"message":{"elements":[{"type":"image","format":"SECRET","extra":{"SECRET":1,"SECRET":2}}]}`,
		`"message":{"elements":[{"type":"image","format":"SECRET"}]}`,
		`"message":{"elements":[{"type":"image","variants":[{"kind":"SECRET"}]}]}`,
		`"message":{},"extra":{"SECRET":x}`,
	} {
		_, err := Decode([]byte(strings.Replace(smallest, `"message":{}`, part, 1)))
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", part, err)
		}
	}
	if _, err := Decode([]byte(strings.Replace(smallest, `"app_id":1`, `"app_id":"SECRET"`, 1))); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
}

func TestDecodedTimesAreInMillisecondsUTC(t *testing.T) {
	const at = `"2025-10-09T16:53:25.678999+08:00"`
	e, err := Decode([]byte(strings.Replace(smallest, `"message":{}`, `"occurred_at":`+at+`,"message":{"sent_at":`+at+
		`,"elements":[{"type":"relay","messages":[{"sent_at":`+at+`,"elements":[{"type":"relay","messages":[{"sent_at":`+at+`}]}]}]}]}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	outer := e.Message.Elements[0].(*Relay).Messages[0]
	inner := outer.Elements[0].(*Relay).Messages[0]
	for i, got := range []time.Time{e.OccurredAt, e.ReceivedAt, e.Message.SentAt, outer.SentAt, inner.SentAt} {
		if got != goldenReceived() { // also the location and what is finer
			t.Errorf("time %d is %v", i, got)
		}
	}
}

func TestAppendJSONRefusesWhatIsNoEvent(t *testing.T) {
	loop := &Relay{}
	loop.Messages = []RelayMessage{{Elements: Elements{loop}}}
	for name, change := range map[string]func(*Event){
		"no schema":                 func(e *Event) { e.Schema = "" },
		"no id":                     func(e *Event) { e.ID = "" },
		"no group":                  func(e *Event) { e.Group.ID = "" },
		"no receipt":                func(e *Event) { e.ReceivedAt = time.Time{} },
		"receipt in year 10000":     func(e *Event) { e.ReceivedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"sent before year 0":        func(e *Event) { e.Message.SentAt = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"app above 63 bits":         func(e *Event) { e.AppID = 1 << 63 },
		"sequence above 63 bits":    func(e *Event) { e.Message.Seq = Some[uint64](1 << 63) },
		"latitude not a number":     func(e *Event) { e.Message.Elements = Elements{&Location{Latitude: Some(math.NaN())}} },
		"a nil element":             func(e *Event) { e.Message.Elements = Elements{nil} },
		"a nil text":                func(e *Event) { e.Message.Elements = Elements{(*Text)(nil)} },
		"a relay that holds itself": func(e *Event) { e.Message.Elements = Elements{loop} },
		"content that is not JSON":  func(e *Event) { e.Message.Elements = Elements{&Other{Content: json.RawMessage("{")}} },
		"extra with duplicates":     func(e *Event) { e.Extra = Extra{"a": json.RawMessage(`{"b":1,"b":2}`)} },
		"extra that is deep":        func(e *Event) { e.Extra = Extra{"a": json.RawMessage(nested(maxEventDepth, "[", "", "]"))} },
		"extra name not in UTF-8":   func(e *Event) { e.Extra = Extra{"\xff": json.RawMessage("1")} },
	} {
		e := goldenEvent(t, "public-text")
		change(e)
		if b, err := e.AppendJSON(nil); err == nil || b != nil {
			t.Errorf("%s: encoded %s", name, b)
		}
	}
	e := goldenEvent(t, "public-text")
	e.Message.Elements = Elements{loop}
	if n := allocated(func() { _, _ = e.AppendJSON(nil) }); n > 1<<20 {
		t.Errorf("a relay that holds itself cost %d bytes", n)
	}
}
