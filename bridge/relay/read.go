package relay

import (
	"errors"
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

// reasonNormalizer is the dead letters' reason where reading a callback failed
// by a fault of our own. The callback is whole in the dead-letter topic, and
// the bridge goes on.
const reasonNormalizer schema.Reason = "normalizer-fault"

// readRecord reads what the spool holds of a callback. Exactly one of the two
// results is not nil: an event, or a letter for the dead letters (with a
// reason) or for the callbacks topic (without).
func readRecord(e *spool.Entry) (o *outgoing, l *letter) {
	defer func() {
		if fault := recover(); fault != nil {
			o, l = nil, newLetter(e, reasonNormalizer, fmt.Sprintf("reading the callback failed: %v", fault))
		}
	}()
	req, err := schema.ParseQuery(string(e.Record.Query), e.Record.ReceivedAt)
	if err != nil {
		return nil, newLetter(e, schema.ReasonBadQuery, err.Error())
	}
	if req.Command != "" && req.Command != schema.CommandAfterSend { // a query without a command is one of messages, see schema
		other := newLetter(e, "", "")
		other.command = req.Command
		return nil, other
	}
	event, err := schema.Normalize(req, e.Record.Body)
	if err != nil {
		return nil, newLetter(e, reasonOf(err), err.Error())
	}
	value, err := event.AppendJSON(make([]byte, 0, len(e.Record.Body)+256))
	if err != nil {
		return nil, newLetter(e, reasonNormalizer, err.Error())
	}
	return &outgoing{
		position: e.Position, received: e.Record.ReceivedAt.UnixNano(),
		recordBytes: recordSize(&e.Record), event: event, value: value,
	}, nil
}

func reasonOf(err error) schema.Reason {
	var unreadable *schema.UnreadableError
	if errors.As(err, &unreadable) {
		return unreadable.Reason
	}
	return reasonNormalizer
}
