package schema

import (
	"encoding/json"
	"time"
)

// Name is the value of Event.Schema: the event's name and major version.
const Name = "chat.group-message/v1"

// Event is one message that was sent to a group: what a callback said, in the
// form that consumers read. Absent means unknown: an empty string, list or map,
// a zero time and an absent Optional are left out of the JSON, and a null never
// is in it. The order of the fields is the order of the JSON's members.
//
// An Event is a plain value without locks: any number of goroutines may read
// it, one may write it.
type Event struct {
	// Schema is Name.
	Schema string `json:"schema"`
	// ID is the text of Identity: the same message has the same id, always.
	ID string `json:"id"`
	// AppID is the SdkAppid of the callback's query.
	AppID uint64 `json:"app_id"`
	// Group is where the message was sent.
	Group Group `json:"group"`
	// Message is the message itself.
	Message Message `json:"message"`
	// Sender is who sent it, and from where.
	Sender Sender `json:"sender,omitzero"`
	// Mentions is who was mentioned with @; absent if nobody was.
	Mentions Mentions `json:"mentions,omitzero"`
	// OccurredAt is when the callback was triggered (EventTime), in milliseconds.
	OccurredAt time.Time `json:"occurred_at,omitzero"`
	// ReceivedAt is when chatbridge received the callback, in milliseconds.
	ReceivedAt time.Time `json:"received_at"`
	// Extra holds the callback's members that this version does not know, and
	// known ones that have a wrong type, as they came.
	Extra Extra `json:"extra,omitempty"`
}

// Group is the group, and the topic in it, that a message was sent to.
type Group struct {
	// ID is GroupId. It is never empty, and it is the key of the Kafka record.
	ID string `json:"id"`
	// Type is the group's type as it came, such as Public or AVChatRoom. New
	// values come without notice.
	Type string `json:"type,omitempty"`
	// TopicID is the topic of a community; it is part of the stream.
	TopicID string `json:"topic_id,omitempty"`
}

// Message is what was sent.
type Message struct {
	// Seq is MsgSeq, the message's number in its stream. It is here also where
	// it does not order the message (0, or online-only); see Event.Sequence.
	Seq Optional[uint64] `json:"seq,omitzero"`
	// ID is MsgId, the id that client SDKs show.
	ID string `json:"id,omitempty"`
	// Random is the random number of the request that sent the message.
	Random Optional[uint64] `json:"random,omitzero"`
	// SentAt is MsgTime, the server's time of the message, in seconds.
	SentAt time.Time `json:"sent_at,omitzero"`
	// OnlineOnly is true for a message that only members online received and
	// that is not kept; such a message takes no number of its own.
	OnlineOnly bool `json:"online_only,omitzero"`
	// Priority is the message's priority as it came, such as High or Normal.
	Priority string `json:"priority,omitempty"`
	// Text is the text elements in order, with nothing between them. The text
	// inside relayed messages is not part of it.
	Text string `json:"text,omitempty"`
	// Elements are the parts of the message in order.
	Elements Elements `json:"elements,omitempty"`
	// CustomData is CloudCustomData, the application's own data.
	CustomData string `json:"custom_data,omitempty"`
}

// Sender is who sent a message, and from where.
type Sender struct {
	// Account is From_Account.
	Account string `json:"account,omitempty"`
	// Operator is Operator_Account: who made the request, which is not the
	// sender where an administrator sends in another's name.
	Operator string `json:"operator,omitempty"`
	// Platform is OptPlatform of the query as it came, such as Web or RESTAPI.
	Platform string `json:"platform,omitempty"`
	// IP is ClientIP of the query as it came; nothing checks that it is an address.
	IP string `json:"ip,omitempty"`
}

// Mentions is who was mentioned in a message.
type Mentions struct {
	// All is true where everybody was mentioned.
	All bool `json:"all"`
	// Accounts are the members mentioned, in the order of the mentions.
	Accounts []string `json:"accounts,omitempty"`
}

// IsZero reports that nobody is mentioned; such Mentions are left out.
func (m Mentions) IsZero() bool { return !m.All && len(m.Accounts) == 0 }

// Extra holds members that this version has no field for: the member's name
// and its JSON text as it came, with the spelling of its numbers. White space
// between tokens is dropped, and a null is left out. AppendJSON writes the
// members sorted by name.
type Extra map[string]json.RawMessage

// Stream names one sequence of messages: numbers are comparable only within it.
type Stream struct {
	// AppID is the app.
	AppID uint64
	// GroupID is the group; TopicID the topic in it, or "".
	GroupID, TopicID string
}

// Stream returns the stream that the message belongs to.
func (e *Event) Stream() Stream {
	return Stream{AppID: e.AppID, GroupID: e.Group.ID, TopicID: e.Group.TopicID}
}

// Sequence returns the number that orders the message in its stream. ok is
// false for an unsequenced message: MsgSeq absent, 0 or unusable, or an
// online-only message, which takes no number of its own.
func (e *Event) Sequence() (seq uint64, ok bool) {
	if e.Message.OnlineOnly || e.Message.Seq.Value == 0 {
		return 0, false
	}
	return e.Message.Seq.Value, e.Message.Seq.Present
}

// Time returns when the message happened, as well as is known: OccurredAt, else
// SentAt, else ReceivedAt.
func (e *Event) Time() time.Time {
	switch {
	case !e.OccurredAt.IsZero():
		return e.OccurredAt
	case !e.Message.SentAt.IsZero():
		return e.Message.SentAt
	}
	return e.ReceivedAt
}

// RecordTime returns the time for the Kafka record: Time, or ReceivedAt where
// the two are more than a day apart. A wrong clock then cannot make a record
// that a broker refuses or that retention removes at once.
func (e *Event) RecordTime() time.Time {
	const day = 24 * time.Hour
	t := e.Time()
	if apart := t.Sub(e.ReceivedAt); apart > day || apart < -day {
		return e.ReceivedAt
	}
	return t
}
