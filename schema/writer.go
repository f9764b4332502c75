package schema

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxEventDepth bounds the nesting of an event's JSON. An event made of a body
// of MaxDepth needs two levels more than the body; the rest is room for what
// later versions of v1 add.
const maxEventDepth = MaxDepth + 8

// writer appends JSON. A member that is absent is not written. The first error
// sticks.
type writer struct {
	b   []byte
	err error
	// relays is how many relays are open; it stops a relay that contains itself.
	relays int
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// separate writes the comma where something stands before in the same object or
// list: a value never ends in an opening bracket.
func (w *writer) separate() {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
}

// name begins a member. name needs no escaping.
func (w *writer) name(name string) {
	w.separate()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) text(name, s string) {
	if s != "" {
		w.name(name)
		w.b = appendQuoted(w.b, s)
	}
}

func (w *writer) uint(name string, n Optional[uint64]) {
	if n.Present {
		w.number(name, n.Value)
	}
}

func (w *writer) number(name string, n uint64) {
	if n > maxNumber {
		w.fail("%s is %d, which is more than %d", name, n, int64(maxNumber))
	}
	w.name(name)
	w.b = strconv.AppendUint(w.b, n, 10)
}

func (w *writer) int(name string, n Optional[int64]) {
	if n.Present {
		w.name(name)
		w.b = strconv.AppendInt(w.b, n.Value, 10)
	}
}

func (w *writer) float(name string, f Optional[float64]) {
	switch {
	case !f.Present:
	case math.IsNaN(f.Value) || math.IsInf(f.Value, 0):
		w.fail("%s is %v, which JSON has no number for", name, f.Value)
	default:
		w.name(name)
		w.b = appendFloat(w.b, f.Value)
	}
}

// appendFloat writes the shortest number that reads back as f, and an exponent
// only where the number would be long without.
func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

func (w *writer) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.name(name)
	w.b = append(w.b, '"')
	w.b = appendTime(w.b, t)
	w.b = append(w.b, '"')
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		w.fail("%s is in the year %d, for which RFC 3339 has no spelling", name, year)
	}
}

// appendTime writes RFC 3339 in UTC with milliseconds; what is finer is cut off.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = t.AppendFormat(b, time.RFC3339)
	ms := t.Nanosecond() / 1e6
	b[len(b)-1] = '.' // in place of the Z
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func (w *writer) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	for _, s := range list {
		w.separate()
		w.b = appendQuoted(w.b, s)
	}
	w.b = append(w.b, ']')
}

// raw writes a value as it came.
func (w *writer) raw(name string, v []byte) {
	if !isAbsent(v) {
		w.name(name)
		w.verbatim(v)
	}
}

func isAbsent(v []byte) bool {
	v = bytes.TrimSpace(v)
	return len(v) == 0 || string(v) == "null"
}

func (w *writer) verbatim(v []byte) {
	if !jsontext.Value(v).IsValid() {
		w.fail("a value that is to be kept as it came is not JSON of unique names in UTF-8")
		return
	}
	w.b = appendCompact(w.b, v)
}

// extra writes the members that have no field, sorted by name.
func (w *writer) extra(x Extra) {
	if len(x) == 0 {
		return
	}
	before := len(w.b)
	w.name("extra")
	w.b = append(w.b, '{')
	opened := len(w.b)
	names := make([]string, 0, len(x))
	for name := range x {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := x[name]
		if isAbsent(v) {
			continue
		}
		if !utf8.ValidString(name) {
			w.fail("the name of an extra member is not UTF-8")
		}
		w.separate()
		w.b = appendQuoted(w.b, name)
		w.b = append(w.b, ':')
		w.verbatim(v)
	}
	if len(w.b) == opened {
		w.b = w.b[:before] // nothing but nulls
		return
	}
	w.b = append(w.b, '}')
}

// appendQuoted writes a JSON string with no more escapes than JSON asks for.
// Invalid UTF-8 becomes U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	b = append(b, '"')
	start := len(b)
	b = append(b, s...)
	if at := specialAt(b, start); at < len(b) {
		b = appendEscapes(b[:at], s[at-start:])
	}
	return append(b, '"')
}

// appendEscapes writes s, escaping what JSON asks to be escaped.
func appendEscapes(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			b = append(b, s[start:i]...)
			b = appendEscaped(b, c)
			start = i + 1
		}
	}
	return append(b, s[start:]...)
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
