package schema

import (
	"bytes"
	"iter"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNumber bounds every whole number that is read or written, so that each
// fits the signed 64-bit type of any consumer's language.
const maxNumber = math.MaxInt64

// value is the text of one JSON value, without space around it, that the
// decoder has accepted: valid, in UTF-8, no duplicate names, at most MaxDepth
// deep. The methods below rely on that and so report no errors. A nil value is
// an absent one.
type value []byte

// isNull reports a JSON null, which everywhere means absent.
func (v value) isNull() bool { return v[0] == 'n' }

// members yields an object's members in their order, names unescaped, nulls
// left out. A name is valid only until the next one.
func (v value) members() iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		for i := skipSpace(v, 1); v[i] != '}'; {
			end := stringEnd(v, i)
			name := unquoted(v[i:end])
			i = skipSpace(v, skipSpace(v, end)+1) // past the colon
			end = valueEnd(v, i)
			if member := v[i:end:end]; !member.isNull() && !yield(name, member) {
				return
			}
			i = next(v, end)
		}
	}
}

// items yields a list's values in their order, nulls left out.
func (v value) items() iter.Seq[value] {
	return func(yield func(value) bool) {
		for i := skipSpace(v, 1); v[i] != ']'; {
			end := valueEnd(v, i)
			if item := v[i:end:end]; !item.isNull() && !yield(item) {
				return
			}
			i = next(v, end)
		}
	}
}

// next returns where the value after the one that ends at i begins, or the
// closing bracket.
func next(v value, i int) int {
	i = skipSpace(v, i)
	if v[i] == ',' {
		i = skipSpace(v, i+1)
	}
	return i
}

func skipSpace(v value, i int) int {
	for v[i] == ' ' || v[i] == '\n' || v[i] == '\t' || v[i] == '\r' {
		i++
	}
	return i
}

// stringEnd returns the offset after the string that begins at i, or the length
// of b if it does not end.
func stringEnd(b []byte, i int) int {
	i++
	quote := bytes.IndexByte(b[i:], '"')
	if quote < 0 {
		return len(b)
	}
	escape := bytes.IndexByte(b[i:i+quote], '\\')
	if escape < 0 {
		return i + quote + 1
	}
	for i += escape; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(b)
}

// valueEnd returns the offset after the value that begins at i.
func valueEnd(v value, i int) int {
	depth := 0
	for ; i < len(v); i++ {
		switch v[i] {
		case '"':
			if i = stringEnd(v, i); depth == 0 {
				return i
			}
			i--
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // ends a number or a literal
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// unquoted returns the text of a JSON string; a part of quoted where nothing is
// escaped in it.
func unquoted(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // it was accepted, so it is valid
	return text
}

// text returns a string's text. ok is false for any other value.
func (v value) text() (s string, ok bool) {
	if v[0] != '"' {
		return "", false
	}
	return string(unquoted(v)), true
}

// numeral returns the text of a number or of a string, which may be a number.
func (v value) numeral() []byte {
	if v[0] == '"' {
		return unquoted(v)
	}
	return v
}

// uint returns a whole number from 0 to maxNumber. It is spelled in decimal
// digits alone, as a number or as a string: 1.0 and 1e3 are not whole numbers.
func (v value) uint() (n uint64, ok bool) {
	return wholeNumber(v.numeral())
}

// int is uint with an optional minus sign.
func (v value) int() (n int64, ok bool) {
	digits, negative := bytes.CutPrefix(v.numeral(), []byte("-"))
	u, ok := wholeNumber(digits)
	if n = int64(u); negative {
		n = -n
	}
	return n, ok
}

func wholeNumber(digits []byte) (n uint64, ok bool) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (maxNumber-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(digits) > 0
}

// float returns a finite number, spelled as JSON spells numbers, also within a
// string.
func (v value) float() (f float64, ok bool) {
	n := v.numeral()
	if v[0] == '"' && !jsontext.Value(n).IsValid() {
		return 0, false // ParseFloat would also take hexadecimal and Inf
	}
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil
}

// lastSecond is the last second of the year 9999, after which RFC 3339 has no
// spelling.
const lastSecond = 253402300799

// seconds returns the time of a number of seconds since 1970.
func (v value) seconds() (t time.Time, ok bool) {
	n, ok := v.uint()
	if !ok || n > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0).UTC(), true
}

// millis returns the time of a number of milliseconds since 1970.
func (v value) millis() (t time.Time, ok bool) {
	n, ok := v.uint()
	if !ok || n > lastSecond*1000+999 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(n)).UTC(), true
}

// verbatim returns a copy of the value as it came, without space between its
// tokens.
func (v value) verbatim() []byte {
	return appendCompact(make([]byte, 0, len(v)), v)
}

// appendCompact appends valid JSON without the space between its tokens.
func appendCompact(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		switch c := src[i]; c {
		case '"':
			end := stringEnd(src, i)
			dst = append(dst, src[i:end]...)
			i = end
		case ' ', '\n', '\t', '\r':
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
