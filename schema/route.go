package schema

import "bytes"

// Route returns what a body is placed by: of a body that Normalize reads, the
// group's id exactly as Normalize reads it. Of any other body it returns
// something or nothing, but always the same. It does not check the body, so it
// costs a fraction of Peek. The result may lie in body or in buf. Any number of
// goroutines may call it, each with a buf of its own.
func Route(body, buf []byte) []byte {
	if id, ok := plainGroupID(body); ok {
		return id
	}
	id, _ := Peek(body, buf)
	return id
}

// plainGroupID finds the top-level member GroupId where it is printable ASCII
// without escapes and every name before it has no escape. ok is false where
// that takes more than a glance. It takes for granted that body is JSON.
func plainGroupID(body []byte) (id []byte, ok bool) {
	s := glance{rest: body}
	if !s.take('{') {
		return nil, false
	}
	for {
		name, plain := s.text()
		if !plain || !s.take(':') {
			return nil, false
		}
		if string(name) == "GroupId" {
			return s.text()
		}
		if !s.skip() || !s.take(',') {
			return nil, false
		}
	}
}

// glance reads JSON from its front without checking it.
type glance struct{ rest []byte }

// take passes over white space and then b.
func (s *glance) take(b byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != b {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *glance) space() {
	for len(s.rest) > 0 {
		switch s.rest[0] {
		case ' ', '\t', '\n', '\r':
			s.rest = s.rest[1:]
		default:
			return
		}
	}
}

// text reads a string of printable ASCII without escapes.
func (s *glance) text() (b []byte, plain bool) {
	if !s.take('"') {
		return nil, false
	}
	for i, c := range s.rest {
		switch {
		case c == '"':
			b, s.rest = s.rest[:i], s.rest[i+1:]
			return b, true
		case c == '\\' || c < ' ' || c > '~':
			return nil, false
		}
	}
	return nil, false
}

// skip passes over a value.
func (s *glance) skip() bool {
	s.space()
	depth := 0
	for len(s.rest) > 0 {
		switch c := s.rest[0]; c {
		case '"':
			if !s.skipString() {
				return false
			}
			if depth == 0 {
				return true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				s.rest = s.rest[1:]
				return true
			}
			if depth < 0 {
				return true // the end of the object that the value is in
			}
		case ',':
			if depth == 0 {
				return true // the end of a number or a word
			}
		}
		s.rest = s.rest[1:]
	}
	return false
}

// skipString passes over a string, escapes and all.
func (s *glance) skipString() bool {
	b := s.rest[1:]
	for {
		end := bytes.IndexByte(b, '"')
		if end < 0 {
			return false
		}
		escapes := 0
		for end-escapes > 0 && b[end-escapes-1] == '\\' {
			escapes++
		}
		b = b[end+1:]
		if escapes%2 == 0 {
			s.rest = b
			return true
		}
	}
}
