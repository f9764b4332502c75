package trace

import (
	"fmt"
	"slices"
	"time"
)

// State is where a message is.
type State string

// The states.
const (
	Published  State = "published"
	Waiting    State = "held"        // for its order
	Stored     State = "stored"      // in the spool, on its way to Kafka
	DeadLetter State = "dead-letter" // unreadable, or refused by Kafka
	Gone       State = "gone"        // it was settled; the topic has it no longer
	Missing    State = "not-received"
	Expected   State = "not-yet-received" // its number has not come up
	Unknown    State = "unknown"          // where it could be was not, or no longer can be, looked at
)

// Arrived reports whether a message is where it should be, or on its way there.
func (s State) Arrived() bool { return s == Published || s == Waiting || s == Stored }

// Evidence is what is known at each place.
type Evidence struct {
	Question
	Deliveries []Delivery // in the spool, oldest first
	Alive      bool       // the bridge answered
	Sink       []string   // why Kafka takes nothing, as the bridge says
	Held       []Held
	Next       uint64     // the expected number, of the running bridge; 0 = unknown
	Repeat     *time.Time // when a repeat of the number was last skipped
	Found      *Found     // nil = the topic was not read
	Letters    []Letter
}

// Message is one message with the number, and all that is known of it.
type Message struct {
	Identity
	State       State      `json:"state"`
	Sentence    string     `json:"sentence"`
	Deliveries  []Delivery `json:"deliveries,omitempty"`
	Held        *Held      `json:"held,omitempty"`
	Published   []Record   `json:"published,omitempty"`
	DeadLetters []Letter   `json:"dead_letters,omitempty"`
}

