package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// endpointRow is one request and what the design says of it.
type endpointRow struct {
	name    string // the row of design 4, or the sentence below its table
	raw     string
	status  int
	outcome Outcome
	stored  bool
	closing bool
	info    string // part of ErrorInfo
}

func endpointRows() []endpointRow {
	post := func(query, body string, headers ...string) string {
		return request("POST", path+"?"+query, body, headers...)
	}
	other := "Group.CallbackBeforeSendMsg"
	shaken := strings.Replace(goodQuery(), "Sign=", "Sign=0", 1)
	return []endpointRow{
		{name: "good", raw: goodRequest(), status: 200, outcome: Stored, stored: true},
		{name: "good, chunked", raw: request("POST", path+"?"+goodQuery(), "", "Transfer-Encoding: chunked") +
			"5\r\n" + goodBody[:5] + "\r\n" + strconv.FormatInt(int64(len(goodBody)-5), 16) + "\r\n" + goodBody[5:] + "\r\n0\r\n\r\n",
			status: 200, outcome: Stored, stored: true, closing: true},
		{name: "good, identity encoding named", raw: post(goodQuery(), goodBody, "Content-Encoding: Identity"),
			status: 200, outcome: Stored, stored: true},
		{name: "good, signed with the older token", raw: post(sign(signedApp, message, oldToken, clock), goodBody),
			status: 200, outcome: Stored, stored: true},
		{name: "good, app without tokens unsigned", raw: post("SdkAppid=1400000002&CallbackCommand="+message, goodBody),
			status: 200, outcome: Stored, stored: true},
		{name: "good, path in percent-encoding", raw: request("POST", strings.Replace(path, "callback", "c%61llback", 1)+"?"+goodQuery(), goodBody),
			status: 200, outcome: Stored, stored: true},
		{name: "body not understood: no JSON", raw: post(goodQuery(), "hello"),
			status: 400, outcome: Unreadable, stored: true, info: "(not-json)"},
		{name: "body not understood: no GroupId", raw: post(goodQuery(), `{"MsgSeq":1}`),
			status: 400, outcome: Unreadable, stored: true, info: "(no-group-id)"},
		{name: "body not understood, and no command in the query", raw: post(sign(signedApp, "", token, clock), "hello"),
			status: 400, outcome: Unreadable, stored: true, info: "(not-json)"},
		{name: "any other command", raw: post(sign(signedApp, other, token, clock), `{"any":"thing"}`),
			status: 200, outcome: Ignored},
		{name: "any other command, empty body", raw: post(sign(signedApp, other, token, clock), ""),
			status: 200, outcome: Ignored},
		{name: "any other command, gzip: a before-event is let through", raw: post(sign(signedApp, other, token, clock), "\x1f\x8b", "Content-Encoding: gzip"),
			status: 200, outcome: Ignored},
		{name: "URL check", raw: request("POST", path, ""), status: 200, outcome: URLCheck},
		{name: "URL check with an app", raw: post("SdkAppid=1", ""), status: 200, outcome: URLCheck},
		{name: "URL check, chunked", raw: request("POST", path, "", "Transfer-Encoding: chunked") + "0\r\n\r\n",
			status: 200, outcome: URLCheck, closing: true},
		{name: "no command but a chunked body is no URL check", raw: request("POST", path, "", "Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n",
			status: 403, outcome: UnknownApp, closing: true},
		{name: "unknown app", raw: post(sign(signedApp+7, message, token, clock), goodBody),
			status: 403, outcome: UnknownApp},
		{name: "unknown app: none", raw: post("CallbackCommand="+message, goodBody), status: 403, outcome: UnknownApp},
		{name: "unknown app: not a number", raw: post("SdkAppid=0x53724E01&CallbackCommand="+message, goodBody), status: 403, outcome: UnknownApp},
		{name: "unknown app: over 64 bits", raw: post("SdkAppid=18446744075109551617&CallbackCommand="+message, goodBody), status: 403, outcome: UnknownApp},
		{name: "Sign missing", raw: post("SdkAppid=1400000001&CallbackCommand="+message, goodBody),
			status: 401, outcome: SignatureMissing, info: "console"},
		{name: "RequestTime missing", raw: post(strings.Replace(goodQuery(), "RequestTime", "requesttime", 1), goodBody),
			status: 401, outcome: SignatureMissing},
		{name: "Sign wrong", raw: post(sign(signedApp, message, "another-token", clock), goodBody),
			status: 401, outcome: SignatureWrong, info: "apps.tokens"},
		{name: "Sign too long", raw: post(shaken, goodBody), status: 401, outcome: SignatureWrong},
		{name: "RequestTime garbled", raw: post(strings.Replace(goodQuery(), "RequestTime=1", "RequestTime=x1", 1), goodBody),
			status: 401, outcome: SignatureWrong, info: "RequestTime"},
		{name: "RequestTime 61 s behind", raw: post(sign(signedApp, message, token, clock-61), goodBody),
			status: 401, outcome: SignatureStale, info: "1759999939 is 61 s off this server's clock, which reads 1760000000"},
		{name: "RequestTime 61 s ahead", raw: post(sign(signedApp, message, token, clock+61), goodBody),
			status: 401, outcome: SignatureStale, info: "1760000061 is 61 s off"},
		{name: "RequestTime 60 s behind", raw: post(sign(signedApp, message, token, clock-60), goodBody),
			status: 200, outcome: Stored, stored: true},
		{name: "RequestTime 60 s ahead", raw: post(sign(signedApp, message, token, clock+60), goodBody),
			status: 200, outcome: Stored, stored: true},
		{name: "other commands are authenticated too", raw: post(sign(signedApp, other, "another-token", clock), `{}`),
			status: 401, outcome: SignatureWrong},
		{name: "body over the limit, announced: the body is not waited for",
			raw:    request("POST", path+"?"+goodQuery(), "", "Content-Length: 4097"),
			status: 413, outcome: TooLarge, closing: true, info: "http.max_body"},
		{name: "body over the limit, unauthenticated", raw: request("POST", path, "", "Content-Length: 99999999999"),
			status: 413, outcome: TooLarge, closing: true},
		{name: "body over the limit, chunked", raw: request("POST", path+"?"+goodQuery(), "", "Transfer-Encoding: chunked") +
			"1001\r\n" + strings.Repeat(" ", 4097) + "\r\n0\r\n\r\n",
			status: 413, outcome: TooLarge, closing: true},
		{name: "body over the limit, chunked, other command", raw: request("POST", path+"?"+sign(signedApp, other, token, clock), "", "Transfer-Encoding: chunked") +
			"1001\r\n" + strings.Repeat(" ", 4097) + "\r\n0\r\n\r\n",
			status: 413, outcome: TooLarge, closing: true},
		{name: "body at the limit", raw: post(goodQuery(), goodBody+strings.Repeat(" ", 4096-len(goodBody))),
			status: 200, outcome: Stored, stored: true},
		{name: "not POST: GET", raw: request("GET", path+"?"+goodQuery(), ""), status: 405, outcome: BadMethod},
		{name: "not POST: HEAD", raw: request("HEAD", path+"?"+goodQuery(), ""), status: 405, outcome: BadMethod},
		{name: "not POST: OPTIONS", raw: request("OPTIONS", path, ""), status: 405, outcome: BadMethod},
		{name: "not POST: a method nobody knows", raw: request("BREW", path, ""), status: 405, outcome: BadMethod},
		{name: "not POST goes before the size", raw: request("PUT", path, "", "Content-Length: 99999"),
			status: 405, outcome: BadMethod, closing: true},
		{name: "another path", raw: request("POST", "/callback/other?"+goodQuery(), goodBody), status: 404, outcome: NotFound},
		{name: "another path: a prefix", raw: request("POST", "/callback?"+goodQuery(), goodBody), status: 404, outcome: NotFound},
		{name: "another path: a slash more", raw: request("POST", path+"/?"+goodQuery(), goodBody), status: 404, outcome: NotFound},
		{name: "another path: none", raw: request("OPTIONS", "*", ""), status: 404, outcome: NotFound},
		{name: "another path: longer than any", raw: request("POST", "/"+strings.Repeat("x", 3000), ""), status: 404, outcome: NotFound},
		{name: "another path goes before the method", raw: request("BREW", "/", ""), status: 404, outcome: NotFound},
		{name: "another path goes before the size", raw: request("POST", "/", "", "Content-Length: 99999"),
			status: 404, outcome: NotFound, closing: true},
		{name: "another path: CONNECT", raw: "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", status: 404, outcome: NotFound},
		{name: "Content-Encoding", raw: post(goodQuery(), goodBody, "Content-Encoding: gzip"),
			status: 415, outcome: Encoding, closing: true},
		{name: "Content-Encoding, the second header", raw: post(goodQuery(), goodBody, "Content-Encoding: identity", "Content-Encoding: br"),
			status: 415, outcome: Encoding, closing: true},
		{name: "Content-Encoding is looked at after the signature", raw: post("SdkAppid=1400000001&CallbackCommand="+message, goodBody, "Content-Encoding: gzip"),
			status: 401, outcome: SignatureMissing},
		{name: "empty body with the command", raw: post(goodQuery(), ""), status: 400, outcome: EmptyBody},
		{name: "empty body with the command, chunked", raw: post(goodQuery(), "", "Transfer-Encoding: chunked") + "0\r\n\r\n",
			status: 400, outcome: EmptyBody, closing: true},
		{name: "broken chunk", raw: post(goodQuery(), "", "Transfer-Encoding: chunked") + "zz\r\n",
			status: 400, outcome: CutOff, closing: true},
	}
}

// Design 4, row by row: status, members, and whether the store was asked (P6, P7).
// What is not stored never reaches the store.
func TestEndpointAnswersEveryRowOfTheDesign(t *testing.T) {
	t.Parallel()
	for _, row := range endpointRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.MaxBody = 4096 })
			a := f.exchange(t, row.raw)
			if a.status != row.status || a.closing != row.closing {
				t.Errorf("got %d, closing %t, %q; want %d, %t", a.status, a.closing, a.ErrorInfo, row.status, row.closing)
			}
			if !strings.Contains(a.ErrorInfo, row.info) {
				t.Errorf("ErrorInfo %q lacks %q", a.ErrorInfo, row.info)
			}
			if want := row.outcome.rule().code; !strings.HasPrefix(row.raw, "HEAD") && a.ErrorCode != want {
				t.Errorf("ErrorCode %d, want %d", a.ErrorCode, want)
			}
			if row.status == 405 && a.header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
			if got := f.store.tried() == 1; got != row.stored {
				t.Errorf("the store was asked %d times, want stored: %t", f.store.tried(), row.stored)
			}
			eventually(t, "counted once", func() bool { return f.tally[row.outcome].Load() == 1 })
		})
	}
}

