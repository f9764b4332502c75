package ingest

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func blocked(s *storeDouble) {
	s.entered, s.release = make(chan struct{}, 100), make(chan struct{})
}

// P8: requests at once are bounded: one more is refused at once, and what needs no
// store is answered all the same.
func TestRequestsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, s *storeDouble) {
		blocked(s)
		cfg.MaxRequests = 2
	})
	peers := []*peer{f.dial(t), f.dial(t)}
	for _, p := range peers {
		p.send(goodRequest())
		within(t, "an append", f.store.entered)
	}
	p := f.dial(t)
	p.send(goodRequest())
	if a := p.receive(); a.status != 503 || a.ErrorCode != Overloaded.rule().code || a.header.Get("Retry-After") != "1" || a.closing {
		t.Errorf("got %d %d, closing %t", a.status, a.ErrorCode, a.closing)
	}
	p.send(request("POST", path+"?"+sign(signedApp, "State.StateChange", token, clock), "{}"))
	if a := p.receive(); a.status != 200 {
		t.Errorf("another command: %d", a.status)
	}
	p.send(request("POST", path+"?SdkAppid=1", "{}"))
	if a := p.receive(); a.status != 403 {
		t.Errorf("unknown app: %d", a.status)
	}
	close(f.store.release)
	for _, p := range peers {
		if a := p.receive(); a.status != 200 {
			t.Errorf("after the release: %d", a.status)
		}
	}
	p.send(goodRequest())
	if a := p.receive(); a.status != 200 {
		t.Errorf("after the release: %d", a.status)
	}
}

// P7, P8: who is not authenticated takes none of the places.
func TestUnauthenticatedTakeNoPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.MaxRequests = 1 })
	for range 5 {
		p := f.dial(t)
		p.send("POST " + path + "?SdkAppid=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
		p.receive() // the body is still awaited
	}
	if a := f.exchange(t, goodRequest()); a.status != 200 {
		t.Errorf("got %d", a.status)
	}
}

// P8: bytes of bodies are bounded over all requests.
func TestBytesOfBodiesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, s *storeDouble) {
		blocked(s)
		cfg.MaxBody, cfg.MaxMemory = 32<<10, 128<<10
	})
	large := request("POST", path+"?"+goodQuery(), goodBody+strings.Repeat(" ", 20<<10)) // 32 KiB and 1 KiB lent
	for range 3 {
		f.dial(t).send(large)
		within(t, "an append", f.store.entered)
	}
	if a := f.exchange(t, large); a.status != 503 || a.ErrorCode != Overloaded.rule().code {
		t.Errorf("got %d %d", a.status, a.ErrorCode)
	}
	if st := f.Stats(); st.BodyBytes != 3*33<<10 {
		t.Errorf("%d bytes lent", st.BodyBytes)
	}
	close(f.store.release)
	eventually(t, "all given back", func() bool { return f.Stats().BodyBytes == 0 })
}

// atDoor makes a server with room for few connections, where nobody is spared.
func atDoor(t *testing.T, limit int, change func(*Config, *storeDouble)) *fixture {
	t.Helper()
	return newFixtureWith(t, func(cfg *Config, s *storeDouble) {
		cfg.MaxConnections, cfg.ReadHeaderTimeout = limit, time.Hour
		if change != nil {
			change(cfg, s)
		}
	}, func(d *door) { d.grace = 0 })
}

// awaitIdle waits until every connection that was answered is between two requests:
// without grace it could be put out before.
func (f *fixture) awaitIdle(t *testing.T) {
	t.Helper()
	eventually(t, "idle", func() bool {
		f.door.mu.Lock()
		defer f.door.mu.Unlock()
		for c := range f.door.conns {
			if http.ConnState(c.state.Load()) == http.StateActive {
				return false
			}
		}
		return true
	})
}

