package ingest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Design 4: a body that does not arrive in time is 408, closed, and not stored (P7).
func TestSlowBodyIs408(t *testing.T) {
	t.Parallel()
	quick := func(cfg *Config, _ *storeDouble) { cfg.ReadTimeout = 100 * time.Millisecond }
	ignored := sign(signedApp, "State.StateChange", token, clock)
	tests := map[string]string{
		"announced":     "POST " + path + "?" + goodQuery() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n" + goodBody[:100],
		"chunked":       "POST " + path + "?" + goodQuery() + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"first byte":    "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"other command": "POST " + path + "?" + ignored + " HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, quick)
			p := f.dial(t)
			p.send(raw)
			if a := p.receive(); a.status != 408 || !a.closing || a.ErrorCode != 40801 {
				t.Errorf("got %d %d, closing %t", a.status, a.ErrorCode, a.closing)
			}
			if !p.ended() || f.store.tried() != 0 || f.tally[Timeout].Load() != 1 {
				t.Errorf("appends %d, counted %d", f.store.tried(), f.tally[Timeout].Load())
			}
		})
	}
}

// A header that does not arrive in time is 408; a connection that says nothing is
// closed without a word.
func TestSlowHeaderIs408AndSilenceIsNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.ReadHeaderTimeout = 500 * time.Millisecond })
	silent, slow := f.dial(t), f.dial(t)
	slow.send("POST /call")
	if a := slow.receive(); a.status != 408 || !slow.ended() {
		t.Errorf("slow header: %d", a.status)
	}
	if !silent.ended() {
		t.Error("a silent connection got an answer")
	}
}

// The same between two requests: the line end that old clients put behind a body is
// no beginning of a request.
func TestSlowSecondHeaderIs408AndIdlenessIsNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) {
		cfg.ReadHeaderTimeout, cfg.IdleTimeout = time.Hour, time.Second
	})
	idle, slow := f.dial(t), f.dial(t)
	for _, p := range []*peer{idle, slow} {
		p.send(goodRequest())
		if a := p.receive(); a.status != 200 || a.closing {
			t.Errorf("first request: %d, closing %t", a.status, a.closing)
		}
	}
	idle.send("\r\n")
	slow.send("PO")
	if a := slow.receive(); a.status != 408 || !slow.ended() {
		t.Errorf("slow second header: %d", a.status)
	}
	if !idle.ended() {
		t.Error("an idle connection got an answer")
	}
}

