package schema

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzPlain holds P6 where a body is judged without the decoder: what is taken
// for plain the decoder accepts, and splits into the same members.
func FuzzPlain(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.callback)
	}
	for _, h := range hostileBodies() {
		if len(h.body) < 4096 {
			f.Add([]byte(h.body))
		}
	}
	for _, text := range append(plainTexts(), doubtfulTexts()...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkPlain(t, clean(body)) })
}

func checkPlain(t testing.TB, text []byte) (ok bool) {
	t.Helper()
	var c callback
	if !c.splitPlain(text) {
		return false
	}
	want, bad := decodeCallback(text)
	if bad != nil {
		t.Fatalf("%q is taken for plain; the decoder: %v", text, bad)
	}
	if !reflect.DeepEqual(want, c) {
		t.Fatalf("%q (-decoder +plain):\n%s", text, cmp.Diff(want, c, cmp.AllowUnexported(callback{})))
	}
	return true
}

func plainTexts() []string {
	return []string{
		`{}`, ` { } `, "\t{\r\n\"GroupId\" : \"g\" ,\n\"x\":[ ] , \"y\" : [ 1 , -2,0 ,-0] }\n",
		`{"GroupId":"g","Type":null,"a":true,"b":false,"c":{},"d":[[],[{}]]}`,
		`{"GroupId":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00","From_Account":"é😀\u2028"}`,
		`{"GroupId":"g","x":{"a":{"a":{"a":[[[1]]]}}}}`,
		`{"a":"` + strings.Repeat("x", 100) + `"}`,
	}
}

func doubtfulTexts() []string {
	return []string{
		``, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a":1}x`, `{"a":1}{}`, `{"a" 1}`, `{a:1}`, `{"a":1 "b":2}`,
		`[]`, `1`, `"x"`, `null`, `{"a":}`, `{"a":tru}`, `{"a":truex}`, `{"a":nul`, `{"a":[1,]}`, `{"a":[,]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":{]}`,
		`{"a":1,"a":2}`, `{"a":null,"a":null}`, `{"x":{"a":1,"a":2}}`, `{"\u0061":1,"a":2}`, `{"x":[{"a":1,"b":2,"a":3}]}`,
		`{"a":01}`, `{"a":-}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":1.5}`, `{"a":1e3}`, `{"a":-01}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":--1}`,
		"{\"a\":\"\x00\"}", "{\"a\":\"\n\"}", "{\"a\x1f\":1}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12"}`, `{"a":"\`, `{"a":"\"`, `{"a":"\u`, `{"a":'b'}`,
		"{\"a\":\v1}", "{\u00a0\"a\":1}", "\ufeff\ufeff{}", `{"a":1/**/}`,
		`{"a":[[[[[[[[[[1]]]]]]]]]]}`, manyNames(plainNames + 1),
	}
}

// manyNames is an object of n members.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"name %d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestPlainBodiesNeedNoDecoder(t *testing.T) {
	texts := append(plainTexts(), manyNames(plainNames), string(benchBody()))
	for _, text := range texts {
		if !checkPlain(t, []byte(text)) {
			t.Errorf("%s is not taken for plain", text)
		}
	}
	for _, text := range doubtfulTexts() {
		if checkPlain(t, []byte(text)) {
			t.Errorf("%s is taken for plain", text)
		}
	}
}

// TestPlainAnswersAreTheDecoders damages good bodies at every byte.
func TestPlainAnswersAreTheDecoders(t *testing.T) {
	var body []byte
	for _, text := range append(plainTexts(), string(benchBody())) {
		for at := range len(text) {
			for _, b := range []byte("\"\\{}[],:0-1.eu \x00\x1f\x7f") {
				body = append(body[:0], text...)
				body[at] = b
				checkPlain(t, clean(body))
			}
			checkPlain(t, clean([]byte(text[:at])))
			checkPlain(t, clean([]byte(text[:at]+text[at+1:])))
		}
	}
}

// TestSpecialBytesAreFoundAtAnyOffset puts each byte at each place of a text.
func TestSpecialBytesAreFoundAtAnyOffset(t *testing.T) {
	const size = 19
	for at := range size {
		for c := range 256 {
			text := bytes.Repeat([]byte{'!'}, size)
			text[at] = byte(c)
			text[size-1] |= 0x80 // what lies behind must not matter
			for from := range at + 1 {
				if got, want := specialAt(text, from), specialByByte(text, from); got != want {
					t.Fatalf("in %q from %d: %d, want %d", text, from, got, want)
				}
			}
		}
	}
}

func specialByByte(b []byte, i int) int {
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] == '"' || b[i] == '\\' {
			break
		}
	}
	return i
}
