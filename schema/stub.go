package schema

import (
	"errors"
	"time"
)

type writer struct{}

func (*Text) appendTo(w *writer)     {}
func (*Location) appendTo(w *writer) {}
func (*Face) appendTo(w *writer)     {}
func (*Custom) appendTo(w *writer)   {}
func (*Sound) appendTo(w *writer)    {}
func (*Image) appendTo(w *writer)    {}
func (*File) appendTo(w *writer)     {}
func (*Video) appendTo(w *writer)    {}
func (*Relay) appendTo(w *writer)    {}
func (*Other) appendTo(w *writer)    {}

func Check(command string, body []byte) error                { return errors.New("not yet") }
func Peek(body []byte, buf []byte) (groupID []byte, ok bool) { return nil, false }
func Normalize(req Request, body []byte) (*Event, error)     { return nil, errors.New("not yet") }
func (e *Event) AppendJSON(dst []byte) ([]byte, error)       { return dst, errors.New("not yet") }
func Decode(b []byte) (*Event, error)                        { return nil, errors.New("not yet") }

type ID [16]byte

func (id ID) String() string       { return "" }
func ParseID(s string) (ID, error) { return ID{}, errors.New("not yet") }
func (e *Event) Identity() ID      { return ID{} }

type Order string

const (
	InOrder     Order = "in-order"
	AfterHole   Order = "after-hole"
	Late        Order = "late"
	Unsequenced Order = "unsequenced"
	Reset       Order = "reset"
)

type Hole struct{ From, To uint64 }
type Header struct {
	Key   string
	Value []byte
}

func (e *Event) Headers(order Order, hole Hole) []Header { return nil }

type Marks struct {
	ID         ID
	Stream     Stream
	Sequence   uint64
	Sequenced  bool
	Order      Order
	Hole       Hole
	MessageID  string
	Time       time.Time
	RecordedAt time.Time
}

func ParseHeaders(get func(key string) (string, bool)) (Marks, error) {
	return Marks{}, errors.New("not yet")
}
func JSONSchema() []byte                                                              { return nil }
func DeadLetterHeaders(r Reason, detail, query string, receivedAt time.Time) []Header { return nil }
func CallbackHeaders(command, query string, receivedAt time.Time) []Header            { return nil }

const (
	HeaderOrder      = "chatbridge-order"
	HeaderHole       = "chatbridge-hole"
	HeaderReason     = "chatbridge-reason"
	HeaderDetail     = "chatbridge-detail"
	HeaderQuery      = "chatbridge-query"
	HeaderCommand    = "chatbridge-command"
	HeaderReceivedAt = "chatbridge-received-at"
	HeaderTruncated  = "chatbridge-truncated"
)