// Answer is where the message is.
type Answer struct {
	GroupID  string    `json:"group"`
	TopicID  string    `json:"topic_id,omitempty"`
	Seq      uint64    `json:"seq"`
	State    State     `json:"state"`
	Sentence string    `json:"sentence"`
	Messages []Message `json:"messages"`
	Next     uint64    `json:"next_expected,omitempty"` // of the running bridge
	Skipped  []Record  `json:"skipped_by,omitempty"`    // records whose hole names the number
	Below    *Record   `json:"nearest_below,omitempty"`
	Above    *Record   `json:"nearest_above,omitempty"`
	Searched []Range   `json:"searched,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
}

// Judge says where the message is.
func (e *Evidence) Judge() *Answer {
	a := &Answer{GroupID: e.GroupID, TopicID: e.TopicID, Seq: e.Seq, Messages: e.messages(), Next: e.Next}
	for i := range a.Messages {
		e.judge(&a.Messages[i])
	}
	if f := e.Found; f != nil {
		a.Skipped, a.Below, a.Above, a.Searched = f.Skipped, f.Below, f.Above, f.Ranges
	}
	if len(a.Messages) == 0 {
		a.State, a.Sentence = e.absent()
	} else {
		a.State, a.Sentence = a.Messages[0].State, a.Messages[0].Sentence
	}
	a.Notes = e.notes(a)
	return a
}

// messages gathers what is known by messages, those that arrived first.
func (e *Evidence) messages() []Message {
	list := []Message{}
	of := func(id Identity) *Message {
		i := slices.IndexFunc(list, func(m Message) bool { return m.ID == id.ID })
		if i < 0 {
			i, list = len(list), append(list, Message{Identity: id})
		}
		return &list[i]
	}
	if e.Found != nil {
		for _, r := range e.Found.Records {
			m := of(r.identity)
			m.Published = append(m.Published, r)
		}
	}
	for _, d := range e.Deliveries {
		m := of(d.identity())
		m.Deliveries = append(m.Deliveries, d)
	}
	for _, l := range e.Letters {
		m := of(l.identity)
		m.DeadLetters = append(m.DeadLetters, l)
	}
	e.hold(&list)
	return list
}

// hold gives each held item to the message that it is of: one that is in the
// spool and not settled. Where there is none, the spool was not read, or was read
// a moment too early.
func (e *Evidence) hold(list *[]Message) {
	for _, h := range e.Held {
		i := slices.IndexFunc(*list, func(m Message) bool {
			return m.Held == nil && len(m.Published) == 0 && (m.AppID == h.AppID || h.AppID == 0) && m.open()
		})
		if i >= 0 {
			(*list)[i].Held = &h
			continue
		}
		if len(e.Found.records()) == 0 {
			*list = append(*list, Message{Identity: Identity{AppID: h.AppID}, Held: &h})
		}
	}
}

func (f *Found) records() []Record {
	if f == nil {
		return nil
	}
	return f.Records
}

// open reports whether a delivery of the message is not settled.
func (m *Message) open() bool {
	return slices.ContainsFunc(m.Deliveries, func(d Delivery) bool { return !d.Settled })
}

// judge says where one message is.
func (e *Evidence) judge(m *Message) {
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		// A record is made of one delivery, and says when that was received.
		d.Skipped = d.Settled && len(m.Published) > 0 &&
			!slices.ContainsFunc(m.Published, func(r Record) bool { return r.ReceivedAt.Equal(d.ReceivedAt) })
	}
	switch {
	case len(m.Published) > 0:
		m.State, m.Sentence = Published, published(m.Published)
	case m.Held != nil:
		m.State, m.Sentence = Waiting, held(m.Held)
	case m.open():
		m.State, m.Sentence = Stored, e.stored(m)
	case len(m.DeadLetters) > 0:
		m.State, m.Sentence = DeadLetter, letter(m.DeadLetters)
	case e.Found == nil:
		m.State, m.Sentence = Unknown, "It was settled; where it is in the topic is not known, for the topic was not read."
	default:
		m.State = Gone
		m.Sentence = "It was settled, and the topic does not have it: retention has deleted it, the topic was made anew, or it lies where was not looked (--from earliest looks everywhere)."
	}
}

// absent says what it means that there is no message with the number.
func (e *Evidence) absent() (State, string) {
	f := e.Found
	switch {
	case f == nil:
		return Unknown, "Nothing here has it, and the topic was not read."
	case e.Repeat != nil:
		return Gone, fmt.Sprintf("A repeat of it was skipped at %s: it had been published before, and the topic does not have it where was looked.", stamp(*e.Repeat))
	case len(f.Skipped) > 0:
		r := &f.Skipped[0]
		return Missing, fmt.Sprintf("Not received: %d left without it at partition %d, offset %d, marked with the hole %s.", r.Seq, r.Partition, r.Offset, r.Hole)
	case e.mark() != 0 && e.Seq >= e.mark():
		return Expected, fmt.Sprintf("Not received yet: the stream is at %d.", e.mark()-1)
	case f.Below == nil && f.Above == nil:
		return e.neverSeen()
	case !f.complete() || f.Below == nil && f.cut():
		return Unknown, "It is not in the part of the topic that is there or was read; what is before that cannot be said."
	case f.Below == nil:
		return Missing, fmt.Sprintf("Not received: the stream begins with %d in the topic.", f.Above.Seq)
	default:
		return Missing, "Not received: its neighbours are in the topic."
	}
}

// neverSeen is for a group of which the topic has nothing.
func (e *Evidence) neverSeen() (State, string) {
	switch {
	case len(e.Found.OtherTopics) > 0:
		return Missing, "Not received: nothing of this stream is in the topic, but of others of the group; give --topic-id."
	case !e.Found.complete() || e.Found.cut():
		return Unknown, "Nothing of this stream is in the part of the topic that is there or was read."
	default:
		return Missing, "Not received: nothing of this stream was ever published. Is the group's id right?"
	}
}

// mark is the number that the stream expects, as far as that is known.
func (e *Evidence) mark() uint64 {
	next := e.Next
	if f := e.Found; next == 0 && f != nil && f.Above == nil && f.Below != nil {
		next = f.Below.Seq + 1
	}
	return next
}

// complete reports whether nothing that was not read can be the message.
func (f *Found) complete() bool {
	return !slices.ContainsFunc(f.Ranges, func(r Range) bool { return !r.Complete })
}

// cut reports whether the topic has lost its beginning.
func (f *Found) cut() bool {
	return slices.ContainsFunc(f.Ranges, func(r Range) bool { return r.Start > 0 })
}

// notes say what else there is to know, or to do.
func (e *Evidence) notes(a *Answer) (notes []string) {
	if len(a.Messages) > 1 {
		notes = append(notes, fmt.Sprintf("%d messages have this number: the group was made anew, several apps have such a group, or the Randoms differ.", len(a.Messages)))
	}
	if a.State == Missing || a.State == Expected {
		notes = append(notes, "A number without a callback is usual: notices of joining and leaving take one, and a sender can switch the callback off. "+
			"What was refused is counted in chatbridge_callbacks_total by outcome, and is not kept.")
	}
	if e.Repeat != nil && len(a.Messages) > 0 {
		notes = append(notes, fmt.Sprintf("A repeat of it was skipped as a duplicate at %s.", stamp(*e.Repeat)))
	}
	if f := e.Found; f != nil && f.LeftOff > 0 {
		notes = append(notes, fmt.Sprintf("The topic has %d more records with this number.", f.LeftOff))
	}
	return notes
}
