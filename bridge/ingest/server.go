package ingest

import (
	"context"
	"io"
	stdlog "log"
	"net"
	"net/http"
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
	observer Observer
	refuser  Refuser
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
		cfg: cfg, respond: newResponder(), now: now, observer: observer, refuser: refuser(observer), end: end,
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
	authentic := nc.isOwed()
	// A peer that cannot be written to has gone; its callback is stored or not all the same.
	_ = s.respond.write(w, &v, closing)
	took := s.now().Sub(start)
	if authentic {
		s.observer.Answered(v.outcome, took)
	} else {
		s.observer.Answered(v.outcome, 0)
	}
	if v.trace != nil {
		v.trace.Answered(v.outcome, start.Add(took))
	}
	if v.outcome > lastOK {
		s.refuser.Refused(v.outcome, r.ContentLength)
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
			s.journal.panicked(fault)
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
