package ingest

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// lines reads the log.
func (f *fixture) lines(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(f.logs.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

// P7: a flood of refused requests writes one line a minute for each outcome, and the
// next line says how many were left out.
func TestFloodOfRefusalsIsNoFloodOfLogLines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := f.dial(t)
	const flood = 300
	for range flood {
		p.send(request("POST", path+"?SdkAppid=1", "x") + request("POST", "/nowhere", "x"))
		p.receive()
		p.receive()
	}
	if lines := f.lines(t); len(lines) != 2 {
		t.Errorf("%d lines: %v", len(lines), lines)
	}
	f.seconds.Add(60)
	p.send(request("POST", path+"?SdkAppid=1", "x"))
	p.receive()
	lines := f.lines(t)
	last := lines[len(lines)-1]
	if len(lines) != 3 || last["outcome"] != "unknown-app" || last["omitted"] != float64(flood-1) || last["peer"] != "127.0.0.1" {
		t.Errorf("%d lines, the last %v", len(lines), last)
	}
	if err := f.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines = f.lines(t)
	if last := lines[len(lines)-1]; len(lines) != 4 || last["outcome"] != "not-found" || last["omitted"] != float64(flood-1) {
		t.Errorf("at the end: %d lines, the last %v", len(lines), last)
	}
	if n := f.tally[UnknownApp].Load(); n != flood+1 {
		t.Errorf("counted %d", n)
	}
}

// The secret path, tokens, signatures and bodies are in no log line and no answer,
// whatever comes (P7, P8).
func TestSecretsAndBodiesAreNeverLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, _ *storeDouble) {
		cfg.MaxBody, cfg.ReadTimeout, cfg.ReadHeaderTimeout = 4096, 500*time.Millisecond, 500*time.Millisecond
	})
	var answers strings.Builder
	exchange := func(raw string) {
		f.seconds.Add(-1) // a clock that is set back lets a line pass; else only the first of each outcome would be logged
		p := f.dial(t)
		_, _ = io.WriteString(p.Conn, raw) // what is refused early may not be read to its end
		_ = p.CloseWrite()
		got, _ := io.ReadAll(p.in)
		answers.Write(got)
	}
	for _, row := range endpointRows() {
		exchange(row.raw)
	}
	for _, raw := range []string{
		"POST " + path + " HTTP/1.1\r\n\r\n",
		"POST " + path + "?a;b HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST " + path + "/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST " + path + " HTTP/9.9\r\nHost: x\r\n\r\n",
		"POST " + path + " HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n",
		"POST " + path + " HTTP/1.1\r\nHo",
		strings.Replace(goodRequest(), goodBody, goodBody[:300], 1),
	} {
		exchange(raw)
	}
	said := f.logs.String() + answers.String()
	// Of a body that is not understood the answer may quote its command, to him who
	// sent it; the log may not.
	for _, body := range []string{
		`{"GroupId":"g","CallbackCommand":"s3cr3t"}`, `{"GroupId":"g","s3cr3t":1,"s3cr3t":2}`, `{"GroupId":["s3cr3t"]}`,
		`{"GroupId":"g","Text":"s3cr3t\q"}`, `s3cr3t`, `{"GroupId":"g","Text":"s3cr3t`,
	} {
		logged := len(f.logs.String())
		exchange(request("POST", path+"?SdkAppid=1400000002&CallbackCommand="+message, body))
		if line := f.logs.String()[logged:]; !strings.Contains(line, `"outcome":"unreadable"`) || strings.Contains(line, "s3cr3t") {
			t.Errorf("body %s: logged %s", body, line)
		}
	}
	f.store.mu.Lock()
	f.store.panics = goodBody + token + path
	f.store.mu.Unlock()
	exchange(goodRequest())
	if _, err := f.journal.Write([]byte("http: something about " + path + "\n")); err != nil {
		t.Fatal(err)
	}
	said += f.logs.String()
	signature := hexSign(token, "1760000000")
	for _, secret := range []string{"s3cr3t", token, oldToken, "another-token", signature, "hello", "2ABCDEFGH", "user_10086"} {
		if at := strings.Index(said, secret); at >= 0 {
			t.Errorf("%q is said: …%s…", secret, said[max(0, at-200):min(len(said), at+100)])
		}
	}
	for _, o := range []Outcome{Unreadable, SignatureWrong, SignatureStale, NotFound, BadMethod, TooLarge, Malformed, HeadersTooLarge, CutOff} {
		if !strings.Contains(said, `"outcome":"`+o.String()+`"`) {
			t.Errorf("nothing was logged about %s", o)
		}
	}
}

// An accepted callback writes no line.
func TestGoodTrafficIsSilent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.exchange(t, goodRequest())
	f.exchange(t, request("POST", path, ""))
	if logs := f.logs.String(); logs != "" {
		t.Errorf("log: %s", logs)
	}
}

// P7: who the log says was refused is who is connected, not who they claim to be.
func TestNobodyClaimsAnothersAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	p := f.dial(t)
	p.send(request("POST", path+"?SdkAppid=1", "x", "X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9"))
	p.receive()
	if lines := f.lines(t); len(lines) != 1 || lines[0]["peer"] != "127.0.0.1" {
		t.Errorf("logged %v; want one line, of the peer 127.0.0.1", lines)
	}
}
