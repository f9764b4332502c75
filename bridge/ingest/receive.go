package ingest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

// receiver does the five steps. Safe for many goroutines.
type receiver struct {
	// Immutable.
	cfg      Config
	keys     keys
	store    Store
	now      func() time.Time
	life     context.Context     // ends at Close; a peer that goes away does not end an append
	draining <-chan struct{}     // closed when held requests are to be let go
	owe      func(*http.Request) // told of each authentic request

	buffers  buffers
	requests atomic.Int64 // between authentication and answer
	held     atomic.Int64 // of those, waiting for the store
}

// receive takes one request through the steps. start is when its headers were
// read.
func (rc *receiver) receive(r *http.Request, start time.Time) verdict {
	if outcome := rc.admit(r); outcome != Stored {
		return verdict{outcome: outcome}
	}
	q := parseQuery(r.URL.RawQuery)
	body, empty, err := peek(r, q)
	switch {
	case err != nil:
		return verdict{outcome: bodyOutcome(err), err: err}
	case empty && !q.hasCommand:
		return verdict{outcome: URLCheck, drained: true}
	}
	appID, tokens, ok := rc.keys.app(q.appID)
	if !ok {
		return verdict{outcome: UnknownApp}
	}
	if outcome, sentence := verify(tokens, q.sign, q.requestTime, start); outcome != Stored {
		return verdict{outcome: outcome, sentence: sentence, appID: appID}
	}
	rc.owe(r)
	v := rc.perform(r, q, body, start)
	v.appID = appID
	return v
}

// admit checks what needs neither query nor body: path, method, announced size.
// Stored stands for yes.
func (rc *receiver) admit(r *http.Request) Outcome {
	switch {
	case !samePath(r.URL.Path, rc.cfg.Path):
		return NotFound
	case r.Method != http.MethodPost:
		return BadMethod
	case r.ContentLength > rc.cfg.MaxBody:
		return TooLarge
	default:
		return Stored
	}
}

// peek finds out whether a request has an empty body, for the console's URL
// check. Only a chunked request without a command has to be looked into: its first
// byte is read before anything else is checked.
func peek(r *http.Request, q query) (body io.Reader, empty bool, err error) {
	if r.ContentLength == 0 {
		return r.Body, true, nil
	}
	if r.ContentLength > 0 || q.hasCommand {
		return r.Body, false, nil
	}
	first := make([]byte, 1)
	switch _, err := io.ReadFull(r.Body, first); err {
	case nil:
		return io.MultiReader(strings.NewReader(string(first)), r.Body), false, nil
	case io.EOF:
		return r.Body, true, nil
	default:
		return nil, false, err
	}
}

// perform does what the command asks for. The request is authentic.
func (rc *receiver) perform(r *http.Request, q query, body io.Reader, start time.Time) verdict {
	message := !q.hasCommand || q.command == schema.CommandAfterSend
	if !message && !rc.cfg.StoreCallbacks {
		if err := discard(body, rc.cfg.MaxBody); err != nil {
			return verdict{outcome: bodyOutcome(err), err: err}
		}
		return verdict{outcome: Ignored, drained: true}
	}
	if !identityEncoded(r.Header) {
		return verdict{outcome: Encoding}
	}
	if message && r.ContentLength == 0 {
		return verdict{outcome: EmptyBody, drained: true}
	}
	defer rc.requests.Add(-1)
	if rc.requests.Add(1) > int64(rc.cfg.MaxRequests) {
		return verdict{outcome: Overloaded}
	}
	content, err := rc.buffers.read(body, r.ContentLength, rc.cfg.MaxBody)
	if err != nil {
		return verdict{outcome: bodyOutcome(err), err: err}
	}
	if rc.cfg.Tracer == nil {
		return rc.decide(r, q, message, content, nil)
	}
	return rc.trace(r, q, message, content, start)
}

// trace is decide with a trace, which a panic ends, too.
func (rc *receiver) trace(r *http.Request, q query, message bool, content *buffer, start time.Time) verdict {
	trace, whole := rc.cfg.Tracer.Begin(r.Header, start), false
	defer func() {
		if !whole {
			trace.Answered(Panicked, rc.now())
		}
	}()
	v := rc.decide(r, q, message, content, trace)
	whole = true
	v.trace = trace
	return v
}

// decide judges the body and has it kept. It gives content back. trace is nil where
// the callback has none.
func (rc *receiver) decide(r *http.Request, q query, message bool, content *buffer, trace Trace) verdict {
	context := ""
	if trace != nil {
		context = trace.Context()
	}
	stripped := rc.buffers.get(int64(len(r.URL.RawQuery) + spool.TraceBytes(context)))
	if stripped == nil {
		rc.buffers.put(content)
		return verdict{outcome: Overloaded, drained: true}
	}
	reusable := false
	defer func() {
		giveBack := rc.buffers.forget
		if reusable {
			giveBack = rc.buffers.put
		}
		giveBack(content)
		giveBack(stripped)
	}()

	v := verdict{outcome: CallbackStored, drained: true}
	if message {
		v.outcome = Stored
		if len(content.b) == 0 {
			reusable = true
			v.outcome = EmptyBody
			return v
		}
		if err := schema.Check(q.command, content.b); err != nil {
			v.outcome, v.sentence, v.err = Unreadable, err.Error(), err
		}
	}
	stripped.b = spool.AppendTrace(appendWithoutSign(stripped.b, r.URL.RawQuery), context)
	received := rc.now()
	err := rc.keep(r.Context(), spool.Record{ReceivedAt: received, Query: stripped.b, Body: content.b})
	reusable = !outlives(err)
	if trace != nil {
		trace.Appended(received, rc.now(), err)
	}
	if err != nil {
		return verdict{outcome: storeOutcome(err), err: err, drained: true}
	}
	return v
}

// identityEncoded reports whether the body came as it is.
func identityEncoded(h http.Header) bool {
	for _, value := range h["Content-Encoding"] {
		if value != "" && !strings.EqualFold(value, "identity") {
			return false
		}
	}
	return true
}
