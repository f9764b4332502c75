package ingest

import (
	"net/http"
	"time"
)

// Tracer follows callbacks. Where none is set, nothing here costs anything. It is
// asked only once a request is authentic and its body has been read: strangers
// make no traces (P7).
type Tracer interface {
	// Begin opens the trace of a request whose headers were read at start, or goes on
	// with that of the header.
	Begin(header http.Header, start time.Time) Trace
}

// Trace is that of one callback. None of its methods may wait for anything (P2).
type Trace interface {
	// Context is what is stored with the callback, for those who go on with the
	// trace: text without control characters but newlines; "" = nothing.
	Context() string
	// Appended tells how storing went; nil = it is durable.
	Appended(from, to time.Time, err error)
	// Answered tells of the answer, and ends the request's part.
	Answered(o Outcome, at time.Time)
}
