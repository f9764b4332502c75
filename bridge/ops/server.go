package ops

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

//go:embed page.html.tmpl
var pageSource string

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
	answerTimeout = 2 * time.Minute // a CPU profile takes as long as it is asked to
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
)

// Sources are what the listener shows. Many goroutines call them.
type Sources struct {
	Status  func() Status                           // for each view
	Group   func(context.Context, GroupQuery) Group // for /group
	Metrics http.Handler                            // for /metrics
}

// New returns a server for address.
func New(address string, from Sources) *Server {
	status := from.Status
	page := template.Must(template.New("page").Parse(pageSource))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", from.Metrics)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { s := status(); writeCondition(w, s.Ready, s.Ready) })
	mux.HandleFunc("GET /sinkz", func(w http.ResponseWriter, _ *http.Request) {
		s := status()
		writeCondition(w, s.Sink, struct {
			Condition
			Partitions []SinkPart `json:"partitions"`
		}{s.Sink, s.Parts})
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, status()) })
	mux.HandleFunc("GET /group", groupHandler(from.Group))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { writePage(w, page, status()) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // heap, goroutine and the other named ones, too
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Server{
		address: address,
		http: &http.Server{
			Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout,
			WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		},
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
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
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
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func writePage(w http.ResponseWriter, page *template.Template, s Status) {
	var b bytes.Buffer
	if err := page.Execute(&b, s); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes())
}
