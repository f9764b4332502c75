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

// Place is a place that a message can be at.
type Place string

// The places that can be out of reach.
const (
	InSpool   Place = "spool"
	InTopic   Place = "topic"
	InLetters Place = "dead-letter topic"
)

// Evidence is what is known at each place.
type Evidence struct {
	Question
	SpoolRead   bool
	Deliveries  []Delivery // in the spool, oldest first
	Spooled     Spooled
	Alive       bool     // the bridge answered
	Refused     string   // why what answers in the bridge's place does not tell; "" = nothing answers
	Sink        []string // why Kafka takes nothing, as the bridge says
	Held        []Held
	Ahead       []uint64   // held numbers above, which wait for it
	Next        uint64     // the expected number, of the running bridge; 0 = unknown
	Repeat      *time.Time // when a repeat of the number was last skipped
	GivenUp     *GivenUp
	Last        *Last
	Found       *Found // nil = the topic was not read
	Letters     []Letter
	LettersRead bool
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
	Spooled  *Spooled  `json:"waits_in_spool,omitempty"` // others of the stream
	Held     []uint64  `json:"held_above,omitempty"`
	GivenUp  *GivenUp  `json:"given_up,omitempty"`
	Last     *Last     `json:"last_published,omitempty"` // where it is this number
	Searched []Range   `json:"searched,omitempty"`
	NotRead  []Place   `json:"not_read,omitempty"` // where it can be, where it is unknown
	Notes    []string  `json:"notes,omitempty"`
}

// Judge says where the message is.
func (e *Evidence) Judge() *Answer {
	a := &Answer{
		GroupID: e.GroupID, TopicID: e.TopicID, Seq: e.Seq, Messages: e.messages(),
		Next: e.Next, Held: e.Ahead, GivenUp: e.GivenUp, Last: e.Last,
	}
	if e.Spooled != (Spooled{}) {
		a.Spooled = &e.Spooled
	}
	for i := range a.Messages {
		e.judge(&a.Messages[i], len(a.Messages) == 1)
	}
	if f := e.Found; f != nil {
		a.Skipped, a.Below, a.Above, a.Searched = f.Skipped, f.Below, f.Above, f.Ranges
	}
	if len(a.Messages) == 0 {
		a.State, a.Sentence = e.absent()
	} else {
		a.State, a.Sentence = a.Messages[0].State, a.Messages[0].Sentence
	}
	if a.State == Unknown {
		a.NotRead = e.unread()
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

// Placed reports whether every message that is known of is in the topic, so that
// there is nothing to look for among the dead letters.
func (e *Evidence) Placed() bool {
	records := e.Found.records()
	return len(records) > 0 && !slices.ContainsFunc(e.Deliveries, func(d Delivery) bool {
		return !slices.ContainsFunc(records, func(r Record) bool { return r.identity.ID == d.identity().ID })
	})
}

// judge says where one message is; alone means that no other has the number.
func (e *Evidence) judge(m *Message, alone bool) {
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
		m.State, m.Sentence = Waiting, e.held(m.Held)
	case e.Found == nil && e.Last != nil && alone:
		m.State, m.Sentence = Published, e.Last.sentence("the topic was not read")
	case m.open():
		m.State, m.Sentence = Stored, e.stored(m)
	case len(m.DeadLetters) > 0:
		m.State, m.Sentence = DeadLetter, letter(m.DeadLetters)
	case e.Found == nil:
		m.State, m.Sentence = Unknown, "It was settled; where it is in the topic is not known, for the topic was not read."
	case !e.LettersRead:
		m.State, m.Sentence = Unknown, "It was settled, and the topic does not have it. "+notRead([]Place{InLetters})
	default:
		m.State = Gone
		m.Sentence = "It was settled, and the topic does not have it: retention has deleted it, the topic was made anew, or it lies where was not looked (--from earliest looks everywhere)."
	}
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
	if e.Found != nil {
		notes = append(notes, e.Found.notes()...)
	}
	return notes
}

// notes say what the topic has that the answer does not show.
func (f *Found) notes() (notes []string) {
	if f.LeftOff > 0 {
		notes = append(notes, fmt.Sprintf("The topic has %d more records with this number.", f.LeftOff))
	}
	for _, r := range f.Ranges {
		if r.From > r.Start {
			notes = append(notes, fmt.Sprintf("What lies before offset %d of partition %d was not read; --from earliest also finds "+
				"what was published before a group was made anew or was forgotten, and of an app that has been silent since.", r.From, r.Partition))
		}
	}
	return notes
}
