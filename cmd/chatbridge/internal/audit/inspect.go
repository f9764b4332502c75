package audit

import (
	"fmt"
	"strconv"

	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// facts is what one record says, as far as it can be understood.
type facts struct {
	known     bool // id, stream and number are known
	id        schema.ID
	stream    schema.Stream
	number    uint64
	sequenced bool
	mark      mark
	hole      schema.Hole
	order     schema.Order // "" where it could not be read
}

// A fault is a verdict on one record.
type fault struct {
	verdict Verdict
	detail  string
}

// inspect judges one record by itself. The value is believed rather than the
// headers, where they differ; each of them alone where the other cannot be read.
func inspect(r *publisher.Record, faults []fault) (facts, []fault) {
	get := func(key string) (string, bool) { return header(r, key) }
	if _, ok := get(schema.HeaderID); !ok {
		if _, ok := get(schema.HeaderOrder); !ok {
			return facts{}, append(faults, fault{Foreign, "it has none of chatbridge's headers"})
		}
	}
	marks, headerErr := schema.ParseHeaders(get)
	event, valueErr := schema.Decode(r.Value)
	var f facts
	if headerErr == nil {
		f = factsOfMarks(&marks)
	} else {
		faults = append(faults, headerFault(get, headerErr))
	}
	if valueErr != nil {
		return f, append(faults, fault{Unreadable, valueErr.Error()})
	}
	if headerErr == nil {
		faults = compare(&marks, event, faults)
	}
	if id, ok := recompute(event); ok {
		if len(faults) == 0 && id != marks.ID {
			faults = append(faults, fault{Mismatch, fmt.Sprintf("the id is %s, but such a message's is %s", marks.ID, id)})
		}
		f.id = id
	} else if headerErr != nil {
		f.id = event.Identity()
	}
	f.known, f.stream = true, event.Stream()
	f.number, f.sequenced = event.Sequence()
	return f, faults
}

// factsOfMarks is what the headers say.
func factsOfMarks(m *schema.Marks) facts {
	return facts{
		known: true, id: m.ID, stream: m.Stream, number: m.Sequence, sequenced: m.Sequenced,
		mark: markOf(m.Order), hole: m.Hole, order: m.Order,
	}
}

func markOf(o schema.Order) mark {
	switch o {
	case schema.InOrder:
		return markInOrder
	case schema.AfterHole:
		return markAfterHole
	case schema.Late:
		return markLate
	case schema.Reset:
		return markReset
	case schema.Unsequenced:
		return markUnknown
	default:
		return markUnknown
	}
}

// headerFault tells marks that contradict each other from headers that are not
// what they should be: with the marks put aside, the rest can be read.
func headerFault(get func(string) (string, bool), err error) fault {
	_, rest := schema.ParseHeaders(func(key string) (string, bool) {
		switch key {
		case schema.HeaderOrder:
			return string(schema.Unsequenced), true
		case schema.HeaderHole, schema.HeaderSequence:
			return "", false
		default:
			return get(key)
		}
	})
	if rest == nil {
		return fault{WrongMark, err.Error()}
	}
	return fault{Mismatch, err.Error()}
}

// compare reports where headers and value differ; one fault is enough.
func compare(m *schema.Marks, e *schema.Event, faults []fault) []fault {
	number, sequenced := e.Sequence()
	differs := func(what, header, value string) []fault {
		return append(faults, fault{Mismatch, fmt.Sprintf("%s is %s in the headers and %s in the value", what, header, value)})
	}
	switch {
	case m.ID.String() != e.ID:
		return differs("the id", m.ID.String(), strconv.Quote(e.ID))
	case m.Stream != e.Stream():
		return differs("the stream", streamText(m.Stream), streamText(e.Stream()))
	case m.Sequenced != sequenced || m.Sequence != number:
		return differs("the number", numberText(m.Sequence), numberText(number))
	case m.MessageID != e.Message.ID:
		return differs("the MsgId", strconv.Quote(m.MessageID), strconv.Quote(e.Message.ID))
	case !m.Time.Equal(e.Time()):
		return differs("the time", m.Time.String(), e.Time().String())
	case !m.ReceivedAt.Equal(e.ReceivedAt):
		return differs("the time of receipt", m.ReceivedAt.String(), e.ReceivedAt.String())
	}
	return faults
}

func header(r *publisher.Record, key string) (string, bool) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

func numberText(n uint64) string {
	if n == 0 {
		return "absent"
	}
	return strconv.FormatUint(n, 10)
}

// streamText is a stream for people.
func streamText(s schema.Stream) string {
	if s.TopicID != "" {
		return strconv.Quote(s.GroupID) + " topic " + strconv.Quote(s.TopicID)
	}
	return strconv.Quote(s.GroupID)
}