// What net/http answers by itself, in plain text, leaves as JSON, counted.
func TestAnswersOfNetHTTPItselfAreJSON(t *testing.T) {
	t.Parallel()
	post := "POST " + path + "?" + goodQuery() + " HTTP/1.1\r\n"
	tests := []struct {
		name, raw string
		outcome   Outcome
	}{
		{"oversized header", post + "Host: x\r\nX-Pad: " + strings.Repeat("x", 30<<10) + "\r\n\r\n", HeadersTooLarge},
		{"too many headers", post + "Host: x\r\n" + strings.Repeat("A: b\r\n", 5000) + "\r\n", HeadersTooLarge},
		{"oversized request line", "POST /" + strings.Repeat("x", 30<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", HeadersTooLarge},
		{"endless header", post + "Host: x\r\nX-Pad: " + strings.Repeat("x", 400<<10), HeadersTooLarge},
		{"no HTTP", "hello\r\n\r\n", Malformed},
		{"TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", Malformed},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NotFound}, // what net/http makes of its preface
		{"HTTP/0.9", "GET /\r\n\r\n", Malformed},
		{"no Host", "POST " + path + " HTTP/1.1\r\n\r\n", Malformed},
		{"two Hosts", post + "Host: x\r\nHost: y\r\n\r\n", Malformed},
		{"broken path", "POST /%zz HTTP/1.1\r\nHost: x\r\n\r\n", Malformed},
		{"expectation", post + "Host: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx", Malformed},
		{"space before colon", post + "Host: x\r\nContent-Length : 3\r\n\r\nabc", Malformed},
		// Shapes of request smuggling.
		{"two Content-Lengths", post + "Host: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", Malformed},
		{"list of Content-Lengths", post + "Host: x\r\nContent-Length: 3, 4\r\n\r\nabcd", Malformed},
		{"signed Content-Length", post + "Host: x\r\nContent-Length: +3\r\n\r\nabc", Malformed},
		{"transfer coding gzip", post + "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Malformed},
		{"transfer coding twice", post + "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", Malformed},
		{"transfer coding misspelt", post + "Host: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			p := f.dial(t)
			// A server that has heard enough may stop reading.
			_, _ = io.WriteString(p.Conn, tt.raw)
			r := tt.outcome.rule()
			if a := p.receive(); a.status != r.status || a.ErrorCode != r.code || !a.closing || a.header.Get("Date") == "" {
				t.Errorf("got %d %d, closing %t", a.status, a.ErrorCode, a.closing)
			}
			if !p.ended() || f.store.tried() != 0 {
				t.Error("the connection lives on, or something was stored")
			}
			eventually(t, "counted once", func() bool { return f.tally[tt.outcome].Load() == 1 })
		})
	}
}

// Content-Length beside chunked, the classic of smuggling: what follows the chunks
// is never taken for a request.
func TestNothingIsSmuggledBehindChunks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := f.dial(t)
	p.send("POST " + path + "?" + goodQuery() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"0\r\n\r\n" + goodRequest())
	if a := p.receive(); a.status != 400 || !a.closing {
		t.Errorf("got %d, closing %t", a.status, a.closing)
	}
	if !p.ended() || f.store.tried() != 0 {
		t.Error("the rest was taken for a request")
	}
}

// A body that ends early is 400 for who can still read, and is not stored (P7).
func TestBodyCutOffIsNotStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := f.dial(t)
	p.send(strings.Replace(goodRequest(), goodBody, goodBody[:200], 1))
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if a := p.receive(); a.status != 400 || a.ErrorCode != 40003 {
		t.Errorf("got %d %d", a.status, a.ErrorCode)
	}
	if f.store.tried() != 0 {
		t.Error("stored")
	}
}

// One connection carries any number of requests; refused ones with a small body do
// not end it, and their bodies are never taken for requests.
func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := f.dial(t)
	refused := request("POST", path+"?SdkAppid=1", goodRequest()) // a request as a body
	const n = 50
	for i := range n {
		p.send(goodRequest())
		if a := p.receive(); a.status != 200 || a.closing || a.header.Get("Connection") != "" {
			t.Fatalf("request %d: %d, closing %t", i, a.status, a.closing)
		}
		p.send(refused)
		if a := p.receive(); a.status != 403 || a.closing {
			t.Fatalf("request %d: %d, closing %t", i, a.status, a.closing)
		}
	}
	if len(f.store.kept()) != n || f.Stats().Connections != 1 {
		t.Errorf("stored %d, connections %d", len(f.store.kept()), f.Stats().Connections)
	}
}

// Keep-alive as an ordinary client sees it: as many connections as requests at once.
func TestClientReusesConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var dialled int
	var dialer net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled++
		return dialer.DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	for range 20 {
		res, err := client.Post("http://"+f.addr+path+"?"+goodQuery(), "", strings.NewReader(goodBody))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		checkedAnswer(t, res, body)
	}
	if dialled != 1 {
		t.Errorf("%d connections for 20 requests", dialled)
	}
}

// Pipelined requests are answered one by one, in order.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := f.dial(t)
	p.send(goodRequest() + request("GET", path, "") + goodRequest() + request("POST", "/x", "abc") + goodRequest())
	for i, want := range []int{200, 405, 200, 404, 200} {
		if a := p.receive(); a.status != want {
			t.Errorf("answer %d: %d, want %d", i, a.status, want)
		}
	}
}