// P1: what is stored is the callback as it came, less Sign.
func TestStoredRecordIsTheCallbackWithoutSign(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.exchange(t, goodRequest())
	want := []spool.Record{{
		ReceivedAt: time.Unix(clock, 0),
		Query: []byte("SdkAppid=1400000001&contenttype=json&ClientIP=203.0.113.7&OptPlatform=Web&RequestTime=1760000000" +
			"&CallbackCommand=Group.CallbackAfterSendMsg"),
		Body: []byte(goodBody),
	}}
	if diff := cmp.Diff(want, f.store.kept()); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// Design 4: other commands are kept whole where the policy says so, and still
// answered OK.
func TestOtherCommandsAreStoredOnlyByPolicy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.StoreCallbacks = true })
	query := sign(signedApp, "State.StateChange", token, clock)
	for _, body := range []string{"not JSON", ""} {
		if a := f.exchange(t, request("POST", path+"?"+query, body)); a.status != 200 {
			t.Errorf("body %q: status %d", body, a.status)
		}
	}
	if a := f.exchange(t, request("POST", path+"?"+query, "x", "Content-Encoding: gzip")); a.status != 415 {
		t.Errorf("what cannot be kept as it is: status %d, want 415", a.status)
	}
	kept := f.store.kept()
	if len(kept) != 2 || string(kept[0].Body) != "not JSON" || len(kept[1].Body) != 0 {
		t.Errorf("kept %q", kept)
	}
	if n := f.tally[CallbackStored].Load(); n != 2 {
		t.Errorf("counted %d as stored callbacks", n)
	}
}

