package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the tests' server knows.
const (
	clock     = 1760000000 // what its clock reads, Unix seconds
	signedApp = 1400000001 // has the tokens token and otherToken
	openApp   = 1400000002 // has none
	token     = "bridge-token-1"
	oldToken  = "bridge-token-0"
	path      = "/callback/s3cr3t-segment"
	message   = "Group.CallbackAfterSendMsg"
	goodBody  = `{"CallbackCommand":"Group.CallbackAfterSendMsg","CloudCustomData":"","EventTime":1760000000123,"From_Account":"user_10086","GroupId":"@TGS#2ABCDEFGH","MsgBody":[{"MsgContent":{"Text":"hello, how are you?"},"MsgType":"TIMTextElem"}],"MsgId":"144115200000000001-1760000000-2804799576","MsgSeq":42,"MsgTime":1760000000,"OnlineOnlyFlag":0,"Operator_Account":"user_10086","Random":2804799576,"Type":"Public"}`
	// patience bounds what a test waits for before it fails; nothing is timed by it.
	patience = 20 * time.Second
)

// storeDouble keeps records in memory, and fails or blocks as told.
type storeDouble struct {
	entered chan struct{} // one message an Append, where not nil
	release chan struct{} // Append waits for it, where not nil

	mu      sync.Mutex
	err     error // of Append and Err
	lasting error // of Append only
	panics  any
	records []spool.Record
	appends int
}

func (s *storeDouble) Append(ctx context.Context, r spool.Record) (spool.Position, error) {
	if s.entered != nil {
		s.entered <- struct{}{}
	}
	if s.release != nil {
		select {
		case <-s.release:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appends++
	if s.panics != nil {
		panic(s.panics)
	}
	if err := cmp.Or(s.err, s.lasting); err != nil {
		return 0, err
	}
	s.records = append(s.records, spool.Record{
		ReceivedAt: r.ReceivedAt, Query: bytes.Clone(r.Query), Body: bytes.Clone(r.Body),
	})
	return spool.Position(len(s.records)), nil
}

func (s *storeDouble) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *storeDouble) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *storeDouble) kept() []spool.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records
}

func (s *storeDouble) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appends
}

// tally counts outcomes.
type tally [outcomes]atomic.Int64

func (t *tally) Answered(o Outcome, _ time.Duration) { t[o].Add(1) }

// logBuffer keeps what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) Sync() error { return nil }

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fixture is a server at work.
type fixture struct {
	*Server
	t     *testing.T
	store *storeDouble
	tally *tally
	logs  *logBuffer
	addr  string
	// seconds is what the server's clock reads.
	seconds *atomic.Int64
	served  chan error
}

func testConfig() Config {
	return Config{
		Listen: "127.0.0.1:0",
		Path:   path,
		Apps: []App{
			{ID: signedApp, Tokens: []string{oldToken, token}},
			{ID: openApp},
		},
	}
}

// newFixture starts a server; change, where not nil, changes its configuration
// and its store before that.
func newFixture(t *testing.T, change func(*Config, *storeDouble)) *fixture {
	t.Helper()
	return newFixtureWith(t, change, nil)
}

// newFixtureWith also changes its door.
func newFixtureWith(t *testing.T, change func(*Config, *storeDouble), changeDoor func(*door)) *fixture {
	t.Helper()
	f := &fixture{
		t: t, store: &storeDouble{}, tally: &tally{}, logs: &logBuffer{},
		seconds: &atomic.Int64{}, served: make(chan error, 1),
	}
	f.seconds.Store(clock)
	cfg := testConfig()
	if change != nil {
		change(&cfg, f.store)
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), f.logs, zap.DebugLevel)
	srv, err := New(cfg, f.store, func() time.Time { return time.Unix(f.seconds.Load(), 0) }, zap.New(core), f.tally)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	if changeDoor != nil {
		changeDoor(srv.door)
	}
	f.Server, f.addr = srv, srv.Addr().String()
	go func() { f.served <- srv.Serve() }()
	t.Cleanup(f.stop)
	return f
}

// stop ends the server at once. It may be called again.
func (f *fixture) stop() {
	if err := f.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
	if err := <-f.served; err != nil {
		f.t.Errorf("Serve: %v", err)
	}
	f.served <- nil
}

// sign makes the query of a signed callback.
func sign(app uint64, command, token string, at int64) string {
	sum := sha256.Sum256([]byte(token + strconv.FormatInt(at, 10)))
	q := fmt.Sprintf("SdkAppid=%d&contenttype=json&ClientIP=203.0.113.7&OptPlatform=Web&RequestTime=%d&Sign=%s",
		app, at, hex.EncodeToString(sum[:]))
	if command != "" {
		q += "&CallbackCommand=" + command
	}
	return q
}

// goodQuery is accepted.
func goodQuery() string { return sign(signedApp, message, token, clock) }

// request writes down an HTTP/1.1 request as it goes out.
func request(method, target, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: bridge.example\r\n", method, target)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// goodRequest is answered 200 and stored.
func goodRequest() string { return request("POST", path+"?"+goodQuery(), goodBody) }

// peer is one TCP connection to the server.
type peer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (f *fixture) dial(t *testing.T) *peer {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &peer{t: t, Conn: c, in: bufio.NewReader(c)}
}

func (p *peer) send(raw string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, raw); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// answer is one answer, checked for form.
type answer struct {
	reply
	status  int
	closing bool
	header  http.Header
}

// receive reads one answer: JSON with exactly the three members, whatever the
// status.
func (p *peer) receive() answer {
	p.t.Helper()
	return p.receiveTo("POST")
}

func (p *peer) receiveTo(method string) answer {
	p.t.Helper()
	res, err := http.ReadResponse(p.in, &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("answer's body: %v", err)
	}
	return checkedAnswer(p.t, res, body)
}

func checkedAnswer(t *testing.T, res *http.Response, body []byte) answer {
	t.Helper()
	a := answer{status: res.StatusCode, closing: res.Close, header: res.Header}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("status %d: Content-Type %q", res.StatusCode, got)
	}
	if res.Request != nil && res.Request.Method == "HEAD" {
		return a
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("status %d: answer is not JSON: %q", res.StatusCode, body)
	}
	if len(members) != 3 || !bytes.HasPrefix(body, []byte(`{"ActionStatus":"`)) {
		t.Errorf("status %d: want the three members: %s", res.StatusCode, body)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a.reply); err != nil {
		t.Errorf("status %d: %v: %s", res.StatusCode, err, body)
	}
	if ok := a.status == 200; ok != (a.ActionStatus == "OK") || ok != (a.ErrorCode == 0) || ok != (a.ErrorInfo == "") {
		t.Errorf("status and members disagree: %d %s", a.status, body)
	}
	if a.status != 200 && a.ActionStatus != "FAIL" {
		t.Errorf("ActionStatus %q", a.ActionStatus)
	}
	return a
}

// CloseWrite says that nothing more comes from the peer.
func (p *peer) CloseWrite() error { return p.Conn.(*net.TCPConn).CloseWrite() }

// ended reports whether the server ended the connection without another byte.
func (p *peer) ended() bool {
	p.t.Helper()
	_, err := p.in.ReadByte()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Error("waited in vain for the end of the connection")
	}
	return err != nil
}

// exchange sends one request on a connection of its own.
func (f *fixture) exchange(t *testing.T, raw string) answer {
	t.Helper()
	p := f.dial(t)
	p.send(raw)
	method, _, _ := strings.Cut(raw, " ")
	a := p.receiveTo(method)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

// within fails the test where ch says nothing for too long.
func within[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// eventually polls a condition that nothing signals.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		}
	}
}
