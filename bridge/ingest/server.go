package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"
)

// Server is the endpoint: New, Listen, Serve in a goroutine, then Drain, then Close.
// Echo is used in this file only.
type Server struct {
	// Immutable.
	cfg      Config
	receiver *receiver
	respond  *responder
	journal  *journal
	now      func() time.Time
	log      *zap.Logger
	observer Observer
	cert     *certificate // nil: plain HTTP
	http     *http.Server
	end      context.CancelFunc // of the receiver's life
	letGo    func()             // closes draining; may be called again
	draining <-chan struct{}

	mu   sync.Mutex // guards what follows
	door *door      // nil before Listen
}

// connKey finds a request's *conn in its context.
type connKey struct{}

// New makes a server that stores into store. now is the clock (nil: time.Now);
// log and observer may be nil. It opens no socket; it reads the TLS files, if any,
// and reports every fault of cfg at once.
func New(cfg Config, store Store, now func() time.Time, log *zap.Logger, observer Observer) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = zap.NewNop()
	}
	if observer == nil {
		observer = noObserver{}
	}
	life, end := context.WithCancel(context.Background())
	draining := make(chan struct{})
	s := &Server{
		cfg: cfg, respond: newResponder(), now: now, log: log, observer: observer, end: end,
		letGo: sync.OnceFunc(func() { close(draining) }), draining: draining,
		journal: &journal{log: log, now: now, path: cfg.Path},
		receiver: &receiver{
			cfg: cfg, keys: newKeys(cfg.Apps), store: store, now: now, life: life, draining: draining,
			owe:     func(r *http.Request) { connOf(r).owe() },
			buffers: buffers{limit: cfg.MaxMemory},
		},
	}
	if cfg.TLS.CertFile != "" {
		var err error
		if s.cert, err = openCertificate(cfg.TLS, now, log); err != nil {
			end()
			return nil, err
		}
	}
	s.http = s.newHTTP()
	return s, nil
}

// newHTTP sets every bound of net/http's server, and routes all to handle.
func (s *Server) newHTTP() *http.Server {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard)
	e.IPExtractor = echo.ExtractIPDirect() // X-Forwarded-For is anybody's claim
	e.HTTPErrorHandler = func(_ error, c echo.Context) { s.handle(c) }
	// The path is compared by the receiver, in constant time: no route holds it.
	e.RouteNotFound("/*", func(c echo.Context) error {
		s.handle(c)
		return nil
	})
	return &http.Server{
		Handler:                      e,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.cfg.ReadHeaderTimeout,
		ReadTimeout:                  s.cfg.ReadTimeout,
		WriteTimeout:                 s.cfg.ReadTimeout + s.cfg.HoldTimeout + s.cfg.AnswerTimeout,
		IdleTimeout:                  s.cfg.IdleTimeout,
		MaxHeaderBytes:               s.cfg.MaxHeaderBytes,
		ErrorLog:                     stdlog.New(s.journal, "", 0),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, nc)
		},
		ConnState: func(nc net.Conn, state http.ConnState) {
			if c, ok := nc.(*conn); ok {
				c.enter(state)
				if state == http.StateClosed {
					c.door.served()
				}
			}
		},
	}
}

// handle answers one request.
func (s *Server) handle(c echo.Context) {
	start := s.now()
	r, w := c.Request(), c.Response()
	v := s.receive(r, start)

	closing := s.closes(r, &v)
	unread := !v.drained && r.ContentLength != 0
	nc := connOf(r)
	if closing && unread {
		nc.expect(ourFarewell)
	} else {
		nc.expect(ourAnswer)
	}
	early := unread && !closing
	if early {
		// Without this net/http waits for the body before the answer leaves. It is
		// refused only by a test's recorder.
		_ = http.NewResponseController(w.Writer).EnableFullDuplex()
	}
	// A peer that cannot be written to has gone; its callback is stored or not all the same.
	_ = s.respond.write(w, &v, closing)
	s.observer.Answered(v.outcome, s.now().Sub(start))
	if v.outcome > lastOK {
		s.journal.answered(&v, c.RealIP)
	}
	if early {
		_ = http.NewResponseController(w.Writer).Flush() // as above
		s.skipBody(r, nc)
	}
}

// connOf finds the connection of a request; nil for a test's request that has none.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// skipBody reads a refused request's body, so that the connection can carry the
// next one. It ends here, in the handler: net/http would take up reading the
// connection for two purposes at once. Where the end is not reached the connection
// must go, lest the rest be taken for a request.
//
// A drain does not wait for this. It closes draining, then looks for connections
// that have answered; here the connection has answered, then draining is looked at:
// whichever comes first, one of the two sees the other.
func (s *Server) skipBody(r *http.Request, nc *conn) {
	select {
	case <-s.draining:
	default:
		if n, err := io.Copy(io.Discard, r.Body); err == nil && n == r.ContentLength {
			return
		}
	}
	if nc != nil {
		_ = nc.Close() // whatever it says, nothing more is read
	}
}

// receive is the receiver's, with a panic turned into an outcome.
func (s *Server) receive(r *http.Request, start time.Time) (v verdict) {
	defer func() {
		if fault := recover(); fault != nil {
			// Of the value only what cannot hold a callback's text.
			what := fmt.Sprintf("%T", fault)
			if err, ok := fault.(runtime.Error); ok {
				what = err.Error()
			}
			s.log.Error("panic while receiving a callback", zap.String("panic", what), zap.ByteString("stack", debug.Stack()))
			v = verdict{outcome: Panicked}
		}
	}()
	return s.receiver.receive(r, start)
}

// maxSkipped bounds the body of a refused request that is read only to keep its
// connection.
const maxSkipped = 64 << 10

// closes reports whether the connection ends with the answer.
func (s *Server) closes(r *http.Request, v *verdict) bool {
	switch {
	case s.respond.rows[v.outcome].closing, r.ContentLength < 0:
		return true
	case v.drained || r.ContentLength == 0:
		return false
	default:
		return r.ContentLength > maxSkipped || r.Header.Get("Expect") != ""
	}
}

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
