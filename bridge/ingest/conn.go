package ingest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// A peer that is told to go gets this much time and this many bytes to say what
// it still wants to say: closing over unread bytes would reset the connection,
// and the reset could overtake the answer.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 1 << 20
)

// pending says what the next write of a connection is.
type pending uint8

const (
	notOurs     pending = iota // net/http's own words, to be replaced
	ourAnswer                  // an answer of the handler
	ourFarewell                // the same, and what still comes is of no interest
)

// debt says what a connection's peer can claim.
type debt int32

const (
	nothing  debt = iota // nobody has shown a right to an answer
	owed                 // an authentic request waits for its answer
	answered             // the answer is out; what still comes of the request is skipped
)

// conn makes every answer JSON. net/http answers what it cannot parse by itself,
// in plain text, straight to the connection. Such a write is known by this: the
// handler announces each of its answers (expect), and an answer is small enough
// to leave in one write. A write that nobody announced is net/http's.
type conn struct {
	net.Conn          // TCP, or TLS over raw
	raw      net.Conn // TCP

	door *door

	// Set by the goroutine that serves the connection, read by everybody.
	state atomic.Int32 // http.ConnState
	since atomic.Int64 // of the state, Unix nanoseconds
	debt  atomic.Int32 // debt

	heard  atomic.Bool // bytes came since the last answer
	closed atomic.Bool

	// Of the one goroutine that serves the connection.
	next    pending
	refused bool // one answer of refuse is out
	plain   bool // the peer speaks plain HTTP to a TLS port; it is answered so
}

// wire is what the peer reads. Conn itself never changes: others may close it at
// any time.
func (c *conn) wire() net.Conn {
	if c.plain {
		return c.raw
	}
	return c.Conn
}

// expect announces that the next write is an answer of the handler.
func (c *conn) expect(p pending) {
	if c != nil {
		c.next = p
	}
}

// enter notes the state that net/http sees the connection in.
func (c *conn) enter(state http.ConnState) {
	c.since.Store(time.Now().UnixNano())
	c.debt.Store(int32(nothing))
	c.state.Store(int32(state))
}

// owe notes that the request is authentic: from here on its connection is not put
// out for a newcomer.
func (c *conn) owe() {
	if c != nil {
		c.debt.Store(int32(owed))
	}
}

// hasAnswered reports that the peer has its answer, and its body is skipped.
func (c *conn) hasAnswered() bool { return debt(c.debt.Load()) == answered }

// isOwed reports that an authentic request waits.
func (c *conn) isOwed() bool { return c != nil && debt(c.debt.Load()) == owed }

// betweenRequests reports that no request is complete: nothing is owed to the peer.
func (c *conn) betweenRequests() bool {
	state := http.ConnState(c.state.Load())
	return state == http.StateNew || state == http.StateIdle
}

// Read reads, and answers in net/http's stead where that would say nothing, or
// nothing legible: a header that does not come in time, plain HTTP to a TLS port.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && len(bytes.Trim(p[:n], "\r\n")) > 0 {
		c.heard.Store(true)
	}
	if err != nil && c.betweenRequests() {
		c.readFailed(err)
	}
	return n, err
}

func (c *conn) readFailed(err error) {
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.heard.Load():
		c.refuse(Timeout, "")
	case errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader):
		c.plain = true
		c.refuse(Malformed, "this port speaks HTTPS: put https:// into the URL")
	}
}

// looksLikeHTTP tells plain HTTP from another garbled TLS record.
func looksLikeHTTP(record [5]byte) bool {
	switch string(record[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	default:
		return false
	}
}

// Write passes on what the handler says and replaces what net/http says.
func (c *conn) Write(p []byte) (int, error) {
	next := c.next
	c.next = notOurs
	if next == notOurs {
		if isInterim(p) {
			return c.Conn.Write(p)
		}
		c.refuse(outcomeOfStatus(p), "")
		return len(p), nil
	}
	c.heard.Store(false)
	n, err := c.Conn.Write(p)
	c.debt.Store(int32(answered))
	if next == ourFarewell {
		c.linger()
	}
	return n, err
}

// isInterim reports whether p is a 100 Continue.
func isInterim(p []byte) bool { return len(p) > 9 && p[9] == '1' }

// outcomeOfStatus is the row for a status that net/http chose by itself: 431, or
// one of 400, 417, 501 and 505, which all say that this is no request for us.
func outcomeOfStatus(p []byte) Outcome {
	if len(p) > 12 && string(p[9:12]) == strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge) {
		return HeadersTooLarge
	}
	return Malformed
}

// refuse answers a request that no handler has seen, and lets the peer go.
func (c *conn) refuse(o Outcome, sentence string) {
	if c.refused {
		return
	}
	c.refused = true
	r := o.rule()
	body := r.render(sentence)
	answer := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\nDate: %s\r\n\r\n%s",
		r.status, http.StatusText(r.status), len(body), time.Now().UTC().Format(http.TimeFormat), body)
	if err := c.wire().SetWriteDeadline(time.Now().Add(lingerTime)); err != nil {
		return // closed already
	}
	_, err := c.wire().Write(answer)
	c.door.refusedBelow(o, c.raw.RemoteAddr())
	if err == nil {
		c.linger()
	}
}

// linger ends our side and reads what still comes, for a while. After that,
// reading fails at once.
func (c *conn) linger() {
	wire := c.wire()
	if half, ok := wire.(interface{ CloseWrite() error }); ok {
		// Where the peer is gone this fails, and so does the reading.
		_ = half.CloseWrite()
	}
	now := time.Now()
	if wire.SetReadDeadline(now.Add(lingerTime)) == nil {
		// Whether the peer finished or was cut off makes no difference to it.
		_, _ = io.CopyN(io.Discard, wire, lingerBytes)
	}
	// Fails only on a closed connection, which cannot be read either.
	_ = wire.SetReadDeadline(now)
}

// CloseWrite lets net/http end our side first, where it wants to.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes, once, and makes room for another connection.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	err := c.Conn.Close()
	c.door.left(c)
	return err
}
