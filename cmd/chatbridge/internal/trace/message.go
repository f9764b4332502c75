package trace

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/chatbridge/chatbridge/schema"
)

// Question is which message is looked for.
type Question struct {
	GroupID string
	TopicID string // "" = the group itself
	AppID   uint64 // 0 = any
	Seq     uint64
}

// asks reports whether a message is one that is looked for.
func (q *Question) asks(e *schema.Event) bool {
	return q.stream(e.Stream()) && e.Message.Seq.Present && e.Message.Seq.Value == q.Seq
}

// stream reports whether a stream is one that is looked into.
func (q *Question) stream(s schema.Stream) bool {
	return s.GroupID == q.GroupID && s.TopicID == q.TopicID && (q.AppID == 0 || s.AppID == q.AppID)
}

// Identity is what tells messages with the same number apart.
type Identity struct {
	ID     string     `json:"id,omitempty"`
	AppID  uint64     `json:"app_id,omitempty"`
	Random *uint64    `json:"random,omitempty"`
	SentAt *time.Time `json:"sent_at,omitempty"`
}

func identityOf(e *schema.Event) Identity {
	id := Identity{ID: e.ID, AppID: e.AppID}
	if r := e.Message.Random; r.Present {
		id.Random = &r.Value
	}
	if at := e.Message.SentAt; !at.IsZero() {
		id.SentAt = &at
	}
	return id
}

// Delivery is a callback of the message that is in the spool.
type Delivery struct {
	Position   uint64    `json:"position"`
	ReceivedAt time.Time `json:"received_at"`
	// Settled says that the checkpoint counts it as done: it is in Kafka, or was
	// skipped as a repeat.
	Settled bool `json:"settled"`
	// Skipped says that it was a repeat of what the topic has.
	Skipped bool `json:"skipped_as_duplicate,omitempty"`
	// Unreadable says why it is no message: it names the group and the number, and
	// goes to the dead letters.
	Unreadable string `json:"unreadable,omitempty"`

	event *schema.Event // nil where it is unreadable
}

func (d *Delivery) identity() Identity {
	if d.event == nil {
		return Identity{}
	}
	return identityOf(d.event)
}

// Callback is what the spool, or a dead letter, has of one.
type Callback struct {
	Query      string
	Body       []byte
	ReceivedAt time.Time
}

// Read makes a delivery of a callback; ok is false where it is not one that is
// looked for.
func (q *Question) Read(c *Callback) (d Delivery, ok bool) {
	named := bytes.Contains(c.Body, strconv.AppendQuote(nil, q.GroupID))
	if !named && string(schema.Route(c.Body, nil)) != q.GroupID {
		return d, false
	}
	d.ReceivedAt = c.ReceivedAt
	request, err := schema.ParseQuery(c.Query, c.ReceivedAt)
	if err == nil && request.Command != "" && request.Command != schema.CommandAfterSend {
		return d, false
	}
	if err == nil {
		d.event, err = schema.Normalize(request, c.Body)
	}
	if err == nil {
		d.ReceivedAt = d.event.ReceivedAt
		return d, q.asks(d.event)
	}
	d.event, d.Unreadable = nil, err.Error()
	return d, named && q.likely(&request, c.Body)
}

// likely reports whether a body that cannot be read is of the message, by what
// it names.
func (q *Question) likely(r *schema.Request, body []byte) bool {
	if q.AppID != 0 && r.AppID != 0 && q.AppID != r.AppID || q.TopicID != "" && !bytes.Contains(body, []byte(q.TopicID)) {
		return false
	}
	return regexp.MustCompile(fmt.Sprintf(`"MsgSeq"\s*:\s*"?0*%d\b`, q.Seq)).Match(body)
}

// Begin is a time before which no record of the message lies, whichever of its
// deliveries it was made of: when it was sent, and some patience with clocks.
func (d *Delivery) Begin() time.Time {
	if d.event == nil {
		return d.ReceivedAt.Add(-time.Minute)
	}
	at := d.event.RecordTime()
	for _, other := range []time.Time{d.event.ReceivedAt, d.event.Message.SentAt} {
		if other.Before(at) && at.Sub(other) < farOff {
			at = other
		}
	}
	return at.Add(-time.Minute)
}

// farOff is beyond what a record's time can be from that of its receipt, twice.
const farOff = 49 * time.Hour

// Record is a record of the events topic.
type Record struct {
	Partition  int       `json:"partition"`
	Offset     int64     `json:"offset"`
	Time       time.Time `json:"time"`
	Seq        uint64    `json:"seq"`
	Order      string    `json:"order"`
	Hole       *Hole     `json:"hole,omitempty"`
	ReceivedAt time.Time `json:"received_at"`

	identity Identity
}

// Hole is a range of numbers, both inclusive.
type Hole struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Letter is a record of the dead-letter topic.
type Letter struct {
	Partition  int       `json:"partition"`
	Offset     int64     `json:"offset"`
	Time       time.Time `json:"time"`
	Reason     string    `json:"reason"`
	Detail     string    `json:"detail,omitempty"`
	ReceivedAt string    `json:"received_at,omitempty"`
	// Likely says that its body cannot be read, and names the group and the number.
	Likely bool `json:"likely,omitempty"`

	identity Identity
}

// Held is what the running bridge says of a message that it holds.
type Held struct {
	LeavesIn float64 `json:"leaves_in_seconds"`
	WaitsFor []Hole  `json:"waits_for,omitempty"`
	Restart  bool    `json:"restart,omitempty"` // it waits to begin the numbers again
	AppID    uint64  `json:"-"`
}

// GivenUp is a hole that the running bridge no longer waits for.
type GivenUp struct {
	Hole
	At time.Time `json:"at"`
}

// Last is the message as the bridge published it: the last one of its stream.
type Last struct {
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
}