// Design 4, last row: 503 with Retry-After, whatever the callback would have got (P1, P6).
func TestUnstorableIsRefusedWith503(t *testing.T) {
	t.Parallel()
	poisoned := &spool.PoisonedError{File: "0001.seg", Since: time.Unix(clock, 0), Err: errors.New("input/output error")}
	tests := []struct {
		name    string
		err     error
		outcome Outcome
		status  int
	}{
		{"full", spool.ErrFull, Full, 503},
		{"poisoned", poisoned, Poisoned, 503},
		{"closed", spool.ErrClosed, Closing, 503},
		{"another failure", errors.New("short of luck"), StoreFailed, 503},
		{"never fits", spool.ErrTooLarge, TooLarge, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(_ *Config, s *storeDouble) { s.err = tt.err })
			for _, body := range []string{goodBody, "unreadable"} {
				a := f.exchange(t, request("POST", path+"?"+goodQuery(), body))
				if a.status != tt.status || a.ErrorCode != tt.outcome.rule().code {
					t.Errorf("got %d %d %q", a.status, a.ErrorCode, a.ErrorInfo)
				}
				if tt.status == 503 && a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			if n := f.tally[tt.outcome].Load(); n != 2 {
				t.Errorf("counted %d times", n)
			}
			if strings.Contains(f.logs.String(), goodBody[:20]) {
				t.Error("a body is in the log")
			}
		})
	}
}

