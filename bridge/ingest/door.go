package ingest

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A connection that sends no request may be put out for a newcomer after grace;
// those that are put out together are a crowd, so that looking for the oldest costs
// little a newcomer. While there is nobody to put out, the door looks again every recheck.
const (
	grace   = time.Second
	crowd   = 16
	recheck = 50 * time.Millisecond
)

// door is the listener: it bounds the number of connections. At the bound a
// newcomer takes the place of the one that has been silent longest, first among
// those that never completed a request, or were refused and have not ended theirs:
// many slow or silent peers cannot keep a working one out. Who has an authentic
// request is not put out; where all have, the newcomer waits.
type door struct {
	net.Listener
	max          int
	grace        time.Duration
	tls          *tls.Config // nil: plain
	refusedBelow func(Outcome, net.Addr)

	freed chan struct{} // capacity 1: a connection has left

	closed chan struct{} // no more connections are accepted
	empty  chan struct{} // closed, and net/http's last goroutine has ended

	mu      sync.Mutex // guards what follows
	conns   map[*conn]struct{}
	serving int // net/http's goroutines
	shut    bool
}

func newDoor(ln net.Listener, limit int, tlsConfig *tls.Config, refusedBelow func(Outcome, net.Addr)) *door {
	return &door{
		Listener: ln, max: limit, grace: grace, tls: tlsConfig, refusedBelow: refusedBelow,
		freed:  make(chan struct{}, 1),
		conns:  make(map[*conn]struct{}),
		closed: make(chan struct{}),
		empty:  make(chan struct{}),
	}
}

// Accept waits for a newcomer, then for room: nobody is put out for nothing. So one
// more than max may be open. One goroutine calls it.
func (d *door) Accept() (net.Conn, error) {
	raw, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, raw: raw, door: d}
	if d.tls != nil {
		c.Conn = tls.Server(raw, d.tls)
	}
	for !d.enters(c) {
		again := time.NewTimer(recheck)
		select {
		case <-d.freed:
		case <-again.C:
		case <-d.closed:
			again.Stop()
			_ = raw.Close() // nobody has been promised anything
			return nil, net.ErrClosed
		}
		again.Stop()
	}
	return c, nil
}

// enters lets c in where there is room, else makes some.
func (d *door) enters(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.shut:
		return false
	case len(d.conns) >= d.max:
		d.putOutLocked(time.Now())
		return false
	}
	c.enter(http.StateNew)
	d.conns[c] = struct{}{}
	d.serving++
	return true
}

// putOutLocked closes those that have been without a request longest.
func (d *door) putOutLocked(now time.Time) {
	type silent struct {
		c     *conn
		used  bool // between two requests
		since int64
	}
	var all []silent
	for c := range d.conns {
		state, since := http.ConnState(c.state.Load()), c.since.Load()
		if !c.isOwed() && now.UnixNano()-since >= int64(d.grace) {
			all = append(all, silent{c: c, used: state == http.StateIdle, since: since})
		}
	}
	slices.SortFunc(all, func(a, b silent) int {
		if a.used != b.used {
			if b.used {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.since, b.since)
	})
	n := min(len(all), max(1, min(crowd, d.max/8)))
	for _, s := range all[:n] {
		// The raw connection: a TLS farewell could block. Its server's goroutine
		// notices, closes c, and so makes the room.
		_ = s.c.raw.Close()
	}
}

// left notes that c is closed.
func (d *door) left(c *conn) {
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

// served notes that net/http has ended the goroutine of one connection.
func (d *door) served() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serving--
	if d.shut && d.serving == 0 {
		close(d.empty)
	}
}

// count is the number of open connections.
func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// Close stops accepting.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return nil
	}
	d.shut = true
	close(d.closed)
	if d.serving == 0 {
		close(d.empty)
	}
	return d.Listener.Close()
}

// dismissSilent closes connections that have not sent a byte of a request, for which
// net/http would wait 5 s, and those whose refused request is being skipped.
func (d *door) dismissSilent() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		silent := http.ConnState(c.state.Load()) == http.StateNew && !c.heard.Load()
		if silent || c.hasAnswered() {
			_ = c.raw.Close()
		}
	}
}
