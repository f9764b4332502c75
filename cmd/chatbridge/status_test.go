package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listening serves /status with one answer to whoever is let in; nil lets all in.
func listening(t *testing.T, status int, body string, door func(*http.Request) bool) *httptest.Server {
	t.Helper()
	return httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet || r.URL.Path != "/status":
			t.Errorf("status asks %s %s", r.Method, r.URL.Path)
		case door != nil && !door(r):
			http.Error(w, "give the user operator and the password", http.StatusUnauthorized)
		default:
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}))
}

func plainly(t *testing.T, s *httptest.Server) string {
	t.Helper()
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// answer is what a bridge answers, of the listener's own golden files.
func answer(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "bridge", "ops", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStatusSaysWhatTheBridgeSays(t *testing.T) {
	t.Parallel()
	var s transcript
	s.hides = map[string]string{`127\.0\.0\.1:\d+`: "ADDRESS"}
	for _, c := range []struct {
		file string
		code int
	}{{"good-status.json", exitGood}, {"bad-status.json", exitFailure}} {
		address := plainly(t, listening(t, http.StatusOK, answer(t, c.file), nil))
		if r := s.add(t, fake{}, "status", "--set", "ops.listen="+address); r.code != c.code {
			t.Errorf("%s: exit %d, want %d", c.file, r.code, c.code)
		}
		r := runCommand(t, "status", "--json", "--url", "http://"+address+"/")
		if r.code != c.code || r.stdout != answer(t, c.file) {
			t.Errorf("%s: --json gives exit %d and\n%s\nwant the bridge's own answer", c.file, r.code, r.stdout)
		}
	}
	s.compare(t, "status.golden")
}

// What comes over the network must not command a terminal.
func TestStatusTakesControlsOutOfAnAnswer(t *testing.T) {
	t.Parallel()
	body := `{"version":"v1","level":"trouble","sentence":"a\u001b[2Jb\nc","ready":{"ok":true},"sink":{"ok":false,"reasons":["\u202ex"]},"notes":["\u0007"]}`
	address := plainly(t, listening(t, http.StatusOK, body, nil))
	r := runCommand(t, "status", "--url", "http://"+address)
	if strings.ContainsAny(r.stdout, "\x1b\x07\u202e") || !strings.Contains(r.stdout, `a\u001b[2Jb\nc`) {
		t.Errorf("stdout %q", r.stdout)
	}
}

// Whoever asks for JSON reads JSON, also where nobody answers.
func TestStatusInJSONSaysThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	closed := plainly(t, listening(t, http.StatusOK, answer(t, "good-status.json"), func(*http.Request) bool { return false }))
	for address, says := range map[string]string{gone.Addr().String(): "no bridge answers at http://", closed: "401 Unauthorized"} {
		r := runCommand(t, "status", "--json", "--url", "http://"+address)
		var got struct{ Level, Sentence string }
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != exitFailure || r.stderr != "" {
			t.Fatalf("exit %d, %q, %q: %v", r.code, r.stdout, r.stderr, err)
		}
		if got.Level != "trouble" || !strings.Contains(got.Sentence, says) {
			t.Errorf("%+v; want trouble and %q", got, says)
		}
	}
}

// P7: the runbook's OPS has the user and the password in it. They open the listener,
// and are shown nowhere, whatever goes wrong.
func TestStatusTakesThePasswordOfAURLAndShowsItNowhere(t *testing.T) {
	t.Parallel()
	const password = "s3cret/of the listener"
	address := plainly(t, listening(t, http.StatusOK, answer(t, "good-status.json"), func(r *http.Request) bool {
		user, given, _ := r.BasicAuth()
		return user == "operator" && given == password
	}))
	right := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(right, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	written := url.UserPassword("operator", password).String()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"in the URL":            {[]string{"--url", "http://" + written + "@" + address}, exitGood, "All is well"},
		"a file wins":           {[]string{"--url", "http://operator:s3cret@" + address, "--password-file", right}, exitGood, "All is well"},
		"only the user":         {[]string{"--url", "http://operator@" + address, "--set", "ops.password=" + password}, exitGood, "All is well"},
		"a wrong one":           {[]string{"--url", "http://operator:s3cret@" + address}, exitFailure, "http://" + address + " answers 401"},
		"another user":          {[]string{"--url", "http://root:s3cret@" + address}, exitFailure, "401"},
		"nobody there":          {[]string{"--url", "http://" + written + "@127.0.0.1:1"}, exitFailure, "no bridge answers"},
		"as it is":              {[]string{"--url", "http://operator:" + password + "@" + address}, exitUsage, "written as %XX"},
		"without http":          {[]string{"--url", "operator:s3cret@" + address}, exitUsage, "--url takes"},
		"not a port":            {[]string{"--url", "http://operator:s3cret@127.0.0.1:x"}, exitUsage, "--url takes"},
		"a wrong one, for jq":   {[]string{"--json", "--url", "http://operator:s3cret@" + address}, exitFailure, "401"},
		"nobody there, for jq":  {[]string{"--json", "--url", "http://" + written + "@127.0.0.1:1"}, exitFailure, "no bridge answers"},
		"what is no URL at all": {[]string{"--url", "http://operator:s3cret%zz@" + address}, exitUsage, "--url takes"},
	} {
		r := runCommand(t, append([]string{"status"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) || strings.Contains(r.stdout+r.stderr, "s3cret") {
			t.Errorf("%s: exit %d, %q, %q; want %d and %q", name, r.code, r.stdout, r.stderr, c.code, c.says)
		}
	}
}

func TestStatusSaysWhyThereIsNone(t *testing.T) {
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
	at := func(status int, body string) string { return plainly(t, listening(t, status, body, nil)) }
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nobody":        {[]string{"--url", "http://" + gone.Addr().String()}, exitFailure, "is serve running"},
		"no answer":     {[]string{"--timeout", "10ms", "--url", "http://" + silent.Addr().String()}, exitFailure, "in time"},
		"not a bridge":  {[]string{"--url", "http://" + at(http.StatusOK, "<html>")}, exitFailure, "does not speak as a bridge"},
		"another JSON":  {[]string{"--url", "http://" + at(http.StatusOK, "{}")}, exitFailure, "is it a bridge?"},
		"an error":      {[]string{"--url", "http://" + at(http.StatusInternalServerError, "<h1>\x1b</h1>")}, exitFailure, "500 Internal Server Error: is it a bridge?"},
		"a redirect":    {[]string{"--url", "http://" + at(http.StatusFound, "elsewhere")}, exitFailure, "302 Found: elsewhere"},
		"no url":        {[]string{"--url", "127.0.0.1:9090"}, exitUsage, "--url"},
		"any port":      {[]string{"--set", "ops.listen=127.0.0.1:0"}, exitUsage, "fixed one"},
		"half a pair":   {[]string{"--cert-file", "x.pem"}, exitUsage, "--key-file"},
		"no pair":       {[]string{"--cert-file", "x.pem", "--key-file", "y.pem"}, exitUsage, "x.pem"},
		"no authority":  {[]string{"--ca-file", "testdata/good.yaml"}, exitUsage, "no certificate"},
		"no ca file":    {[]string{"--ca-file", "nowhere.pem"}, exitUsage, "--ca-file"},
		"no password":   {[]string{"--password-file", "nowhere"}, exitUsage, "--password-file"},
		"an extra word": {[]string{"now"}, exitUsage, "takes no argument"},
	} {
		r := runCommand(t, append([]string{"status"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) || r.stdout != "" || strings.Contains(r.stderr, "\x1b") {
			t.Errorf("%s: exit %d, %q, %q; want %d and %q", name, r.code, r.stdout, r.stderr, c.code, c.says)
		}
	}
}

// P7: the listener's password and certificates, as they are configured and by flags.
func TestStatusOpensTheDoor(t *testing.T) {
	t.Parallel()
	const password = "a long password"
	passwordFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := certificateFiles(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	otherCert, otherKey := certificateFiles(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := listening(t, http.StatusOK, answer(t, "good-status.json"), func(r *http.Request) bool {
		user, given, _ := r.BasicAuth()
		return user == "operator" && given == password || len(r.TLS.PeerCertificates) > 0
	})
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	configured := func(password, cert, key string) []string {
		return []string{
			"--set", "ops.listen=" + s.Listener.Addr().String(), "--set", "ops.password_file=" + password,
			"--set", "ops.tls.cert_file=" + cert, "--set", "ops.tls.key_file=" + key,
		}
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"as configured":         {configured(passwordFile, certFile, keyFile), exitGood, "All is well"},
		"configured otherwise":  {configured(passwordFile, otherCert, otherKey), exitFailure, "another certificate"},
		"by flags":              {[]string{"--url", s.URL, "--ca-file", certFile, "--password-file", passwordFile}, exitGood, "All is well"},
		"by a certificate":      {[]string{"--url", s.URL, "--ca-file", certFile, "--cert-file", otherCert, "--key-file", otherKey}, exitGood, "All is well"},
		"without a password":    {[]string{"--url", s.URL, "--ca-file", certFile}, exitFailure, "401 Unauthorized: give the user operator"},
		"without the authority": {[]string{"--url", s.URL, "--password-file", passwordFile}, exitFailure, "--ca-file"},
	} {
		r := runCommand(t, append([]string{"status"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) || strings.Contains(r.stdout+r.stderr, password) {
			t.Errorf("%s: exit %d, %q, %q; want %d and %q", name, r.code, r.stdout, r.stderr, c.code, c.says)
		}
	}
}
