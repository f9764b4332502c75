package schema

import (
	"errors"
	"fmt"
)

// AppendJSON appends the event's canonical JSON to dst: the members in the order
// of Event's fields, extra sorted by name, no space, no more escapes than JSON
// asks for. Equal events have equal bytes, and the bytes validate against
// JSONSchema. Invalid UTF-8 in a string becomes U+FFFD; times are cut to
// milliseconds.
//
// It refuses an event that the schema would refuse: one without Name, id, group
// or time of receipt; a number above 2^63-1 or not finite; a time outside the
// years 0 to 9999; a value of Extra or Other.Content that is not JSON; an
// unknown ImageFormat or VariantKind; a nil element; nesting past MaxDepth+8.
// What Normalize and Decode return has none of these, if the request's time of
// receipt is a time. On an error dst is returned unchanged. It does not change
// the event, so any number of goroutines may call it.
func (e *Event) AppendJSON(dst []byte) ([]byte, error) {
	if err := e.incomplete(); err != nil {
		return dst, err
	}
	start := len(dst)
	w := writer{b: append(dst, '{')}
	w.text("schema", e.Schema)
	w.text("id", e.ID)
	w.number("app_id", e.AppID)
	w.group(&e.Group)
	w.message(&e.Message)
	w.sender(&e.Sender)
	w.mentions(&e.Mentions)
	w.time("occurred_at", e.OccurredAt)
	w.time("received_at", e.ReceivedAt)
	w.extra(e.Extra)
	w.b = append(w.b, '}')
	if w.err == nil && tooDeepAt(w.b[start:], maxEventDepth) >= 0 {
		w.fail("its JSON is nested more than %d deep", maxEventDepth)
	}
	if w.err != nil {
		return dst, fmt.Errorf("encoding event %s: %w", e.ID, w.err)
	}
	return w.b, nil
}

// MarshalJSON is AppendJSON, for encoding/json.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// incomplete returns what the event lacks of what the schema requires.
func (e *Event) incomplete() error {
	switch {
	case e.Schema != Name:
		return fmt.Errorf("encoding event: its schema is %q, not %q", e.Schema, Name)
	case e.Group.ID == "":
		return errors.New("encoding event: it has no group id")
	case e.ReceivedAt.IsZero():
		return errors.New("encoding event: it has no time of receipt")
	}
	if _, err := ParseID(e.ID); err != nil {
		return fmt.Errorf("encoding event: %w", err)
	}
	return nil
}

func (w *writer) group(g *Group) {
	w.name("group")
	w.b = append(w.b, '{')
	w.text("id", g.ID)
	w.text("type", g.Type)
	w.text("topic_id", g.TopicID)
	w.b = append(w.b, '}')
}

func (w *writer) message(m *Message) {
	w.name("message")
	w.b = append(w.b, '{')
	w.uint("seq", m.Seq)
	w.text("id", m.ID)
	w.uint("random", m.Random)
	w.time("sent_at", m.SentAt)
	if m.OnlineOnly {
		w.name("online_only")
		w.b = append(w.b, "true"...)
	}
	w.text("priority", m.Priority)
	w.text("text", m.Text)
	w.elements("elements", m.Elements)
	w.text("custom_data", m.CustomData)
	w.b = append(w.b, '}')
}

func (w *writer) sender(s *Sender) {
	if *s == (Sender{}) {
		return
	}
	w.name("sender")
	w.b = append(w.b, '{')
	w.text("account", s.Account)
	w.text("operator", s.Operator)
	w.text("platform", s.Platform)
	w.text("ip", s.IP)
	w.b = append(w.b, '}')
}

func (w *writer) mentions(m *Mentions) {
	if m.IsZero() {
		return
	}
	w.name("mentions")
	w.b = append(w.b, `{"all":false`...)
	if m.All {
		w.b = append(w.b[:len(w.b)-len("false")], "true"...)
	}
	w.texts("accounts", m.Accounts)
	w.b = append(w.b, '}')
}
