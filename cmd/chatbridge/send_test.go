package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/simulate"
)

// newAcceptor answers every request as the bridge answers what it has stored;
// each refuseEvery-th one it refuses, 0 none.
func newAcceptor(t *testing.T, refuseEvery int64) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if n := requests.Add(1); refuseEvery > 0 && n%refuseEvery == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/callback", requests
}

func TestSendSaysWhatBecameOfItsCallbacks(t *testing.T) {
	t.Parallel()
	url, requests := newAcceptor(t, 0)
	ledger := filepath.Join(t.TempDir(), "l.jsonl")
	r := runCommand(t, "send", "--url", url, "--app", "1400000000", "--token", "secret", "--groups", "5", "--rate", "0",
		"--count", "1000", "--disorder", "20%", "--duplicate", "0.05", "--drop", "3%", "--seed", "7", "--ledger", ledger)
	if r.code != exitGood || requests.Load() < 1000 {
		t.Fatalf("exit %d after %d requests: %s", r.code, requests.Load(), r.stderr)
	}
	for _, want := range []string{"answered OK", "1,000 messages", "out of order", "copies", "never sent", "seed 7; run 1 of " + ledger, "p99.9"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout+r.stderr, "secret") {
		t.Error("the token is shown")
	}
	if _, err := os.Stat(ledger); err != nil {
		t.Error(err)
	}
}

func TestSendFailsWhereAMessageWasNotAnsweredOK(t *testing.T) {
	t.Parallel()
	url, _ := newAcceptor(t, 10)
	r := runCommand(t, "send", "--url", url, "--app", "1400000000", "--count", "100", "--rate", "0", "--json")
	var sum simulate.Summary
	if err := json.Unmarshal([]byte(r.stdout), &sum); err != nil {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	if r.code != exitFailure || sum.Refused[503] != 10 || sum.OK != 90 || sum.Messages != 100 {
		t.Errorf("exit %d, %+v", r.code, sum)
	}
	url, requests := newAcceptor(t, 10)
	r = runCommand(t, "send", "--url", url, "--app", "1400000000", "--count", "100", "--rate", "0", "--retry", "5")
	if r.code != exitGood || requests.Load() <= 100 {
		t.Errorf("with --retry: exit %d after %d requests\n%s", r.code, requests.Load(), r.stdout)
	}
}

func TestSendReadsItsTokenFromAFile(t *testing.T) {
	t.Parallel()
	var signed atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		signed.Store(r.URL.Query().Get("Sign") != "")
		_, _ = io.WriteString(w, `{"ActionStatus":"OK"}`)
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runCommand(t, "send", "--url", server.URL, "--app", "1", "--count", "1", "--rate", "0", "--token-file", path)
	if r.code != exitGood || !signed.Load() {
		t.Errorf("exit %d, signed %v: %s", r.code, signed.Load(), r.stderr)
	}
}

func TestSendNamesWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--app", "1"}, "--url", exitUsage},
		{[]string{"--url", "http://127.0.0.1:1/"}, "--app is missing", exitUsage},
		{[]string{"--url", "http://127.0.0.1:1/", "--app", "1", "--drop", "120%"}, "--drop", exitUsage},
		{[]string{"--url", "http://127.0.0.1:1/", "--app", "1", "--groups", "0"}, "--groups", exitUsage},
		{[]string{"--url", "http://127.0.0.1:1/", "--app", "1", "--token", "x", "--token-file", "y"}, "token-file", exitUsage},
		{[]string{"--url", "http://127.0.0.1:1/", "--app", "1", "--token-file", "missing"}, "--token-file", exitUsage},
		{[]string{"--url", "http://127.0.0.1:1/", "--app", "1"}, "start the bridge or correct --url", exitFailure},
	} {
		r := runCommand(t, append([]string{"send"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: exit %d: %s", c.args, r.code, r.stderr)
		}
	}
}

// A token file that was not filled in is not a wish to send unsigned.
func TestSendRefusesAnEmptyTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runCommand(t, "send", "--url", "http://127.0.0.1:1/", "--app", "1", "--token-file", path)
	if r.code != exitUsage || !strings.Contains(r.stderr, "holds no token") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

func TestSharesAreReadBothWays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"0": 0, "0.2": 0.2, "20%": 0.2, "1": 1, "100%": 1, "0.5%": 0.005} {
		var s share
		if err := s.Set(text); err != nil || float64(s) != want {
			t.Errorf("%q is %v, %v", text, float64(s), err)
		}
	}
	for _, text := range []string{"", "%", "-1", "1.01", "101%", "NaN", "a fifth"} {
		if err := new(share).Set(text); err == nil {
			t.Errorf("%q is a share", text)
		}
	}
}
