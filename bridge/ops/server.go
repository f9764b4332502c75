package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

// Server is the operator's listener: New, Listen, Serve, Close.
type Server struct {
	address  string
	http     *http.Server
	listener net.Listener
}

// Timeouts of the listener. A scrape is small and local; these only keep a
// forgotten connection from staying.
const (
	headerTimeout = 5 * time.Second
	answerTimeout = 2 * time.Minute // a CPU profile takes as long as it is asked to, at most longestProfile
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// Options is what a Server shows, where, and to whom.
type Options struct {
	Address string
	Door    Door
	Log     *log.Logger      // what net/http has to say: strangers' handshakes, and panics
	Now     func() time.Time // nil = time.Now
	// Failed is told of each wrong password and token that was looked at: from which
	// address, and which of the two. nil = nobody is.
	Failed func(peer, what string)
	Sources
}

// Sources are what the listener shows. Many goroutines call them.
type Sources struct {
	Status  func() Status                           // for each view
	Ready   func() Condition                        // for /readyz, which anybody may ask: it costs next to nothing
	Group   func(context.Context, GroupQuery) Group // for /group
	Metrics http.Handler                            // for /metrics
	Charts  func() []Chart                          // the last hour
	Events  func() Events                           // what went wrong of late
	Config  string                                  // the configuration, without its secrets
	Actions Actions                                 // what may be done
}

// New returns a server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{
		address: o.Address,
		http: &http.Server{
			Handler: harden(o.routes()), TLSConfig: o.Door.TLS,
			ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout,
			WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
			ErrorLog: o.Log,
		},
	}
}

// routes are two that are open, for probes, which cannot log in, and the others
// behind the door.
func (o *Options) routes() http.Handler {
	inside := http.NewServeMux()
	inside.Handle("GET /metrics", o.Metrics)
	inside.HandleFunc("GET /sinkz", func(w http.ResponseWriter, _ *http.Request) {
		s := o.Status()
		writeCondition(w, s.Sink, struct {
			Condition
			Partitions []SinkPart `json:"partitions"`
		}{s.Sink, s.Parts})
	})
	inside.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, o.Status()) })
	inside.HandleFunc("GET /group", groupHandler(o.Group))
	p := newPage(o)
	inside.Handle("GET /{$}", p)
	inside.Handle("GET /charts/{name}", p.gallery)
	inside.Handle("/actions", &actionHandler{Actions: o.Actions, tries: o.tries(Token)})
	inside.HandleFunc("GET /letters/{number}", letterHandler(o.Events))
	inside.HandleFunc("GET /page.css", asset("text/css", pageStyle))
	inside.HandleFunc("GET /icon.svg", asset("image/svg+xml", icon))
	inside.HandleFunc("GET /page.js", asset("text/javascript", pageScript))
	inside.HandleFunc("GET /debug/pprof/", profile(pprof.Index)) // heap, goroutine and the other named ones, too
	inside.HandleFunc("GET /debug/pprof/profile", profile(pprof.Profile))
	inside.HandleFunc("GET /debug/pprof/trace", profile(pprof.Trace))

	all := http.NewServeMux()
	all.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") })
	all.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { c := o.Ready(); writeCondition(w, c, c) })
	all.Handle("/", o.Door.guard(inside, o.tries(Password)))
	return all
}

func (o *Options) tries(what string) *tries {
	return &tries{what: what, now: o.Now, failed: o.Failed}
}

// longestProfile bounds how long a profile may take, in seconds.
const longestProfile = 60

// profile lets next take no longer than that.
func profile(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if asked := r.FormValue("seconds"); asked != "" { // as net/http/pprof reads it
			if seconds, err := strconv.ParseFloat(asked, 64); err != nil || !(seconds >= 0 && seconds <= longestProfile) {
				http.Error(w, fmt.Sprintf("a profile takes %d seconds at most", longestProfile), http.StatusBadRequest)
				return
			}
		}
		next(w, r)
	}
}

// Listen binds the address.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for the operator on %s: %w; free the port or set ops.listen to another", s.address, err)
	}
	s.listener = l
	return nil
}

// Addr is the bound address, after Listen.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until Close; nil then.
func (s *Server) Serve() error {
	serve := s.http.Serve
	if s.http.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") } // the configuration has the certificate
	}
	if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the operator on %s: %w", s.address, err)
	}
	return nil
}

// Close ends the listener; requests under way are cut off when ctx ends.
func (s *Server) Close(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text))
}

func writeCondition(w http.ResponseWriter, c Condition, body any) {
	status := http.StatusOK
	if !c.OK {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