// P1, P2: the answer waits for Append to return, and for nothing else.
func TestNoAnswerBeforeAppendReturned(t *testing.T) {
	t.Parallel()
	for _, body := range []string{goodBody, "unreadable"} {
		t.Run(body[:1], func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(_ *Config, s *storeDouble) {
				s.entered, s.release = make(chan struct{}), make(chan struct{})
			})
			p := f.dial(t)
			p.send(request("POST", path+"?"+goodQuery(), body))
			within(t, "the append", f.store.entered)

			answered := make(chan byte, 1)
			go func() {
				b, _ := p.in.Peek(1)
				answered <- b[0]
			}()
			// Another request goes through the whole server meanwhile: had the first
			// answer been on its way, it would be here by then.
			if a := f.exchange(t, request("GET", path, "")); a.status != 405 {
				t.Fatalf("status %d", a.status)
			}
			select {
			case <-answered:
				t.Fatal("answered before the append returned")
			default:
			}
			close(f.store.release)
			within(t, "the answer", answered)
			p.receive()
		})
	}
}

// A slow store outlasts the read timeout: the answer is still the true one, and
// the connection still good.
func TestSlowStoreIsNotASlowPeer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, s *storeDouble) {
		s.entered, s.release = make(chan struct{}, 2), make(chan struct{})
		cfg.ReadTimeout = 500 * time.Millisecond
	})
	p := f.dial(t)
	p.send(goodRequest())
	within(t, "the append", f.store.entered)
	<-time.After(2 * f.cfg.ReadTimeout) // the timeout that is under test has passed
	close(f.store.release)
	if a := p.receive(); a.status != 200 || a.closing {
		t.Errorf("status %d, closing %t", a.status, a.closing)
	}
	p.send(goodRequest())
	if a := p.receive(); a.status != 200 {
		t.Errorf("status %d", a.status)
	}
}

// A peer that went away does not end an append: its context is not the store's.
func TestPeerThatLeftDoesNotEndTheAppend(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *Config, s *storeDouble) { s.release = make(chan struct{}) })
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, http.MethodPost, path+"?"+goodQuery(), strings.NewReader(goodBody))
	answered := make(chan verdict, 1)
	go func() { answered <- f.receiver.receive(r, time.Unix(clock, 0)) }()
	eventually(t, "in the store", func() bool { return f.Stats().Requests == 1 })
	close(f.store.release)
	if v := within(t, "the verdict", answered); v.outcome != Stored || len(f.store.kept()) != 1 {
		t.Errorf("%s, stored %d", v.outcome, len(f.store.kept()))
	}
}

// A panic is a 500 in the usual form, and the server lives on; the log names it
// without the text that it carries.
func TestPanicIsAnAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(_ *Config, s *storeDouble) { s.panics = "text of a message" })
	a := f.exchange(t, goodRequest())
	if a.status != 500 || !a.closing || a.ErrorCode != 50001 {
		t.Errorf("got %d, closing %t, %d", a.status, a.closing, a.ErrorCode)
	}
	if logs := f.logs.String(); !strings.Contains(logs, "panic while receiving") || strings.Contains(logs, "text of a message") {
		t.Errorf("log: %s", logs)
	}
	f.store.mu.Lock()
	f.store.panics = nil
	f.store.mu.Unlock()
	if a := f.exchange(t, goodRequest()); a.status != 200 {
		t.Errorf("after the panic: %d", a.status)
	}
	if st := f.Stats(); st.Requests != 0 || st.BodyBytes != 0 {
		t.Errorf("a panic left something behind: %+v", st)
	}
}

// The table of cases in doc.go is what the code answers.
func TestTableInDocAgreesWithTheRules(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	row := regexp.MustCompile(`(?m)^//\t.*\S {1,}(\d{3}) {2,}([a-z, -]+)$`)
	for _, m := range row.FindAllStringSubmatch(string(source), -1) {
		for name := range strings.SplitSeq(m[2], ", ") {
			o, ok := outcomeNamed(name)
			if !ok || strconv.Itoa(o.rule().status) != m[1] {
				t.Errorf("doc.go: %q", m[0])
			}
			named[name] = true
		}
	}
	codes := map[int]Outcome{}
	for _, o := range Outcomes() {
		r := o.rule()
		if !named[r.name] && o != Malformed && o != HeadersTooLarge {
			t.Errorf("doc.go has no row for %s", o)
		}
		if r.code != 0 && r.code/100 != r.status {
			t.Errorf("%s: ErrorCode %d does not begin with %d", o, r.code, r.status)
		}
		if other, dup := codes[r.code]; dup && r.code != 0 {
			t.Errorf("%s and %s share %d", o, other, r.code)
		}
		codes[r.code] = o
		if o.OK() != (r.code == 0) || o.OK() != (r.status == 200) || o.OK() != (r.sentence == "") {
			t.Errorf("%s: %+v", o, r)
		}
		if (r.status == 503) != (r.retryAfter != "") || len(r.sentence) > maxSentence {
			t.Errorf("%s: %+v", o, r)
		}
	}
}

func outcomeNamed(name string) (Outcome, bool) {
	for _, o := range Outcomes() {
		if o.String() == name {
			return o, true
		}
	}
	return 0, false
}
