package main

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asked serves /readyz with one answer, and returns its address.
func asked(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/readyz" {
			t.Errorf("health asks %s %s", r.Method, r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHealthSaysWhatReadyzSays(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // connects, and never answers
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, c := range map[string]struct {
		address string
		code    int
		says    string
	}{
		"ready":     {asked(t, 200, `{"ok":true}`), exitGood, "ready\n"},
		"not ready": {asked(t, 503, `{"ok":false,"reasons":["the spool is full","draining"]}`), exitFailure, "not ready: the spool is full; draining"},
		"stranger":  {asked(t, 404, "page not found"), exitFailure, "is it a bridge?"},
		"no answer": {silent.Addr().String(), exitFailure, "in time"},
		"nobody":    {gone.Addr().String(), exitFailure, "is serve running"},
		"any port":  {"127.0.0.1:0", exitUsage, "fixed one"},
		"no port":   {"127.0.0.1", exitUsage, "ops.listen"},
	} {
		timeout := "2m" // ends what hangs; the silent one is meant to
		if name == "no answer" {
			timeout = "10ms"
		}
		r := runCommand(t, "health", "--timeout", timeout, "--set", "ops.listen="+c.address)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("%s: exit %d, %q, %q; want %d and %q", name, r.code, r.stdout, r.stderr, c.code, c.says)
		}
	}
}

// TestHealthNeedsNoOtherSection: a container's health check knows ops.listen and
// nothing else.
func TestHealthNeedsNoOtherSection(t *testing.T) {
	t.Parallel()
	address := asked(t, 200, `{"ok":true}`)
	r := fake{environ: []string{"CHATBRIDGE_OPS_LISTEN=" + address}}.run(t.Context(), "health")
	if r.code != exitGood {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// TestHealthKnowsTheBridgeByItsCertificate: over TLS, whatever name the certificate
// is for, and no other one.
func TestHealthKnowsTheBridgeByItsCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	own := filepath.Join(t.TempDir(), "cert.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(own, text, 0o600); err != nil {
		t.Fatal(err)
	}
	address := s.Listener.Addr().String()
	if err := askReady(t.Context(), address, own); err != nil {
		t.Error(err)
	}
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := askReady(t.Context(), address, other); err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("with another certificate: %v", err)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		":9090": "127.0.0.1:9090", "0.0.0.0:9090": "127.0.0.1:9090", "[::]:9090": "[::1]:9090",
		"10.1.2.3:9090": "10.1.2.3:9090", "localhost:9090": "localhost:9090",
	} {
		if got, err := reachable(listen); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", listen, got, err, want)
		}
	}
}
