package schema

import (
	"bytes"
	"strconv"
	"time"
)

// Header is one header of a Kafka record. Keys may repeat in Kafka; here none does.
type Header struct {
	Key   string
	Value []byte
}

// The keys of an event's headers, in the order in which Headers gives them:
// CloudEvents 1.0 in Kafka's binary mode, and two of our own.
const (
	HeaderSpecVersion  = "ce_specversion"   // always 1.0
	HeaderID           = "ce_id"            // Event.ID
	HeaderType         = "ce_type"          // always EventType
	HeaderSource       = "ce_source"        // Stream.Source
	HeaderSubject      = "ce_subject"       // Message.ID, where there is one
	HeaderTime         = "ce_time"          // Event.Time
	HeaderRecordedTime = "ce_recordedtime"  // Event.ReceivedAt
	HeaderPartitionKey = "ce_partitionkey"  // Group.ID
	HeaderSequence     = "ce_sequence"      // Event.Sequence, where there is one
	HeaderDataSchema   = "ce_dataschema"    // always DataSchema
	HeaderContentType  = "content-type"     // always application/json
	HeaderOrder        = "chatbridge-order" // an Order
	HeaderHole         = "chatbridge-hole"  // a Hole, on the record after one
)

// The keys of the headers on the dead-letter and the callbacks topic.
const (
	HeaderReason     = "chatbridge-reason"      // a Reason; dead letters only
	HeaderDetail     = "chatbridge-detail"      // a sentence; dead letters only
	HeaderCommand    = "chatbridge-command"     // CallbackCommand; callbacks only
	HeaderQuery      = "chatbridge-query"       // the query without Sign
	HeaderReceivedAt = "chatbridge-received-at" // RFC 3339, UTC, milliseconds
	HeaderTruncated  = "chatbridge-truncated"   // the whole size in bytes, where the value is cut
)

// EventType is the CloudEvents type of every event.
const EventType = "com.tencent.chat.group.message.sent"

// Order is how a record stands to the ones before it in its stream.
type Order string

// The orders.
const (
	// InOrder: the number follows the one before, or begins the stream.
	InOrder Order = "in-order"
	// AfterHole: the numbers of the record's Hole are missing before it.
	AfterHole Order = "after-hole"
	// Late: its number is below one that was published, and it is not a repeat.
	Late Order = "late"
	// Unsequenced: it has no usable number; see Event.Sequence.
	Unsequenced Order = "unsequenced"
	// Reset: the group was made anew, and its numbers begin again here.
	Reset Order = "reset"
)

// Hole is the numbers skipped before a record, first and last; From is 0 where
// there are none.
type Hole struct{ From, To uint64 }

// Headers returns the headers of the event's record in a fixed order. hole is
// written only for AfterHole. The values share one piece of memory that is
// nobody else's.
func (e *Event) Headers(order Order, hole Hole) []Header {
	list, _ := e.AppendHeaders(make([]Header, 0, 13), make([]byte, 0, 640), order, hole)
	return list
}

// AppendHeaders is Headers for who makes many: it appends the headers to list and
// their values to text, and returns both.
func (e *Event) AppendHeaders(list []Header, text []byte, order Order, hole Hole) ([]Header, []byte) {
	s := sheet{b: text, list: list}
	s.put(HeaderSpecVersion, append(s.b, "1.0"...))
	s.put(HeaderID, append(s.b, e.ID...))
	s.put(HeaderType, append(s.b, EventType...))
	s.put(HeaderSource, e.Stream().appendSource(s.b))
	if e.Message.ID != "" {
		s.put(HeaderSubject, append(s.b, e.Message.ID...))
	}
	s.put(HeaderTime, appendTime(s.b, e.Time()))
	s.put(HeaderRecordedTime, appendTime(s.b, e.ReceivedAt))
	s.put(HeaderPartitionKey, append(s.b, e.Group.ID...))
	if seq, ok := e.Sequence(); ok {
		s.put(HeaderSequence, appendSequence(s.b, seq))
	}
	s.put(HeaderDataSchema, append(s.b, DataSchema...))
	s.put(HeaderContentType, append(s.b, "application/json"...))
	s.put(HeaderOrder, append(s.b, order...))
	if order == AfterHole && hole.From > 0 {
		b := strconv.AppendUint(s.b, hole.From, 10)
		b = append(b, '-')
		s.put(HeaderHole, strconv.AppendUint(b, hole.To, 10))
	}
	return s.list, s.b
}

// sheet is headers whose values lie one behind another in b.
type sheet struct {
	b    []byte
	list []Header
}

// put adds a header; b is s.b with the value appended. Where b has moved to a
// larger piece of memory, the earlier values stay in the old one.
func (s *sheet) put(key string, b []byte) {
	value := b[len(s.b):len(b):len(b)]
	s.b = b
	s.list = append(s.list, Header{key, value})
}

// appendSequence writes a number in at least ten digits, so that numbers up to
// 9999999999 sort as text.
func appendSequence(b []byte, seq uint64) []byte {
	for limit := uint64(1e9); limit > 1 && seq < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, seq, 10)
}

// DeadLetterHeaders returns the headers of a record on the dead-letter topic.
// Sign is taken out of query if it is still there. A record that is cut gets
// HeaderTruncated as well, from whoever cuts it.
func DeadLetterHeaders(r Reason, detail, query string, receivedAt time.Time) []Header {
	return []Header{
		{HeaderReason, []byte(r)},
		{HeaderDetail, []byte(detail)},
		{HeaderQuery, withoutSign(query)},
		{HeaderReceivedAt, appendTime(nil, receivedAt)},
	}
}

// CallbackHeaders returns the headers of a record on the callbacks topic. Sign
// is taken out of query if it is still there.
func CallbackHeaders(command, query string, receivedAt time.Time) []Header {
	return []Header{
		{HeaderCommand, []byte(command)},
		{HeaderQuery, withoutSign(query)},
		{HeaderReceivedAt, appendTime(nil, receivedAt)},
	}
}

// withoutSign returns a query without its parameters named Sign, in any letter
// case or escaping: a signature is good for a minute, and a topic is read longer.
func withoutSign(query string) []byte {
	kept := make([]byte, 0, len(query))
	for part := range bytes.SplitSeq([]byte(query), []byte("&")) {
		name, _, _ := bytes.Cut(part, []byte("="))
		if bytes.EqualFold(unescape(name), []byte("Sign")) {
			continue
		}
		if len(kept) > 0 {
			kept = append(kept, '&')
		}
		kept = append(kept, part...)
	}
	return kept
}
