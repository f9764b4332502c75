package relay

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// buffer is a resequencer of outgoing events.
type buffer = resequence.Buffer[*outgoing]

// outgoing is an event on its way from the spool to Kafka.
type outgoing struct {
	position    spool.Position
	received    int64 // ns
	at          int64 // received, in the lane's time
	recordBytes int64 // what its record counted for in the lane
	event       *schema.Event
	value       []byte
	trace       string          // the context that was stored with it; "" = none
	untimely    bool            // Kafka refuses the event's own time; the record carries that of the receipt
	untraced    bool            // Kafka refuses it as too large; the record goes without its trace
	fact        resequence.Fact // complete once it is decided
}

// verdict is what the resequencer says of one.
type verdict = resequence.Decision[*outgoing]

// size is what it counts for in the lane.
func (o *outgoing) size() int64 { return int64(len(o.value)+len(o.trace)) + outgoingOverhead }

// decide takes over what the resequencer said of it.
func (o *outgoing) decide(v *verdict) {
	o.fact = resequence.Fact{
		Key: v.Item.Key, ID: v.Item.ID, Seq: v.Item.Seq, MsgTime: v.Item.MsgTime,
		Verdict: v.Verdict, HoleFrom: v.HoleFrom, HoleTo: v.HoleTo,
	}
}

// decision is what the checkpoint keeps of it.
func (o *outgoing) decision() decision {
	return decision{position: o.position, fact: o.fact}
}

// parcel turns events into Kafka's messages, into memory that it uses again for
// the next batch. One goroutine uses it.
type parcel struct {
	messages []publisher.Message
	headers  []publisher.Header
	written  []schema.Header // of one event
	text     []byte          // the headers' values and the keys
	traced   bool            // the records carry their traces
}

// pack returns the messages of a batch; they are good until the next call.
func (p *parcel) pack(batch []*outgoing) []publisher.Message {
	p.messages, p.headers, p.text = p.messages[:0], p.headers[:0], p.text[:0]
	for _, o := range batch {
		p.messages = append(p.messages, p.message(o))
	}
	return p.messages
}

// message is what Kafka gets of an event.
func (p *parcel) message(o *outgoing) publisher.Message {
	from := len(p.headers)
	hole := schema.Hole{From: o.fact.HoleFrom, To: o.fact.HoleTo}
	p.written, p.text = o.event.AppendHeaders(p.written[:0], p.text, order(o.fact.Verdict), hole)
	for _, h := range p.written {
		p.headers = append(p.headers, publisher.Header(h))
	}
	if p.carries(o) {
		p.traceHeaders(o.trace)
	}
	keyAt := len(p.text)
	p.text = append(p.text, o.event.Group.ID...)
	m := publisher.Message{
		Key:     p.text[keyAt:len(p.text):len(p.text)],
		Value:   o.value,
		Headers: p.headers[from:len(p.headers):len(p.headers)],
		Time:    o.event.RecordTime(),
	}
	if o.untimely {
		m.Time = o.event.ReceivedAt
	}
	return m
}

// carries says whether an event's record has its trace.
func (p *parcel) carries(o *outgoing) bool { return p.traced && o.trace != "" && !o.untraced }

// traceHeaders adds what was stored of a trace: the W3C's traceparent and, behind a
// newline, its tracestate. It is that of the request and not of any attempt, so that
// a batch that is sent again is the same.
func (p *parcel) traceHeaders(trace string) {
	parent, state, _ := strings.Cut(trace, "\n")
	for _, h := range [...]struct{ key, value string }{{"traceparent", parent}, {"tracestate", state}} {
		if h.value == "" {
			continue
		}
		at := len(p.text)
		p.text = append(p.text, h.value...)
		p.headers = append(p.headers, publisher.Header{Key: h.key, Value: p.text[at:len(p.text):len(p.text)]})
	}
}

// order is a verdict as the event's consumers read it.
func order(v resequence.Verdict) schema.Order {
	switch v {
	case resequence.AfterHole:
		return schema.AfterHole
	case resequence.Late:
		return schema.Late
	case resequence.Unsequenced:
		return schema.Unsequenced
	case resequence.Reset:
		return schema.Reset
	default:
		return schema.InOrder
	}
}

// verdictOf is the inverse of order.
func verdictOf(o schema.Order) resequence.Verdict {
	switch o {
	case schema.AfterHole:
		return resequence.AfterHole
	case schema.Late:
		return resequence.Late
	case schema.Unsequenced:
		return resequence.Unsequenced
	case schema.Reset:
		return resequence.Reset
	default:
		return resequence.InOrder
	}
}

// streamKey names a stream in the resequencer. Its first four bytes are the
// murmur2 of the group, so that the lane of a saved stream can be told for any
// number of partitions; the rest is a digest of the whole name, long enough
// that two streams never share a key.
func streamKey(s schema.Stream) resequence.Key {
	var k resequence.Key
	binary.BigEndian.PutUint32(k[:4], groupHash([]byte(s.GroupID)))
	name := make([]byte, 0, 128)
	name = binary.BigEndian.AppendUint64(name, s.AppID)
	name = binary.AppendUvarint(name, uint64(len(s.GroupID)))
	name = append(name, s.GroupID...)
	name = append(name, s.TopicID...)
	sum := sha256.Sum256(name)
	copy(k[4:], sum[:])
	return k
}

// groupHash is the part of a group's partition that does not depend on how many
// partitions there are: PartitionFor(key, n) is groupHash(key) % n for every n.
func groupHash(group []byte) uint32 {
	return uint32(publisher.PartitionFor(group, 1<<31))
}

// laneOfKey is the lane of a stream among n.
func laneOfKey(k resequence.Key, n int) int {
	return int(binary.BigEndian.Uint32(k[:4])) % n
}

// fact is what the resequencer has to know of an event that is in the topic.
func fact(e *schema.Event, m schema.Marks) resequence.Fact {
	seq, _ := e.Sequence()
	return resequence.Fact{
		Key: streamKey(e.Stream()), ID: resequence.ID(e.Identity()),
		Seq: seq, MsgTime: messageTime(e),
		Verdict: verdictOf(m.Order), HoleFrom: m.Hole.From, HoleTo: m.Hole.To,
	}
}

// messageTime is MsgTime in seconds, 0 where unknown.
func messageTime(e *schema.Event) int64 {
	if t := e.Message.SentAt; !t.IsZero() {
		return t.Unix()
	}
	return 0
}

// item is an event as the resequencer takes it.
func (o *outgoing) item() resequence.Item[*outgoing] {
	seq, sequenced := o.event.Sequence()
	return resequence.Item[*outgoing]{
		Key: streamKey(o.event.Stream()), ID: resequence.ID(o.event.Identity()),
		Seq: seq, Sequenced: sequenced,
		MsgTime:    messageTime(o.event),
		ReceivedAt: o.at,
		Size:       int(o.size()),
		Value:      o,
	}
}

// outgoingOverhead is about what an outgoing event takes in memory beside its value.
const outgoingOverhead = 1024
