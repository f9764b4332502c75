package relay

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

// recordReader reads records. One goroutine uses it.
type recordReader struct {
	scratch []byte // where an event's JSON is written, before its size is known
}

// keepScratch is the largest scratch that is kept for the next record (P8).
const keepScratch = 64 << 10

// read reads what the spool holds of a callback. Exactly one of the two results
// is not nil: an event, or a letter for the dead letters (with a reason) or for
// the callbacks topic (without).
func (r *recordReader) read(e *spool.Entry) (o *outgoing, l *letter) {
	defer func() {
		if fault := recover(); fault != nil {
			o, l = nil, newLetter(e, schema.ReasonNormalizerFault, fmt.Sprintf("reading the callback failed: %v", fault))
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
	written, err := event.AppendJSON(r.scratch[:0])
	if err != nil {
		return nil, newLetter(e, schema.ReasonNormalizerFault, err.Error())
	}
	if cap(written) <= keepScratch {
		r.scratch = written
	}
	return &outgoing{
		position: e.Position, received: e.Record.ReceivedAt.UnixNano(),
		recordBytes: recordSize(&e.Record), event: event, value: bytes.Clone(written),
	}, nil
}

func reasonOf(err error) schema.Reason {
	var unreadable *schema.UnreadableError
	if errors.As(err, &unreadable) {
		return unreadable.Reason
	}
	return schema.ReasonNormalizerFault
}
