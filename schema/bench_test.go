package schema

import (
	"strings"
	"testing"
	"time"
)

// benchBody is a body of 650 bytes, the size that the project's figures are for.
func benchBody() []byte {
	const body = `{"CallbackCommand":"Group.CallbackAfterSendMsg","CloudCustomData":"{\"reply\":41}","EventTime":1760000000123,` +
		`"From_Account":"user_10086","GroupId":"@TGS#2ABCDEFGH","MsgBody":[{"MsgContent":{"Text":"TEXT"},"MsgType":"TIMTextElem"}],` +
		`"MsgId":"144115200000000001-1760000000-2804799576","MsgSeq":42,"MsgTime":1760000000,"OnlineOnlyFlag":0,` +
		`"Operator_Account":"user_10086","Random":2804799576,"Type":"Public"}`
	text := strings.Repeat("hello, how are you? ", 40)
	return []byte(strings.Replace(body, "TEXT", text[:650-len(body)+len("TEXT")], 1))
}

func BenchmarkCheck(b *testing.B) {
	body := benchBody()
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := Check(CommandAfterSend, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPeek(b *testing.B) {
	body := benchBody()
	var buf []byte
	var ok bool
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if buf, ok = Peek(body, buf); !ok {
			b.Fatal("not readable")
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	body, req := benchBody(), goldenRequest(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := Normalize(req, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := mustNormalize(b, goldenRequest(b), benchBody())
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, err = e.AppendJSON(out[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out)))
}

func BenchmarkHeaders(b *testing.B) {
	e := mustNormalize(b, goldenRequest(b), benchBody())
	b.ReportAllocs()
	for b.Loop() {
		if h := e.Headers(InOrder, Hole{}); len(h) != 12 {
			b.Fatal(len(h))
		}
	}
}

func BenchmarkParseHeaders(b *testing.B) {
	e := mustNormalize(b, goldenRequest(b), benchBody())
	get := getter(e.Headers(InOrder, Hole{}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseHeaders(get); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	out := mustEncode(b, mustNormalize(b, goldenRequest(b), benchBody()))
	b.ReportAllocs()
	b.SetBytes(int64(len(out)))
	for b.Loop() {
		if _, err := Decode(out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseQuery(b *testing.B) {
	now := time.UnixMilli(1760000000000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseQuery(goldenQuery, now); err != nil {
			b.Fatal(err)
		}
	}
}

// getter looks headers up as a reader would.
func getter(list []Header) func(string) (string, bool) {
	return func(key string) (string, bool) {
		for _, h := range list {
			if h.Key == key {
				return string(h.Value), true
			}
		}
		return "", false
	}
}