// P7, P8: connections are bounded, and peers that send nothing, or the beginning of a
// header, cannot keep a working peer out.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	f := atDoor(t, 4, nil)
	kept := f.dial(t)
	kept.send(goodRequest())
	kept.receive()
	f.awaitIdle(t)
	var silent []*peer
	for range 3 {
		p := f.dial(t)
		silent = append(silent, p)
		p.send("POST /slow")
	}
	eventually(t, "full house", func() bool { return f.Stats().Connections == 4 })
	for i := range 3 {
		p := f.dial(t)
		p.send(goodRequest())
		if a := p.receive(); a.status != 200 {
			t.Fatalf("newcomer %d: %d", i, a.status)
		}
		f.awaitIdle(t)
		if n := f.Stats().Connections; n > 4 {
			t.Errorf("%d connections", n)
		}
	}
	for i, p := range silent {
		if !p.ended() {
			t.Errorf("silent peer %d is still there", i)
		}
	}
	kept.send(goodRequest())
	if a := kept.receive(); a.status != 200 {
		t.Errorf("the kept connection had to go first: %d", a.status)
	}
}

// P7, P8: nor can peers that were refused, or are not authenticated yet, and keep
// their bodies back.
func TestRefusedConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	f := atDoor(t, 2, func(cfg *Config, _ *storeDouble) { cfg.ReadTimeout = time.Hour })
	for range 3 {
		p := f.dial(t)
		p.send("POST " + path + "?SdkAppid=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
		if a := p.receive(); a.status != 403 || a.closing {
			t.Errorf("got %d, closing %t", a.status, a.closing)
		}
		f.dial(t).send("POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	}
	if a := f.exchange(t, goodRequest()); a.status != 200 {
		t.Errorf("newcomer: %d", a.status)
	}
}

// A connection whose request is being stored is never put out: the newcomer waits.
func TestWorkingConnectionsAreNotPutOut(t *testing.T) {
	t.Parallel()
	f := atDoor(t, 1, func(_ *Config, s *storeDouble) { blocked(s) })
	first := f.dial(t)
	first.send(goodRequest())
	within(t, "the append", f.store.entered)
	second := f.dial(t)
	second.send(goodRequest())
	d := f.listening() // what Accept does for the newcomer, at whatever moment
	d.mu.Lock()
	d.putOutLocked(time.Now())
	d.mu.Unlock()
	close(f.store.release)
	if a := first.receive(); a.status != 200 {
		t.Errorf("first: %d", a.status)
	}
	if a := second.receive(); a.status != 200 {
		t.Errorf("second: %d", a.status)
	}
}

// In the time of grace nobody is put out, not even to let a newcomer in.
func TestGraceIsGiven(t *testing.T) {
	t.Parallel()
	d := newDoor(nil, 2, nil, nil)
	now := time.Now()
	young, old, working := &conn{door: d}, &conn{door: d, raw: &end{}}, &conn{door: d}
	for c, state := range map[*conn]http.ConnState{young: http.StateNew, old: http.StateIdle, working: http.StateActive} {
		working.owe()
		c.state.Store(int32(state))
		c.since.Store(now.Add(-time.Hour).UnixNano())
		d.conns[c] = struct{}{}
	}
	young.since.Store(now.Add(-grace / 2).UnixNano())
	d.putOutLocked(now) // would panic on the two that have no raw connection
	if !old.raw.(*end).closed {
		t.Error("nobody was put out")
	}
}

// end is a connection that only knows whether it was closed.
type end struct {
	net.Conn
	closed bool
}

func (e *end) Close() error {
	e.closed = true
	return nil
}

// What a peer could claim for one request it cannot for the next: not its place, and
// not that it was answered already.
func TestDebtEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	c := &conn{Conn: &end{}}
	c.owe()
	if !c.isOwed() || c.hasAnswered() {
		t.Error("an authentic request is owed its answer")
	}
	c.expect(ourAnswer)
	if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil || c.isOwed() || !c.hasAnswered() {
		t.Errorf("an answer that is out: %v, owed %t", err, c.isOwed())
	}
	c.enter(http.StateIdle)
	c.enter(http.StateActive)
	if c.isOwed() || c.hasAnswered() {
		t.Error("the next request begins with nothing")
	}
}

func (e *end) Write(p []byte) (int, error) { return len(p), nil }

// P7: net/http bounds each part of a connection's life by time.
func TestEveryTimeoutIsSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for name, d := range map[string]time.Duration{
		"header": f.http.ReadHeaderTimeout, "read": f.http.ReadTimeout, "write": f.http.WriteTimeout, "idle": f.http.IdleTimeout,
	} {
		if d <= 0 {
			t.Errorf("there is no %s timeout", name)
		}
	}
}
