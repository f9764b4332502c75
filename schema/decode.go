package schema

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads an event; it is the inverse of AppendJSON. Members that this
// version does not know are passed over, because v1 may grow; so are nulls.
// Everything else is strict: a known member of a wrong type, an unknown schema
// or element type, a duplicate name, invalid UTF-8, text after the event and
// nesting past MaxDepth+8 are errors. What it accepts, AppendJSON encodes. The
// event shares no memory with b.
func Decode(b []byte) (*Event, error) {
	e := new(Event)
	if err := e.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	return e, nil
}

// UnmarshalJSON is Decode, for encoding/json.
func (e *Event) UnmarshalJSON(b []byte) error {
	if at := tooDeepAt(b, maxEventDepth); at >= 0 {
		return fmt.Errorf("decoding event: nested more than %d deep at byte %d", maxEventDepth, at)
	}
	type event Event // without these methods
	var read event
	if err := json.Unmarshal(b, &read); err != nil {
		return fmt.Errorf("decoding event: %w", withoutText(err))
	}
	*e = Event(read)
	e.OccurredAt = inUTC(e.OccurredAt)
	e.ReceivedAt = inUTC(e.ReceivedAt)
	e.Message.SentAt = inUTC(e.Message.SentAt)
	e.Message.Elements.inUTC()
	if _, err := e.AppendJSON(make([]byte, 0, len(b))); err != nil {
		return fmt.Errorf("decoding event: %w", err)
	}
	return nil
}

// inUTC returns the time as AppendJSON writes it.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// inUTC sets the times of relayed messages, at any depth.
func (list Elements) inUTC() {
	for _, el := range list {
		relay, ok := el.(*Relay)
		if !ok {
			continue
		}
		for i := range relay.Messages {
			m := &relay.Messages[i]
			m.SentAt = inUTC(m.SentAt)
			m.Elements.inUTC()
		}
	}
}

// withoutText reduces a decoder's error to what and where, since the error may
// quote the event.
func withoutText(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not JSON of unique names in UTF-8, at byte %d", syntax.ByteOffset)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("the member %s is not what the schema says, at byte %d", semantic.JSONPointer, semantic.ByteOffset)
	}
	return err
}

// UnmarshalJSON reads a list of elements, each into the type that its member
// "type" names.
func (list *Elements) UnmarshalJSON(b []byte) error {
	*list = nil
	items := value(bytes.TrimSpace(b))
	switch {
	case !jsontext.Value(items).IsValid():
		return errors.New("the elements are not JSON of unique names in UTF-8")
	case items.isNull():
		return nil
	case items[0] != '[':
		return errors.New("the elements are not a list")
	}
	for item := range items.items() {
		el, err := decodeElement(item)
		if err != nil {
			return err
		}
		*list = append(*list, el)
	}
	return nil
}

// MarshalJSON writes the list as AppendJSON does.
func (list Elements) MarshalJSON() ([]byte, error) {
	w := writer{b: []byte{'['}}
	w.list(list)
	if w.err != nil {
		return nil, fmt.Errorf("encoding elements: %w", w.err)
	}
	return append(w.b, ']'), nil
}

func decodeElement(v value) (Element, error) {
	if v[0] != '{' {
		return nil, errors.New("an element is not an object")
	}
	var el Element
	for name, member := range v.members() {
		if string(name) == "type" && member[0] == '"' {
			el = newElement(ElementType(unquoted(member)))
		}
	}
	if el == nil {
		return nil, fmt.Errorf("an element's type is not one of %s", Name)
	}
	if err := json.Unmarshal(v, el); err != nil {
		return nil, err
	}
	return el, nil
}

// newElement returns an empty element of the type, or nil.
func newElement(t ElementType) Element {
	switch t {
	case TypeText:
		return new(Text)
	case TypeLocation:
		return new(Location)
	case TypeFace:
		return new(Face)
	case TypeCustom:
		return new(Custom)
	case TypeSound:
		return new(Sound)
	case TypeImage:
		return new(Image)
	case TypeFile:
		return new(File)
	case TypeVideo:
		return new(Video)
	case TypeRelay:
		return new(Relay)
	case TypeOther:
		return new(Other)
	}
	return nil
}
