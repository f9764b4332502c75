package schema

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const mib = 1 << 20

// hostile is a body and its defined answer: a reason, or "" for accepted and
// then a part of its event.
type hostile struct {
	name   string
	body   string
	reason Reason
	event  string
}

// in returns a good callback with the members in it.
func in(members string) string { return `{"GroupId":"g",` + members + `}` }

// nested returns text open n times around inner.
func nested(n int, open, inner, end string) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

func hostileBodies() []hostile {
	return slices.Concat(deepBodies(), duplicateBodies(), stringBodies(), numberBodies(), malformedBodies(), groupBodies(), commandBodies())
}

// deepBodies: the outermost object counts as 1.
func deepBodies() []hostile {
	return []hostile{
		{"63 lists in the object", in(`"A":` + nested(63, "[", "", "]")), "", `"extra":{"A":` + nested(63, "[", "", "]") + `}`},
		{"64 lists in the object", in(`"A":` + nested(64, "[", "", "]")), ReasonTooDeep, ""},
		{"63 objects in the object", in(`"A":` + nested(63, `{"a":`, "1", "}")), "", `"extra":{"A":` + nested(63, `{"a":`, "1", "}") + `}`},
		{"64 objects in the object", in(`"A":` + nested(64, `{"a":`, "1", "}")), ReasonTooDeep, ""},
		{"100,000 lists", in(`"A":` + nested(100_000, "[", "", "]")), ReasonTooDeep, ""},
		{"100,000 lists that do not close", in(`"A":` + strings.Repeat("[", 100_000)), ReasonTooDeep, ""},
		{"1 MiB of [", strings.Repeat("[", mib), ReasonTooDeep, ""},
		{"1 MiB of {", strings.Repeat("{", mib), ReasonNotJSON, ""},
		{`1 MiB of {"a":`, strings.Repeat(`{"a":`, mib/5), ReasonTooDeep, ""},
		{"1 MiB of brackets in a string", in(`"From_Account":"` + strings.Repeat("[{", mib/2) + `"`), "", `"account":"[{[{`},
		{"1 MiB of brackets side by side", in(`"A":[` + strings.Repeat("[],", mib/3) + `[]]`), "", `"extra":{"A":[[],[]`},
		{"deep, after an escaped quote", in(`"B":"\"","A":` + nested(64, "[", "", "]")), ReasonTooDeep, ""},
		{"a fault before the depth", in(`"A":1,"A":` + nested(64, "[", "", "]")), ReasonDuplicateName, ""},
		{"a fault after the depth", in(`"A":` + nested(64, "[", "", "]") + `,"A":1`), ReasonTooDeep, ""},
		{"garbage before the depth", `nonsense ` + strings.Repeat("[", 100), ReasonNotJSON, ""},
	}
}

func duplicateBodies() []hostile {
	return []hostile{
		{"two GroupId", in(`"GroupId":"h"`), ReasonDuplicateName, ""},
		{"two unknown members", in(`"A":1,"A":1`), ReasonDuplicateName, ""},
		{"the same name, escaped", in(`"Group\u0049d":"h"`), ReasonDuplicateName, ""},
		{"the same name after repair", in(`"a\ud800":1,"a\udfff":2`), ReasonDuplicateName, ""},
		{"the same name of invalid bytes", in("\"a\xff\":1,\"a\xfe\":2"), ReasonDuplicateName, ""},
		{"two names in an unknown member", in(`"A":[{"b":1,"b":2}]`), ReasonDuplicateName, ""},
		{"two names in an element", in(`"MsgBody":[{"MsgType":"X","MsgType":"Y"}]`), ReasonDuplicateName, ""},
		{"two names in a content", in(`"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"a","Text":"b"}}]`), ReasonDuplicateName, ""},
		{"the same name in two objects", in(`"A":{"b":1},"C":{"b":1}`), "", `"extra":{"A":{"b":1},"C":{"b":1}}`},
	}
}

