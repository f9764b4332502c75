package ledger

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/chatbridge/chatbridge/schema"
)

// Kind says which fact a line states; the package comment lists them.
type Kind string

// The kinds of lines.
const (
	Run        Kind = "run"
	Reserved   Kind = "reserved"
	OK         Kind = "ok"
	Copy       Kind = "copy"
	Refused    Kind = "refused"
	Unanswered Kind = "unanswered"
	Dropped    Kind = "dropped"
	End        Kind = "end"
)

// Line is one line. Which members it has depends on its kind.
type Line struct {
	Kind  Kind   `json:"kind"`
	App   uint64 `json:"app"`
	Group string `json:"group"`
	Topic string `json:"topic"` // "" outside of a community's topics

	Seq uint64 `json:"seq"` // MsgSeq; 0: the message has none
	To  uint64 `json:"to"`  // reserved: the last number, inclusive

	Random  uint32 `json:"random"`
	MsgTime int64  `json:"msg_time"` // Unix seconds
	ID      string `json:"id"`       // the event's id, schema.Event.Identity

	SentAt     time.Time `json:"sent_at"`     // when the answered attempt was sent
	AnsweredAt time.Time `json:"answered_at"` // when its answer was there
	Attempts   int       `json:"attempts"`    // of this delivery, ≥ 1
	Status     int       `json:"status"`      // refused: the HTTP status
	Reason     string    `json:"reason"`      // unanswered, dropped: why

	Seed uint64 `json:"seed"` // run
}

// Stream returns whom the line is about.
func (l *Line) Stream() schema.Stream {
	return schema.Stream{AppID: l.App, GroupID: l.Group, TopicID: l.Topic}
}

// append writes the line as JSON with a newline at the end. Members that are
// zero are left out.
func (l *Line) append(b []byte) []byte {
	b = append(b, `{"kind":"`...)
	b = append(b, l.Kind...)
	b = append(b, '"')
	b = appendNumber(b, `,"seed":`, l.Seed)
	b = appendNumber(b, `,"app":`, l.App)
	b = appendText(b, `,"group":`, l.Group)
	b = appendText(b, `,"topic":`, l.Topic)
	b = appendNumber(b, `,"seq":`, l.Seq)
	b = appendNumber(b, `,"to":`, l.To)
	if l.ID != "" {
		b = append(b, `,"random":`...)
		b = strconv.AppendUint(b, uint64(l.Random), 10)
		b = append(b, `,"msg_time":`...)
		b = strconv.AppendInt(b, l.MsgTime, 10)
		b = appendText(b, `,"id":`, l.ID)
	}
	b = appendTime(b, `,"sent_at":`, l.SentAt)
	b = appendTime(b, `,"answered_at":`, l.AnsweredAt)
	b = appendNumber(b, `,"attempts":`, uint64(max(l.Attempts, 0)))
	b = appendNumber(b, `,"status":`, uint64(max(l.Status, 0)))
	b = appendText(b, `,"reason":`, l.Reason)
	return append(b, "}\n"...)
}

func appendNumber(b []byte, name string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(append(b, name...), n, 10)
}

func appendText(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, name...)
	quoted, err := jsontext.AppendQuote(b, s)
	if err != nil { // invalid UTF-8: what AppendQuote wrote instead is still JSON
		return quoted
	}
	return quoted
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(b, name...), '"')
	return append(t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z"), '"')
}