// HTTP/1.0 is served: closed by default, kept where asked for.
func TestHTTP10(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	old := strings.Replace(goodRequest(), "HTTP/1.1", "HTTP/1.0", 1)
	p := f.dial(t)
	p.send(old)
	if a := p.receive(); a.status != 200 || !p.ended() {
		t.Errorf("got %d", a.status)
	}
	kept := f.dial(t)
	for range 2 {
		kept.send(strings.Replace(old, "Host:", "Connection: keep-alive\r\nHost:", 1))
		if a := kept.receive(); a.status != 200 || a.closing {
			t.Errorf("got %d, closing %t", a.status, a.closing)
		}
	}
}

// Expect: 100-continue: a body that is wanted is asked for, one that is not is not.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.ReadTimeout = time.Hour })
	head := strings.Replace(goodRequest(), "Host:", "Expect: 100-continue\r\nHost:", 1)
	head = strings.TrimSuffix(head, goodBody)

	p := f.dial(t)
	p.send(head)
	res, err := http.ReadResponse(p.in, nil)
	if err != nil || res.StatusCode != 100 {
		t.Fatalf("%v, %v", res, err)
	}
	p.send(goodBody)
	if a := p.receive(); a.status != 200 {
		t.Errorf("got %d", a.status)
	}

	p = f.dial(t)
	p.send(strings.Replace(head, "Sign=", "Sign=0", 1))
	if a := p.receive(); a.status != 401 || !a.closing || !p.ended() {
		t.Errorf("got %d, closing %t", a.status, a.closing)
	}
}

// P7: a refusal does not wait for the body, known or unknown in size.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for status, raw := range map[int]string{
		403: "POST " + path + "?SdkAppid=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		404: "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		405: "PUT " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n",
		413: "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\nabc",
		415: "POST " + path + "?" + goodQuery() + " HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 100\r\n\r\n",
	} {
		p := f.dial(t)
		p.send(raw)
		if a := p.receive(); a.status != status {
			t.Errorf("got %d, want %d", a.status, status)
		}
	}
}

// A peer that goes on sending after it was refused still gets to read the answer:
// nothing is closed over its unread bytes.
func TestPeerThatKeepsSendingReadsTheAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.MaxBody = 1000 })
	rest := strings.Repeat("x", 400<<10)
	for head, status := range map[string]int{
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 409600\r\n\r\n":                 413,
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n":                   413,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n64000\r\n":               404,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n":            400,
		"POST / HTTP/1.1\r\nHost: x\r\nX-Pad: " + strings.Repeat("x", 40<<10) + "\r\n\r\n" + rest: 431,
	} {
		p := f.dial(t)
		p.send(head)
		p.send(rest)
		if a := p.receive(); a.status != status || !p.ended() {
			t.Errorf("got %d, want %d", a.status, status)
		}
	}
}

// P8: who is told to go does not stay: the connection ends soon, whatever the peer
// had announced and however long a slow body would have been given.
func TestRefusedConnectionEndsSoon(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.MaxBody, cfg.ReadTimeout = 1000, time.Hour })
	for head, status := range map[string]int{
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n":     413,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n64000\r\n": 404,
		"POST / HTTP/1.1\r\nHost: x y\r\nContent-Length: 64\r\n\r\n":                400,
	} {
		p := f.dial(t)
		p.send(head)
		if a := p.receive(); a.status != status {
			t.Errorf("got %d, want %d", a.status, status)
		}
	}
	eventually(t, "all connections ended", func() bool { return f.Stats().Connections == 0 })
}

// The rest of a refused body that did not come in time is never taken for a request.
func TestRestOfARefusedBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.ReadTimeout, cfg.IdleTimeout = 500*time.Millisecond, time.Hour })
	p := f.dial(t)
	head, _, _ := strings.Cut(request("POST", path+"?SdkAppid=1", "0123456789"), "0123456789")
	p.send(head + "01234")
	if a := p.receive(); a.status != 403 || a.closing {
		t.Errorf("got %d, closing %t", a.status, a.closing)
	}
	if !p.ended() {
		t.Error("the connection lives on")
	}
}
