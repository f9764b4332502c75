package schema

import (
	"bytes"
	"unicode/utf8"
)

// MaxDepth is how deep objects and lists of a callback's body may be nested;
// the outermost object counts as 1.
const MaxDepth = 64

// clean returns body as text that a strict JSON decoder can read: without a
// byte-order mark, and with U+FFFD in place of invalid UTF-8 and of surrogates
// that are not one half of a pair. It returns body itself, or a part of it,
// where there is nothing to replace; it never changes body.
//
// Everything that is read, compared or kept comes from the cleaned text. That
// is why two names that differ only in invalid bytes are duplicates, and why
// what is kept verbatim is still valid UTF-8.
func clean(body []byte) []byte {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\ufffd"))
	}
	at := loneSurrogate(body, 0)
	if at < 0 {
		return body
	}
	body = bytes.Clone(body)
	for ; at >= 0; at = loneSurrogate(body, at) {
		copy(body[at:], `\ufffd`) // as long as the escape that it replaces
	}
	return body
}

// loneSurrogate returns the offset, at or after from, of the first escape of a
// surrogate that is not half of a pair, or -1. Escapes that are not well formed
// are passed over: the decoder refuses them.
func loneSurrogate(b []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(b[i:], '\\')
		if n < 0 {
			return -1
		}
		i += n
		unit := escapedUnit(b[i:])
		switch {
		case unit < 0:
			i = min(i+2, len(b)) // another escape; its second byte may be a backslash
		case unit < 0xd800 || unit > 0xdfff:
			i += 6
		case unit < 0xdc00 && isLowSurrogate(escapedUnit(b[i+6:])):
			i += 12
		default:
			return i
		}
	}
}

// escapedUnit returns the UTF-16 unit that b begins with as \uXXXX, or -1.
func escapedUnit(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	unit := 0
	for _, c := range b[2:6] {
		digit := hexDigit(c)
		if digit < 0 {
			return -1
		}
		unit = unit<<4 | digit
	}
	return unit
}

func isLowSurrogate(unit int) bool { return 0xdc00 <= unit && unit <= 0xdfff }

// tooDeepAt returns the offset of the first bracket in text that is nested
// deeper than limit, or -1. It is exact for text that is JSON up to there.
func tooDeepAt(text []byte, limit int) int {
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) <= limit {
		return -1 // as good as always
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if depth++; depth > limit {
				return i
			}
		case '}', ']':
			depth--
		case '"':
			i = stringEnd(text, i) - 1
		}
	}
	return -1
}
