package schema

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

// Normalize makes the event of a callback. The error is an *UnreadableError;
// Check gives the same one. What the body holds beyond that is never a reason to
// refuse it: see the package comment for what becomes of each member.
//
// The event shares no memory with body. It is ready to be encoded if the
// request's time is; see AppendJSON. Any number of goroutines may call Normalize.
func Normalize(req Request, body []byte) (*Event, error) {
	var c callback
	bad := c.read(body)
	if bad == nil {
		bad = c.refuse(req.Command)
	}
	if bad != nil {
		return nil, bad
	}
	e := &Event{
		Schema:     Name,
		AppID:      req.AppID,
		ReceivedAt: req.ReceivedAt.UTC().Truncate(time.Millisecond),
	}
	e.Sender.IP = validText(req.ClientIP)
	e.Sender.Platform = validText(req.Platform)
	c.fill(e)
	e.Message.Text = textOf(e.Message.Elements)
	e.ID = identify(e, body).String()
	return e, nil
}

// fill sets what the body says.
func (c *callback) fill(e *Event) {
	id, _ := c.groupID()
	e.Group.ID = string(id.numeral())
	k := keeper{extra: c.unknownMembers()}
	m := &e.Message
	for f, v := range c.fields {
		if v == nil {
			continue
		}
		switch field(f) {
		case fieldCommand:
			if v[0] != '"' { // else it is the query's, or empty
				k.keep([]byte("CallbackCommand"), v)
			}
		case fieldGroupID: // done
		case fieldType:
			k.word(&e.Group.Type, []byte("Type"), v)
		case fieldFrom:
			k.text(&e.Sender.Account, []byte("From_Account"), v)
		case fieldOperator:
			k.text(&e.Sender.Operator, []byte("Operator_Account"), v)
		case fieldRandom:
			k.uint(&m.Random, []byte("Random"), v)
		case fieldMsgID:
			k.text(&m.ID, []byte("MsgId"), v)
		case fieldMsgSeq:
			k.uint(&m.Seq, []byte("MsgSeq"), v)
		case fieldMsgTime:
			k.seconds(&m.SentAt, []byte("MsgTime"), v)
		case fieldOnlineOnly:
			k.flag(&m.OnlineOnly, []byte("OnlineOnlyFlag"), v)
		case fieldMsgBody:
			entries := budget(maxEntries)
			k.elements(&m.Elements, []byte("MsgBody"), v, &entries)
		case fieldCustomData:
			k.text(&m.CustomData, []byte("CloudCustomData"), v)
		case fieldTopicID:
			k.text(&e.Group.TopicID, []byte("TopicId"), v)
		case fieldEventTime:
			k.millis(&e.OccurredAt, []byte("EventTime"), v)
		case fieldAtInfo:
			k.mentions(&e.Mentions, []byte("GroupAtInfo"), v)
		case fieldPriority:
			k.word(&m.Priority, []byte("MsgPriority"), v)
		}
	}
	e.Extra = k.extra
}

// unknownMembers returns the members that this version does not know. They are
// rare, and so are looked for only where they were counted.
func (c *callback) unknownMembers() Extra {
	if c.unknown == 0 {
		return nil
	}
	k := keeper{extra: make(Extra, c.unknown)}
	outermost := value(bytes.TrimLeft(c.text, " \t\r\n"))
	for name, v := range outermost.members() {
		if _, known := fieldOf(name); !known {
			k.keep(name, v)
		}
	}
	return k.extra
}

// mentions reads GroupAtInfo: one object for each mention. Where it holds
// anything that Mentions cannot say, the whole of it is kept as well.
func (k *keeper) mentions(dst *Mentions, name []byte, v value) {
	if v[0] != '[' {
		k.keep(name, v)
		return
	}
	understood := true
	for item := range v.items() {
		if item[0] != '{' {
			understood = false
			continue
		}
		var odd keeper
		var all bool
		var account string
		for name, v := range item.members() {
			switch string(name) {
			case "GroupAtAllFlag":
				odd.flag(&all, name, v)
			case "GroupAt_Account":
				odd.text(&account, name, v)
			default:
				understood = false
			}
		}
		understood = understood && odd.extra == nil
		dst.All = dst.All || all
		if account != "" {
			dst.Accounts = append(dst.Accounts, account)
		}
	}
	if !understood {
		k.keep(name, v)
	}
}

// textOf returns the text elements in order, with nothing between them.
func textOf(elements Elements) string {
	var first string
	var all *strings.Builder
	for _, el := range elements {
		t, ok := el.(*Text)
		switch {
		case !ok || t.Text == "":
		case first == "":
			first = t.Text
		default:
			if all == nil {
				all = new(strings.Builder)
				all.WriteString(first)
			}
			all.WriteString(t.Text)
		}
	}
	if all != nil {
		return all.String()
	}
	return first
}

// validText returns s with U+FFFD in place of invalid UTF-8.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
