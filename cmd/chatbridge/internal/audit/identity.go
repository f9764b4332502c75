package audit

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/chatbridge/chatbridge/schema"
)

// recompute makes the id of an event's message anew, from a callback that holds
// just what identity is made of. ok is false where the id was made of the
// callback's body, which the event no longer has.
func recompute(e *schema.Event) (id schema.ID, ok bool) {
	_, sequenced := e.Sequence()
	m := &e.Message
	whole := e.Sender.Account != "" && m.Random.Present && !m.SentAt.IsZero()
	if !sequenced && m.ID == "" && !whole {
		return schema.ID{}, false
	}
	var room [512]byte
	b := append(room[:0], `{"OnlineOnlyFlag":`...)
	b = strconv.AppendInt(b, boolInt(m.OnlineOnly), 10)
	b = appendMember(b, "GroupId", e.Group.ID)
	b = appendMember(b, "TopicId", e.Group.TopicID)
	b = appendMember(b, "MsgId", m.ID)
	b = appendMember(b, "From_Account", e.Sender.Account)
	b = appendNumber(b, "MsgSeq", m.Seq)
	b = appendNumber(b, "Random", m.Random)
	if !m.SentAt.IsZero() {
		b = appendNumber(b, "MsgTime", schema.Some(uint64(m.SentAt.Unix())))
	}
	b = append(b, '}')
	again, err := schema.Normalize(schema.Request{AppID: e.AppID, ReceivedAt: e.ReceivedAt}, b)
	if err != nil {
		return schema.ID{}, true // an event whose group no callback can have
	}
	return again.Identity(), true
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	b, err := jsontext.AppendQuote(b, value)
	if err != nil { // invalid UTF-8: written as U+FFFD, as Normalize reads it
		return b
	}
	return b
}

func appendNumber(b []byte, name string, n schema.Optional[uint64]) []byte {
	if !n.Present {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendUint(b, n.Value, 10)
}