func stringBodies() []hostile {
	return []hostile{
		{"lone surrogates", in(`"From_Account":"\ud800 \udfff \ud800\u0041 \ud800\ud83d\ude00"`), "", "\"account\":\"\ufffd \ufffd \ufffdA \ufffd\U0001f600\""},
		{"a pair of low surrogates", in(`"From_Account":"\udc00\udc00"`), "", "\"account\":\"\ufffd\ufffd\""},
		{"a backslash before what looks like a surrogate", in(`"From_Account":"\\ud800"`), "", `"account":"\\ud800"`},
		{"a broken escape", in(`"From_Account":"\ud8"`), ReasonNotJSON, ""},
		{"an unknown escape", in(`"From_Account":"\x41"`), ReasonNotJSON, ""},
		{"NUL escaped", in(`"From_Account":"a\u0000b"`), "", `"account":"a\u0000b"`},
		{"NUL as it is", in("\"From_Account\":\"a\x00b\""), ReasonNotJSON, ""},
		{"a line feed as it is", in("\"From_Account\":\"a\nb\""), ReasonNotJSON, ""},
		{"invalid UTF-8 in a string", in("\"From_Account\":\"a\xffb\xc3\""), "", "\"account\":\"a\ufffdb\ufffd\""},
		{"surrogates in UTF-8", in("\"From_Account\":\"\xed\xa0\x80\""), "", "\"account\":\"\ufffd\""},
		{"invalid UTF-8 kept", in("\"A\":[\"\xff\"]"), "", "\"extra\":{\"A\":[\"\ufffd\"]}"},
		{"a lone surrogate kept", in(`"A":["\uDC00"]`), "", `"extra":{"A":["\ufffd"]}`},
		{"invalid UTF-8 between values", in("\"A\":1 \xff"), ReasonNotJSON, ""},
		{"UTF-16", "{\x00}\x00", ReasonNotJSON, ""},
		{"a string that does not end", in(`"A":"`), ReasonNotJSON, ""},
		{"a string that ends in a backslash", `{"A":"\`, ReasonNotJSON, ""},
	}
}

func numberBodies() []hostile {
	return []hostile{
		{"1e999999 for a sequence", in(`"MsgSeq":1e999999`), "", `"extra":{"MsgSeq":1e999999}`},
		{"400 digits for a sequence", in(`"MsgSeq":` + strings.Repeat("9", 400)), "", `"extra":{"MsgSeq":` + strings.Repeat("9", 400) + `}`},
		{"400 digits in a string", in(`"MsgTime":"` + strings.Repeat("9", 400) + `"`), "", `"extra":{"MsgTime":"999`},
		{"2^63-1", in(`"MsgSeq":9223372036854775807`), "", `"seq":9223372036854775807`},
		{"2^63", in(`"MsgSeq":9223372036854775808`), "", `"extra":{"MsgSeq":9223372036854775808}`},
		{"minus nothing", in(`"MsgSeq":-0`), "", `"extra":{"MsgSeq":-0}`},
		{"an empty numeric string", in(`"MsgSeq":""`), "", `"extra":{"MsgSeq":""}`},
		{"a huge latitude", in(`"MsgBody":[{"MsgType":"TIMLocationElem","MsgContent":{"Latitude":1e999999,"Longitude":1e-999999}}]`), "", `"longitude":0,"extra":{"Latitude":1e999999}`},
		{"a leading zero", in(`"MsgSeq":01`), ReasonNotJSON, ""},
		{"NaN", in(`"MsgSeq":NaN`), ReasonNotJSON, ""},
		{"1 MiB of digits", in(`"A":` + strings.Repeat("1", mib)), "", `"extra":{"A":1111`},
	}
}

func malformedBodies() []hostile {
	return []hostile{
		{"nothing", "", ReasonNotJSON, ""},
		{"space", " \n", ReasonNotJSON, ""},
		{"a byte-order mark", "\ufeff" + in(`"Random":1`), "", `"random":1`},
		{"only a byte-order mark", "\ufeff", ReasonNotJSON, ""},
		{"two byte-order marks", "\ufeff\ufeff" + in(`"Random":1`), ReasonNotJSON, ""},
		{"space around", " \r\n\t" + in(`"Random":1`) + "\n ", "", `"random":1`},
		{"text after the object", in(`"Random":1`) + "x", ReasonNotJSON, ""},
		{"two objects", in(`"Random":1`) + in(`"Random":1`), ReasonNotJSON, ""},
		{"comments", "{\"GroupId\":\"g\", // Group ID\n\"Random\":1}", ReasonNotJSON, ""},
		{"a comma too many", in(`"Random":1,`), ReasonNotJSON, ""},
		{"half a body", in(`"Random":1`)[:15], ReasonNotJSON, ""},
		{"a list", `[{"GroupId":"g"}]`, ReasonNotJSON, ""},
		{"a string", `"GroupId"`, ReasonNotJSON, ""},
		{"a number", `7`, ReasonNotJSON, ""},
		{"null", `null`, ReasonNotJSON, ""},
		{"true", `true`, ReasonNotJSON, ""},
		{"a form", `GroupId=g&MsgSeq=1`, ReasonNotJSON, ""},
	}
}

func groupBodies() []hostile {
	return []hostile{
		{"an empty object", `{}`, ReasonNoGroupID, ""},
		{"GroupId null", `{"GroupId":null}`, ReasonNoGroupID, ""},
		{"GroupId empty", `{"GroupId":""}`, ReasonNoGroupID, ""},
		{"GroupId a list", `{"GroupId":["g"]}`, ReasonNoGroupID, ""},
		{"GroupId negative", `{"GroupId":-34}`, ReasonNoGroupID, ""},
		{"GroupId a fraction", `{"GroupId":3.4}`, ReasonNoGroupID, ""},
		{"GroupId true", `{"GroupId":true}`, ReasonNoGroupID, ""},
		{"GroupId a number", `{"GroupId":34}`, "", `"group":{"id":"34"}`},
		{"groupid", `{"groupid":"g"}`, ReasonNoGroupID, ""},
	}
}

func commandBodies() []hostile {
	return []hostile{
		{"another command", in(`"CallbackCommand":"State.StateChange"`), ReasonCommandMismatch, ""},
		{"another command and no group", `{"CallbackCommand":"State.StateChange"}`, ReasonCommandMismatch, ""},
		{"a command that is a number", in(`"CallbackCommand":1`), "", `"extra":{"CallbackCommand":1}`},
		{"an empty command", in(`"CallbackCommand":""`), "", `"group":{"id":"g"},"message":{}`},
		{"the command, escaped", in(`"CallbackCommand":"Group\u002eCallbackAfterSendMsg"`), "", `"message":{}`},
	}
}

// TestHostileBodiesHaveDefinedAnswers holds P6.
func TestHostileBodiesHaveDefinedAnswers(t *testing.T) {
	for _, h := range hostileBodies() {
		t.Run(h.name, func(t *testing.T) {
			e, err := Normalize(goldenRequest(t), []byte(h.body))
			checkAgreement(t, []byte(h.body), e, err)
			var reason Reason
			var bad *UnreadableError
			if errors.As(err, &bad) {
				reason = bad.Reason
			}
			if reason != h.reason {
				t.Fatalf("reason %q (%v), want %q", reason, err, h.reason)
			}
			if err != nil {
				return
			}
			out := string(mustEncode(t, e))
			if !strings.Contains(out, h.event) {
				t.Errorf("event %.300s\nwithout %.300s", out, h.event)
			}
			if _, err := Decode([]byte(out)); err != nil {
				t.Error(err)
			}
		})
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryIsInProportionToTheBody holds P8 for bodies of 1 MiB that are made
// to be expensive.
func TestMemoryIsInProportionToTheBody(t *testing.T) {
	fill := func(head, unit, tail string) string {
		return head + strings.Repeat(unit, (mib-len(head)-len(tail))/len(unit)) + tail
	}
	var names strings.Builder
	names.WriteString(`{"GroupId":"g"`)
	for i := 0; names.Len() < mib; i++ {
		names.WriteString(`,"`)
		names.WriteString(string(appendSequence(nil, uint64(i)))[4:])
		names.WriteString(`":0`)
	}
	names.WriteString("}")
	relay := `{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"MsgBody":[`
	bodies := map[string]string{
		"elements":         fill(`{"GroupId":"g","MsgBody":[`, `{},`, `{}]}`),
		"digits":           fill(`{"GroupId":"g","MsgBody":[`, `1,`, `1]}`),
		"nulls":            fill(`{"GroupId":"g","MsgBody":[`, `null,`, `1]}`),
		"variants":         fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[`, `{},`, `{}]}}]}`),
		"relayed":          fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[`, `{},`, `{}]}}]}`),
		"abstracts":        fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMRelayElem","MsgContent":{"AbstractList":[`, `"",`, `""]}}]}`),
		"mentions":         fill(`{"GroupId":"g","GroupAtInfo":[`, `{"GroupAt_Account":"a"},`, `{}]}`),
		"mentions, odd":    fill(`{"GroupId":"g","GroupAtInfo":[`, `{"a":1},`, `{}]}`),
		"names":            names.String(),
		"lists":            fill(`{"GroupId":"g","A":[`, `[],`, `[]]}`),
		"text":             fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"`, `a`, `"}}]}`),
		"escapes":          fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"`, `\u0001`, `"}}]}`),
		"invalid UTF-8":    fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"`, "\xffa", `"}}]}`),
		"lone surrogates":  fill(`{"GroupId":"g","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"`, `\ud800`, `"}}]}`),
		"relays in relays": `{"GroupId":"g","MsgBody":[` + nested(11, relay, fill("", `{},`, `{}`), `]}]}}`) + `]}`,
		"brackets":         strings.Repeat("[", mib),
		"objects":          strings.Repeat(`{"a":`, mib/5),
		"digits, one":      fill(`{"GroupId":"g","MsgSeq":`, `1`, `}`),
		"not JSON":         strings.Repeat("x", mib),
	}
	for name, text := range bodies {
		t.Run(name, func(t *testing.T) {
			body := []byte(text)
			req := goldenRequest(t)
			const perByte = 32 // "names": the decoder remembers each, and so does Extra
			if n := allocated(func() { _ = Check(CommandAfterSend, body) }); n > slack*16*uint64(len(body)) {
				t.Errorf("Check allocated %.1f bytes a byte", float64(n)/float64(len(body)))
			}
			var out []byte
			n := allocated(func() {
				if e, err := Normalize(req, body); err == nil {
					out = mustEncode(t, e)
				}
			})
			if n > slack*perByte*uint64(len(body)) {
				t.Errorf("Normalize and AppendJSON allocated %.1f bytes a byte", float64(n)/float64(len(body)))
			}
			if len(out) > maxGrowth*len(body) {
				t.Errorf("%d bytes became %d", len(body), len(out))
			}
			t.Logf("%.1f bytes a byte allocated, event of %d bytes", float64(n)/float64(len(body)), len(out))
		})
	}
}

// TestCheckDoesNotAllocate keeps the request path cheap.
func TestCheckDoesNotAllocate(t *testing.T) {
	body := benchBody()
	if n := testing.AllocsPerRun(100, func() {
		if err := Check(CommandAfterSend, body); err != nil {
			t.Fatal(err)
		}
	}); slack == 1 && n > 0 {
		t.Errorf("Check makes %v allocations", n)
	}
	var buf []byte
	if n := testing.AllocsPerRun(100, func() { buf, _ = Peek(body, buf) }); slack == 1 && n > 0 {
		t.Errorf("Peek makes %v allocations", n)
	}
	e := mustNormalize(t, goldenRequest(t), body)
	out := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { out, _ = e.AppendJSON(out[:0]) }); n > 0 {
		t.Errorf("AppendJSON makes %v allocations", n)
	}
}
