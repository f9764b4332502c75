package schema

import (
	"encoding/binary"
	"math/bits"
)

// Nearly every body is JSON of the plainest kind. This file passes over such a
// body once, without asking the decoder, and says yes only where there is no
// doubt: what is odd in any way, valid or not, is the decoder's to judge.
const (
	plainDepth = 8  // more is not plain
	plainNames = 24 // of one object
)

// splitPlain splits the outermost object of a text that clean has been over. It
// answers as the decoder would, or with false and c in any state.
func (c *callback) splitPlain(text []byte) bool {
	p := plainReader{text: text}
	if !p.take('{') {
		return false
	}
	var seen nameSet
	for more := !p.take('}'); more; more = p.take(',') {
		name, v, ok := p.member(&seen, 1)
		if !ok {
			return false
		}
		c.put(name, v)
	}
	if seen.n > 0 && !p.take('}') {
		return false
	}
	p.space()
	c.text = text
	return p.at == len(text)
}

// plainReader passes over JSON from its front.
type plainReader struct {
	text []byte
	at   int
}

// nameSet is the names of one object.
type nameSet struct {
	list [plainNames][]byte
	n    int
}

// add reports whether name is new, and there is room to know it.
func (s *nameSet) add(name []byte) bool {
	for _, n := range s.list[:s.n] {
		if string(n) == string(name) {
			return false
		}
	}
	if s.n == len(s.list) {
		return false
	}
	s.list[s.n] = name
	s.n++
	return true
}

func (p *plainReader) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// take passes over white space and then b, if that is what comes.
func (p *plainReader) take(b byte) bool {
	p.space()
	if p.at == len(p.text) || p.text[p.at] != b {
		return false
	}
	p.at++
	return true
}

// member passes over a name without escapes, a colon and a value.
func (p *plainReader) member(seen *nameSet, depth int) (name []byte, v value, ok bool) {
	if !p.take('"') {
		return nil, nil, false
	}
	from := p.at
	p.at = specialAt(p.text, from)
	if p.at == len(p.text) || p.text[p.at] != '"' {
		return nil, nil, false
	}
	name = p.text[from:p.at]
	p.at++
	if !seen.add(name) || !p.take(':') {
		return nil, nil, false
	}
	p.space()
	from = p.at
	if !p.value(depth) {
		return nil, nil, false
	}
	return name, value(p.text[from:p.at:p.at]), true
}

// value passes over the value that comes, inside of depth others.
func (p *plainReader) value(depth int) bool {
	if p.at == len(p.text) {
		return false
	}
	switch b := p.text[p.at]; b {
	case '"':
		return p.string()
	case '{', '[':
		p.at++
		return depth < plainDepth && (b == '{' && p.object(depth+1) || b == '[' && p.list(depth+1))
	case 't':
		return p.word("true")
	case 'f':
		return p.word("false")
	case 'n':
		return p.word("null")
	default:
		return p.number()
	}
}

func (p *plainReader) object(depth int) bool {
	if p.take('}') {
		return true
	}
	var seen nameSet
	for more := true; more; more = p.take(',') {
		if _, _, ok := p.member(&seen, depth); !ok {
			return false
		}
	}
	return p.take('}')
}

func (p *plainReader) list(depth int) bool {
	if p.take(']') {
		return true
	}
	for more := true; more; more = p.take(',') {
		p.space()
		if !p.value(depth) {
			return false
		}
	}
	return p.take(']')
}

// string passes over a string. That its surrogates are pairs is clean's doing.
func (p *plainReader) string() bool {
	for i := p.at + 1; ; {
		if i = specialAt(p.text, i); i+1 >= len(p.text) {
			return false // it does not end, or it ends the text, which is an object's
		}
		switch p.text[i] {
		case '"':
			p.at = i + 1
			return true
		case '\\':
			n := escapeLength(p.text[i+1:])
			if n == 0 {
				return false
			}
			i += 1 + n
		default:
			return false // a control character
		}
	}
}

// escapeLength is how much of b, behind a backslash, makes the escape; 0 where
// none does.
func escapeLength(b []byte) int {
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) < 5 {
			return 0
		}
		for _, digit := range b[1:5] {
			if hexDigit(digit) < 0 {
				return 0
			}
		}
		return 5
	}
	return 0
}

func (p *plainReader) word(word string) bool {
	if len(p.text)-p.at < len(word) || string(p.text[p.at:p.at+len(word)]) != word {
		return false
	}
	p.at += len(word)
	return true
}

// number passes over a whole number. One with a fraction or an exponent is rare.
func (p *plainReader) number() bool {
	if p.text[p.at] == '-' {
		p.at++
	}
	from := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	digits := p.at - from
	return digits == 1 || digits > 1 && p.text[from] != '0'
}

// specialAt returns the offset, at or after i, of the first byte that cannot
// stand for itself in a JSON string: a quote, a backslash or a control
// character; the length of b where there is none. It looks at eight at a time.
func specialAt(b []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := w^ones*'"', w^ones*'\\'
		// The high bit of each byte that is below the number taken from it. A bit
		// can be wrong only behind one that is right, and the first is what counts.
		if hit := ((w-ones*' ')&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}
