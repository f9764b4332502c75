package ingest

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// Design 11: while it drains, each request in flight gets its true answer: 200
// for exactly what is stored, and nothing in between (P1).
func TestDrainUnderLoadAnswersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	const clients = 16
	f := newFixture(t, func(_ *Config, s *storeDouble) {
		s.entered, s.release = make(chan struct{}, 1000), make(chan struct{}, 1)
	})
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	answers := make(chan int, clients*1000)
	var ended sync.WaitGroup
	for range clients {
		ended.Go(func() {
			for {
				res, err := client.Post("http://"+f.addr+path+"?"+goodQuery(), "", strings.NewReader(goodBody))
				if err != nil {
					return // the listener is closed, or the idle connection was
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				answers <- res.StatusCode
			}
		})
	}
	// Some requests are answered, then all clients are in the store at once.
	for range 100 {
		within(t, "an append", f.store.entered)
		f.store.release <- struct{}{}
	}
	eventually(t, "a hundred stored", func() bool { return len(f.store.kept()) == 100 })
	for range clients {
		within(t, "an append", f.store.entered)
	}
	drained := make(chan error, 1)
	go func() { drained <- f.Drain(t.Context()) }()
	eventually(t, "no more connections", func() bool {
		c, err := net.Dial("tcp", f.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-drained:
		t.Fatalf("drained with %d requests in the store: %v", clients, err)
	default:
	}
	close(f.store.release)
	if err := within(t, "the drain", drained); err != nil {
		t.Error(err)
	}
	ended.Wait()
	close(answers)
	good := 0
	for status := range answers {
		if status != 200 {
			t.Errorf("status %d", status)
		}
		good++
	}
	// A client may have had one more request on a connection that was open already.
	if stored := len(f.store.kept()); good != stored || stored < 100+clients {
		t.Errorf("%d answered OK, %d stored, want %d at least", good, stored, 100+clients)
	}
	if st := f.Stats(); st != (Stats{}) {
		t.Errorf("left: %+v", st)
	}
}

// Connections that are idle, silent, or owe the body of a refused request do not
// hold a drain up.
func TestDrainClosesIdleConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.ReadTimeout = time.Hour })
	silent, idle, refused := f.dial(t), f.dial(t), f.dial(t)
	idle.send(goodRequest())
	idle.receive()
	refused.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	refused.receive()
	eventually(t, "all are in", func() bool { return f.Stats().Connections == 3 })
	begin := time.Now()
	if err := f.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 4*time.Second { // net/http alone would wait 5 s
		t.Errorf("took %s", took)
	}
	if !silent.ended() || !idle.ended() || !refused.ended() {
		t.Error("a connection is still open")
	}
	if err := f.Drain(t.Context()); err != nil {
		t.Errorf("a second drain: %v", err)
	}
}

// A drain that may not wait any longer says what is left; Close ends it, and what
// was not stored was not acknowledged.
func TestDrainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *Config, s *storeDouble) { blocked(s) })
	p := f.dial(t)
	p.send(goodRequest())
	within(t, "the append", f.store.entered)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Drain(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 connections") {
		t.Errorf("Drain: %v", err)
	}
	f.stop()
	said, _ := io.ReadAll(p.in) // nothing, or that the server is closing
	if strings.Contains(string(said), " 200 ") || len(f.store.kept()) != 0 {
		t.Errorf("stored %d, answered %q", len(f.store.kept()), said)
	}
}

// Close before, after and without everything else does no harm.
func TestLifecycleInOddOrders(t *testing.T) {
	t.Parallel()
	fresh := func() *Server {
		srv, err := New(testConfig(), &storeDouble{}, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return srv
	}
	srv := fresh()
	if srv.Addr() != nil || srv.Serve() == nil {
		t.Error("serves without having listened")
	}
	if err := errors.Join(srv.Drain(t.Context()), srv.Close(), srv.Close()); err != nil {
		t.Error(err)
	}
	srv = fresh()
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	if srv.Listen() == nil {
		t.Error("listens twice")
	}
	if err := errors.Join(srv.Drain(t.Context()), srv.Serve(), srv.Close()); err != nil {
		t.Error(err)
	}
}

// A taken port is named, with the key that changes it.
func TestListenNamesTheTakenPort(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	cfg := testConfig()
	cfg.Listen = f.addr
	srv, err := New(cfg, f.store, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	err = srv.Listen()
	for _, part := range []string{f.addr, "http.listen", "address already in use"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

// Every fault of a configuration is said at once, by the file's keys, and no token
// with it.
func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	cfg := Config{
		Path:    "call%20back",
		TLS:     TLS{CertFile: "x"},
		Apps:    []App{{ID: 1, Tokens: []string{token}}, {ID: 1, Tokens: []string{""}}, {ID: math.MaxInt64 + 1}},
		MaxBody: -1,
	}
	_, err := New(cfg, nil, nil, zap.NewNop(), nil)
	for _, part := range []string{"http.listen", "http.path must start", "http.path must not", "http.tls", "twice", "empty token", "no reader", "negative"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
	if err != nil && strings.Contains(err.Error(), token) {
		t.Error("a token is in the error")
	}
	cfg = testConfig()
	cfg.Apps = nil
	if _, err := New(cfg, nil, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "apps is empty") {
		t.Errorf("no apps: %v", err)
	}
}

func TestUnsignedAppsAreNamed(t *testing.T) {
	t.Parallel()
	if ids := newFixture(t, nil).UnsignedApps(); len(ids) != 1 || ids[0] != openApp {
		t.Errorf("got %v", ids)
	}
}
