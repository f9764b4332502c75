package simulate

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newClient returns a client of a server at the URL.
func newClient(t *testing.T, url string, timeout time.Duration) *client {
	t.Helper()
	target, err := newTarget(&Options{URL: url, Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{target: target, timeout: timeout}
	t.Cleanup(c.close)
	return c
}

// newScriptedServer writes one of the answers to each request of a connection,
// and closes it after the last one.
func newScriptedServer(t *testing.T, answers ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for _, answer := range answers {
				r, err := http.ReadRequest(in)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(conn, answer)
			}
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/callback"
}

const okBody = `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`

func TestAnswersAreUnderstood(t *testing.T) {
	t.Parallel()
	stored, refused := answer{outcome: Stored, status: 200}, func(status int) answer {
		return answer{outcome: Refused, status: status}
	}
	broken := answer{outcome: Unanswered, reason: "broken"}
	for _, c := range []struct {
		name, raw string
		want      answer
	}{
		{"with a length", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + okBody, stored},
		{"header in lower case", "HTTP/1.1 200 OK\r\ncontent-length:50\r\n\r\n" + okBody, stored},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + okBody[:32] + "\r\n12;x=y\r\n" + okBody[32:] + "\r\n0\r\nTrailer: x\r\n\r\n", stored},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\n" + okBody, stored},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 50\r\n\r\n" + okBody, stored},
		{"without a reason phrase", "HTTP/1.1 200\r\nContent-Length: 50\r\n\r\n" + okBody, stored},
		{"after 100 Continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + okBody, stored},
		{"FAIL with 200", "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n" + strings.Replace(okBody, "OK", "FAIL", 1), refused(200)},
		{"200 without a body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", refused(200)},
		{"503", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 50\r\n\r\n" + okBody, refused(503)},
		{"cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + okBody[:40], broken},
		{"cut in the header", "HTTP/1.1 200 OK\r\nContent-Le", broken},
		{"nothing", "", broken},
		{"not HTTP", "220 smtp.example ESMTP ready\r\n\r\n", broken},
		{"a wrong length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + okBody, broken},
		{"a huge answer", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + okBody, broken},
		{"a wrong chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", broken},
	} {
		client := newClient(t, newScriptedServer(t, c.raw), 5*time.Second)
		got := client.post(context.Background(), []byte("a=b"), []byte("{}"), time.Now())
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestConnectionsAreKeptAndReopened(t *testing.T) {
	t.Parallel()
	const keep = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + okBody
	const last = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\n" + okBody
	client := newClient(t, newScriptedServer(t, keep, keep, last), 5*time.Second)
	now := time.Now()
	var first net.Conn
	for i := range 7 {
		if a := client.post(context.Background(), nil, []byte("{}"), now); a.outcome != Stored {
			t.Fatalf("request %d: %+v", i, a)
		}
		switch {
		case i == 0:
			first = client.conn
		case i == 1 && client.conn != first:
			t.Error("the connection was not kept")
		case i == 2 && client.conn != nil:
			t.Error("the connection is kept though the server closes it")
		}
	}
	used := client.conn
	client.post(context.Background(), nil, []byte("{}"), now.Add(idleLimit+1))
	if client.conn == used {
		t.Error("a connection that was idle for long was trusted")
	}
}

func TestASilentServerIsATimeoutAndNobodyIsNoConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, in the kernel, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, "http://"+l.Addr().String(), 20*time.Millisecond)
	if a := client.post(context.Background(), nil, nil, time.Now()); a.reason != "timeout" {
		t.Errorf("silent: %+v", a)
	}
	l.Close()
	if a := client.post(context.Background(), nil, nil, time.Now()); a.reason != "connect" {
		t.Errorf("nobody: %+v", a)
	}
}

// What is sent is a request that any HTTP server understands, over TLS too.
func TestRequestIsWhatTencentSends(t *testing.T) {
	t.Parallel()
	type request struct {
		Method, Host, Path, Body, ContentType string
		Query                                 map[string][]string
	}
	var got request
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = request{r.Method, r.Host, r.URL.EscapedPath(), string(body), r.Header.Get("Content-Type"), r.URL.Query()}
		_, _ = io.WriteString(w, okBody)
	}))
	defer server.Close()
	o := Options{App: 1400000000, Token: "bridge-token-1"}
	m := message{sender: 8}
	query := newSigner(&o).append(nil, &m, 1760000000)
	client := newClient(t, server.URL+"/call%20back?x=1", 5*time.Second)
	if a := client.post(context.Background(), query, []byte(`{"a":1}`), time.Now()); a.outcome != Stored {
		t.Fatalf("%+v", a)
	}
	want := request{
		Method: http.MethodPost, Host: strings.TrimPrefix(server.URL, "https://"), Path: "/call%20back", Body: `{"a":1}`,
		Query: map[string][]string{
			"x": {"1"}, "SdkAppid": {"1400000000"}, "CallbackCommand": {"Group.CallbackAfterSendMsg"}, "contenttype": {"json"},
			"ClientIP": {"203.0.113.9"}, "OptPlatform": {"Web"}, "RequestTime": {"1760000000"},
			"Sign": {"d44096fa81f2affa94a4ec8c7e95b592a50586edb270d976ee9db546d44a1c59"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
