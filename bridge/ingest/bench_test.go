package ingest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sys/unix"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// noStore stores nothing, at once.
type noStore struct{ n atomic.Uint64 }

func (s *noStore) Append(context.Context, spool.Record) (spool.Position, error) {
	return spool.Position(s.n.Add(1)), nil
}

func (s *noStore) Err() error { return nil }

// benchBody has 650 bytes, the size of an ordinary callback.
func benchBody() string {
	return goodBody[:len(goodBody)-1] + strings.Repeat(" ", 650-len(goodBody)) + "}"
}

// bareEcho reads the body into a pooled buffer and answers: what cannot be spared.
func bareEcho() http.Handler {
	e := echo.New()
	pool := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	e.POST("/*", func(c echo.Context) error {
		buf := pool.Get().(*bytes.Buffer)
		defer pool.Put(buf)
		buf.Reset()
		if _, err := buf.ReadFrom(c.Request().Body); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, []byte(`{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`))
	})
	return e
}

func benchServer(b testing.TB) *Server {
	b.Helper()
	cfg := testConfig()
	srv, err := New(cfg, &noStore{}, func() time.Time { return time.Unix(clock, 0) }, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = srv.Close() })
	return srv
}

// sink is a response that nobody reads.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// BenchmarkHandler measures the handlers alone, without network: bare Echo that
// reads the body, ours (signed, checked, stored nowhere), and ours refusing.
func BenchmarkHandler(b *testing.B) {
	srv := benchServer(b)
	for _, bench := range []struct {
		name    string
		handler http.Handler
		query   string
	}{
		{"bare-echo", bareEcho(), goodQuery()},
		{"ingest", srv.http.Handler, goodQuery()},
		{"ingest-refusing", srv.http.Handler, sign(signedApp, message, "another-token", clock)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			content := benchBody()
			body := strings.NewReader(content)
			r, err := http.NewRequest(http.MethodPost, path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.URL = &url.URL{Path: path, RawQuery: bench.query}
			r.Body, r.ContentLength = io.NopCloser(body), body.Size()
			b.ReportAllocs()
			begin := processorTime(b)
			for b.Loop() {
				body.Reset(content)
				bench.handler.ServeHTTP(&sink{header: make(http.Header, 4)}, r)
			}
			b.ReportMetric(float64(processorTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkOverTCP measures whole servers side by side, in turns, over kept
// connections: µs of both cores a request, client included, and what ours adds.
func BenchmarkOverTCP(b *testing.B) {
	bare := &http.Server{Handler: bareEcho(), ReadHeaderTimeout: time.Minute}
	bareListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = bare.Serve(bareListener) }()
	b.Cleanup(func() { _ = bare.Close() })
	srv := benchServer(b)
	if err := srv.Listen(); err != nil {
		b.Fatal(err)
	}
	go func() { _ = srv.Serve() }()

	var wall, cpu [2]time.Duration
	const turn = 2000
	rounds := 0
	for b.Loop() {
		for i, addr := range []string{bareListener.Addr().String(), srv.Addr().String()} {
			begin := processorTime(b)
			wall[i] += drive(b, addr, turn)
			cpu[i] += processorTime(b) - begin
		}
		rounds++
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(rounds*turn) }
	b.ReportMetric(each(wall[0]), "bare-ns/req")
	b.ReportMetric(each(wall[1]), "ingest-ns/req")
	b.ReportMetric(each(cpu[0]), "bare-cpu-ns/req")
	b.ReportMetric(each(cpu[1]), "ingest-cpu-ns/req")
	b.ReportMetric(each(cpu[1]-cpu[0]), "added-cpu-ns/req")
	b.ReportMetric(float64(wall[0])/float64(wall[1]), "rate-ratio")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what this process has used of all cores: unlike the wall clock
// it does not count what else the machine does.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// drive sends n requests over 16 connections.
func drive(b *testing.B, addr string, n int) time.Duration {
	const conns = 16
	raw := []byte(request("POST", path+"?"+goodQuery(), benchBody()))
	var peers [conns]net.Conn
	for i := range peers {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		peers[i] = c
	}
	begin := time.Now()
	var all sync.WaitGroup
	for _, c := range peers {
		all.Go(func() {
			in := bufio.NewReader(c)
			for range n / conns {
				if _, err := c.Write(raw); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begin)
}

// skipAnswer reads one answer of 50 bytes with status 200, without building it up.
func skipAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return io.ErrUnexpectedEOF
	}
	for len(line) > 2 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
	}
	_, err = in.Discard(len(`{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`))
	return err
}
