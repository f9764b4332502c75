package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// Listen binds the address.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.door != nil {
		return errors.New("listen: already done")
	}
	ln, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s for callbacks: %w: choose another address with http.listen (CHATBRIDGE_HTTP_LISTEN)",
			s.cfg.Listen, err)
	}
	refused := func(o Outcome, peer net.Addr) {
		s.observer.Answered(o, 0)
		s.refuser.Refused(o, -1)
		s.journal.answered(&verdict{outcome: o}, peer.String)
	}
	s.door = newDoor(ln, s.cfg.MaxConnections, nil, refused)
	if s.cert != nil {
		s.door.tls = s.cert.config()
	}
	return nil
}

// Addr is the bound address; nil before Listen.
func (s *Server) Addr() net.Addr {
	if d := s.listening(); d != nil {
		return d.Addr()
	}
	return nil
}

func (s *Server) listening() *door {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.door
}

// Serve answers until Drain or Close, and then returns nil at once, while
// requests may still be in flight: Drain waits for those. Listen comes before it.
func (s *Server) Serve() error {
	d := s.listening()
	if d == nil {
		return errors.New("serve: Listen first")
	}
	err := s.http.Serve(d)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve callbacks on %s: %w", d.Addr(), err)
}

// Drain stops accepting, lets held requests and connections without a request go,
// and waits until every request in flight has its answer. When ctx ends first it
// returns an error that counts them; Close then cuts them off.
func (s *Server) Drain(ctx context.Context) error {
	s.letGo()
	if d := s.listening(); d != nil {
		// Closing a listener fails only when it is closed.
		_ = d.Close()
		d.dismissSilent()
	}
	err := s.http.Shutdown(ctx)
	s.journal.flush()
	if err != nil {
		return fmt.Errorf("drain: %d connections still at work: %w", s.Stats().Connections, err)
	}
	return nil
}

// closeTime bounds how long Close waits for requests whose store does not heed
// its context.
const closeTime = 2 * time.Second

// Close ends at once what Drain left, and waits for its goroutines. What was not
// answered is not promised. It may be called again.
func (s *Server) Close() error {
	s.letGo()
	s.end()
	d := s.listening()
	if d == nil {
		return nil
	}
	_ = d.Close() // as in Drain
	err := s.http.Close()
	late := time.NewTimer(closeTime)
	defer late.Stop()
	select {
	case <-d.empty:
		return err
	case <-late.C:
		return errors.Join(err, fmt.Errorf("close: %d requests are still in the store", s.Stats().Requests))
	}
}

// UnsignedApps lists the apps whose unsigned callbacks are accepted, ascending.
func (s *Server) UnsignedApps() []uint64 {
	var ids []uint64
	for _, app := range s.cfg.Apps {
		if len(app.Tokens) == 0 {
			ids = append(ids, app.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// CertificateExpiry tells when the certificate that is served expires; not where
// the endpoint is plain HTTP.
func (s *Server) CertificateExpiry() (at time.Time, ok bool) {
	if s.cert == nil {
		return at, false
	}
	return s.cert.get().Leaf.NotAfter, true
}

// Stats is what the endpoint holds at one moment.
type Stats struct {
	Connections int   // open
	Requests    int   // authenticated, being read or stored
	Held        int   // of those, waiting for a store that cannot store
	BodyBytes   int64 // memory lent to bodies
}

// Stats tells what the endpoint holds now. It is cheap.
func (s *Server) Stats() Stats {
	st := Stats{
		Requests:  int(s.receiver.requests.Load()),
		Held:      int(s.receiver.held.Load()),
		BodyBytes: s.receiver.buffers.lent.Load(),
	}
	if d := s.listening(); d != nil {
		st.Connections = d.count()
	}
	return st
}
