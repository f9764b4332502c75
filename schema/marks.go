package schema

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Marks is what the headers of an event's record say, for readers that need not
// decode its value.
type Marks struct {
	// ID is the message's identity.
	ID ID
	// Stream is the stream that Sequence counts in.
	Stream Stream
	// Sequence is the number that orders the message; 0 and Sequenced false
	// where it has none.
	Sequence  uint64
	Sequenced bool
	// Order is how the record stands to the ones before it.
	Order Order
	// Hole is the numbers missing before it; From is 0 where none are.
	Hole Hole
	// MessageID is MsgId; "" = none.
	MessageID string
	// Time is when it happened, ReceivedAt when it was received.
	Time, ReceivedAt time.Time
}

// ParseHeaders reads the headers that Event.Headers writes. get returns the
// value of a key. The error names the header that is missing or wrong, and the
// record is then not one of chatbridge's, or is damaged.
func ParseHeaders(get func(key string) (string, bool)) (Marks, error) {
	p := headerParser{get: get}
	var m Marks
	if t := p.required(HeaderType); p.err == nil && t != EventType {
		p.fail(HeaderType, t)
	}
	m.ID = parse(&p, HeaderID, ParseID)
	m.Stream = parse(&p, HeaderSource, ParseSource)
	m.Time = parse(&p, HeaderTime, parseTime)
	m.ReceivedAt = parse(&p, HeaderRecordedTime, parseTime)
	m.Order = parse(&p, HeaderOrder, parseOrder)
	if _, ok := get(HeaderSequence); ok {
		m.Sequence, m.Sequenced = parse(&p, HeaderSequence, parseSequence), true
	}
	if _, ok := get(HeaderHole); ok {
		m.Hole = parse(&p, HeaderHole, parseHole)
	}
	m.MessageID, _ = get(HeaderSubject)
	if p.err != nil {
		return Marks{}, p.err
	}
	if m.Sequenced != (m.Order != Unsequenced) || (m.Hole.From > 0) != (m.Order == AfterHole) {
		return Marks{}, fmt.Errorf("reading headers: order %q does not go with sequence %d and hole %d-%d",
			m.Order, m.Sequence, m.Hole.From, m.Hole.To)
	}
	return m, nil
}

// headerParser keeps the first error.
type headerParser struct {
	get func(key string) (string, bool)
	err error
}

func (p *headerParser) required(key string) string {
	v, ok := p.get(key)
	if !ok && p.err == nil {
		p.err = fmt.Errorf("reading headers: %s is missing", key)
	}
	return v
}

func (p *headerParser) fail(key, value string) {
	p.err = fmt.Errorf("reading headers: %s is %.200q", key, value)
}

func parse[T any](p *headerParser, key string, read func(string) (T, error)) T {
	text := p.required(key)
	if p.err != nil {
		var none T
		return none
	}
	v, err := read(text)
	if err != nil {
		p.fail(key, text)
	}
	return v
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err
}

func parseSequence(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err == nil && (n == 0 || string(appendSequence(nil, n)) != s) {
		return 0, strconv.ErrSyntax
	}
	return n, err
}

func parseOrder(s string) (Order, error) {
	switch o := Order(s); o {
	case InOrder, AfterHole, Late, Unsequenced, Reset:
		return o, nil
	}
	return "", strconv.ErrSyntax
}

func parseHole(s string) (Hole, error) {
	from, to, _ := strings.Cut(s, "-")
	first, err1 := strconv.ParseUint(from, 10, 64)
	last, err2 := strconv.ParseUint(to, 10, 64)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return Hole{}, strconv.ErrSyntax
	}
	return Hole{first, last}, nil
}
