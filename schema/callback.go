package schema

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// field is a member of a callback's body that this version knows.
type field int

const (
	fieldCommand field = iota
	fieldGroupID
	fieldType
	fieldFrom
	fieldOperator
	fieldRandom
	fieldMsgID
	fieldMsgSeq
	fieldMsgTime
	fieldOnlineOnly
	fieldMsgBody
	fieldCustomData
	fieldTopicID
	fieldEventTime
	fieldAtInfo
	fieldPriority
	fieldCount
)

// fieldOf returns the field of a member's name.
func fieldOf(name []byte) (f field, ok bool) {
	switch string(name) {
	case "CallbackCommand":
		return fieldCommand, true
	case "GroupId":
		return fieldGroupID, true
	case "Type":
		return fieldType, true
	case "From_Account":
		return fieldFrom, true
	case "Operator_Account":
		return fieldOperator, true
	case "Random":
		return fieldRandom, true
	case "MsgId":
		return fieldMsgID, true
	case "MsgSeq":
		return fieldMsgSeq, true
	case "MsgTime":
		return fieldMsgTime, true
	case "OnlineOnlyFlag":
		return fieldOnlineOnly, true
	case "MsgBody":
		return fieldMsgBody, true
	case "CloudCustomData":
		return fieldCustomData, true
	case "TopicId":
		return fieldTopicID, true
	case "EventTime":
		return fieldEventTime, true
	case "GroupAtInfo":
		return fieldAtInfo, true
	case "MsgPriority":
		return fieldPriority, true
	}
	return 0, false
}

// callback is a body's outermost object, split into its members. The body as a
// whole has been accepted, at every level, by the decoder or as the decoder would. Check, Peek and
// Normalize all read it through here, and so cannot disagree on what is good.
type callback struct {
	text    []byte            // what is decoded; the values below are parts of it
	fields  [fieldCount]value // nil: absent or null
	unknown int               // how many other members there are
}

// read splits a body into c, which is empty. It reports the first fault in the
// text's order.
func (c *callback) read(body []byte) *UnreadableError {
	text := clean(body)
	if c.splitPlain(text) {
		return nil
	}
	decoded, bad := decodeCallback(text)
	*c = decoded
	return bad
}

// decodeCallback is read for any text, by the decoder.
func decodeCallback(text []byte) (c callback, bad *UnreadableError) {
	cut := tooDeepAt(text, MaxDepth)
	if cut >= 0 {
		text = text[:cut] // a fault before the depth is found, and nothing after
	}
	read := &callback{text: text}
	err := json.Unmarshal(text, read)
	switch {
	case err == nil:
		return *read, nil
	case errors.Is(err, errNotObject):
		return c, &UnreadableError{ReasonNotJSON, "the body is JSON but not an object"}
	case errors.Is(err, jsontext.ErrDuplicateName):
		return c, &UnreadableError{ReasonDuplicateName,
			fmt.Sprintf("an object in the body has two members of the same name, near byte %d", offsetOf(err))}
	case cut >= 0 && errors.Is(err, io.ErrUnexpectedEOF):
		return c, &UnreadableError{ReasonTooDeep,
			fmt.Sprintf("objects and lists in the body are nested more than %d deep, near byte %d", MaxDepth, cut)}
	case len(text) == 0:
		return c, &UnreadableError{ReasonNotJSON, "the body is empty"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return c, &UnreadableError{ReasonNotJSON, fmt.Sprintf("the body ends in the middle of its JSON, at byte %d", len(text))}
	}
	return c, &UnreadableError{ReasonNotJSON, fmt.Sprintf("the body is not JSON, near byte %d", offsetOf(err))}
}

// errNotObject stops the decoder at a text that is not an object.
var errNotObject = errors.New("not an object")

// offsetOf returns where in the text the decoder stopped.
func offsetOf(err error) int64 {
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		return at.ByteOffset
	}
	return 0
}

// UnmarshalJSONFrom reads the outermost object. It is a method only because
// that is the door to the decoder's own pool.
func (c *callback) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '{', jsontext.KindInvalid: // the read below reports what is invalid
	default:
		if err := d.SkipValue(); err != nil {
			return err
		}
		return errNotObject
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := c.next(d)
		if err != nil {
			return err
		}
		v, err := c.next(d)
		if err != nil {
			return err
		}
		c.put(unquoted(name), v)
	}
	_, err := d.ReadToken()
	return err
}

// next returns the next value as a part of c.text, which stays valid when the
// decoder goes on.
func (c *callback) next(d *jsontext.Decoder) (value, error) {
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.InputOffset())
	return value(c.text[end-len(v) : end : end]), nil
}

func (c *callback) put(name []byte, v value) {
	if v.isNull() {
		return
	}
	if f, ok := fieldOf(name); ok {
		c.fields[f] = v
		return
	}
	c.unknown++
}

// groupID returns the value of a usable GroupId: text that is not empty, or a
// whole number, which counts as its digits.
func (c *callback) groupID() (v value, ok bool) {
	v = c.fields[fieldGroupID]
	switch {
	case v == nil:
		return nil, false
	case v[0] == '"':
		return v, len(v) > len(`""`)
	}
	for _, digit := range v {
		if digit < '0' || digit > '9' {
			return nil, false
		}
	}
	return v, true
}

// refuse returns why the members do not make a callback of the command, or nil.
func (c *callback) refuse(command string) *UnreadableError {
	if command == "" {
		command = CommandAfterSend
	}
	if v := c.fields[fieldCommand]; v != nil && v[0] == '"' {
		if said := unquoted(v); len(said) > 0 && string(said) != command {
			return &UnreadableError{ReasonCommandMismatch,
				fmt.Sprintf("the body's CallbackCommand is %.80q, the query's is %.80q", said, command)}
		}
	}
	if _, ok := c.groupID(); ok {
		return nil
	}
	detail := "the body has no GroupId, or an empty one"
	if v := c.fields[fieldGroupID]; v != nil && v[0] != '"' {
		detail = "the body's GroupId is neither text nor a whole number"
	}
	return &UnreadableError{ReasonNoGroupID, detail}
}

// Check reports whether Normalize accepts the body of a callback with that
// command in its query: nil, or an *UnreadableError that equals Normalize's. An
// empty command stands for CommandAfterSend. It keeps nothing of body. Any
// number of goroutines may call it.
func Check(command string, body []byte) error {
	var c callback
	bad := c.read(body)
	if bad == nil {
		bad = c.refuse(command)
	}
	if bad != nil {
		return bad
	}
	return nil
}

// Peek returns the group's id exactly as Normalize would read it, written over
// buf where that is large enough. ok is false where Normalize finds the body
// unreadable for anything but its command. It keeps nothing of body or buf. Any
// number of goroutines may call it, each with a buf of its own.
func Peek(body, buf []byte) (groupID []byte, ok bool) {
	var c callback
	if bad := c.read(body); bad != nil {
		return nil, false
	}
	id, ok := c.groupID()
	if !ok {
		return nil, false
	}
	return append(buf[:0], id.numeral()...), true
}
