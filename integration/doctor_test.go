package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// diagnosed is what doctor --json says, by what was looked at.
type diagnosed struct {
	code  int
	level map[string]string // the worst of each
	text  string            // what people are told
}

// doctor asks, with settings beside the bridge's own, and checks that people are
// told the same.
func doctor(t *testing.T, b *bridge, args ...string) *diagnosed {
	t.Helper()
	args = append(append([]string{"doctor"}, b.settings()...), args...)
	stdout, stderr, code := run(t, append(args, "--json")...)
	var result struct {
		OK       bool
		Findings []struct{ Level, Check, Found, Do string }
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || result.OK != (code == 0) {
		t.Fatalf("doctor: exit %d, %q, %s: %v", code, stdout, stderr, err)
	}
	d := &diagnosed{code: code, level: map[string]string{}}
	rank := map[string]int{"": 0, "ok": 1, "warn": 2, "fail": 3}
	for _, f := range result.Findings {
		if rank[f.Level] > rank[d.level[f.Check]] {
			d.level[f.Check] = f.Level
		}
		if (f.Level == "ok") != (f.Do == "") {
			t.Errorf("doctor does not say what to do: %+v", f)
		}
	}
	text, stderr, again := run(t, args...)
	if d.text = text; again != code || stderr != "" || strings.Count(text, "\n") != 1+len(result.Findings) {
		t.Errorf("doctor: exit %d, %s%s\n--json said %d and %d findings", again, text, stderr, code, len(result.Findings))
	}
	t.Logf("chatbridge %s\n%s", strings.Join(args, " "), text)
	if strings.Contains(text, appToken) {
		t.Errorf("doctor shows a token:\n%s", text)
	}
	return d
}

// finds requires one finding to be as bad as that, and to say something.
func (d *diagnosed) finds(t *testing.T, check, level, says string) {
	t.Helper()
	if d.level[check] != level || !strings.Contains(d.text, says) || (d.code != 0) != strings.Contains(fmt.Sprint(d.level), "fail") {
		t.Errorf("doctor: exit %d and\n%s\nwant %s %s: … %s …", d.code, d.text, level, check, says)
	}
}

// timeServer is a web server whose clock is ahead by so much.
func timeServer(t *testing.T, ahead time.Duration) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestADiagnosisOfAHealthyBridge: beside one that runs, which it does no harm, and
// where it is stopped.
func TestADiagnosisOfAHealthyBridge(t *testing.T) {
	t.Parallel()
	b := startBridge(t, sharedKafka(t))
	send(b, newLedger(t), "--rate", "0", "--count", "100")
	b.drained()
	stored := b.metric("chatbridge_spool_records") + b.metric("chatbridge_dead_letters_total")
	d := doctor(t, b, "--time-server", timeServer(t, 0))
	d.finds(t, "port http.listen", "ok", "is held by a bridge that runs")
	d.finds(t, "port ops.listen", "ok", "is held by a bridge that runs (chatbridge ")
	d.finds(t, "signature", "ok", "takes what 1 token of 1 signed")
	d.finds(t, "disk speed", d.level["disk speed"], "99 of 100 small writes were durable within") // the machine's is not judged
	d.finds(t, "spool", "ok", "can be written")
	d.finds(t, "clock", "ok", "compared with Tencent's: of ")
	if d.level["kafka"] != "ok" || d.code != 0 {
		t.Errorf("doctor: exit %d\n%s", d.code, d.text)
	}
	b.drained()
	if now := b.metric("chatbridge_spool_records") + b.metric("chatbridge_dead_letters_total"); now != stored {
		t.Errorf("doctor stored something: %v, before %v", now, stored)
	}
	if stdout, _, code := run(t, append([]string{"spool", "verify"}, b.settings()...)...); code != 0 {
		t.Errorf("after doctor, spool verify says %s", stdout)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(b.spool), ".chatbridge-*")); err != nil || len(left) > 0 {
		t.Errorf("doctor left %v, %v", left, err)
	}

	// The bridge runs with other tokens than the configuration that is looked at.
	own := b.config
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	b.config = filepath.Join(newDir(t, "other"), "chatbridge.yaml")
	if err := os.WriteFile(b.config, bytes.ReplaceAll(text, []byte(appToken), []byte("another token")), 0o600); err != nil {
		t.Fatal(err)
	}
	doctor(t, b).finds(t, "signature", "fail", "refuses what it signed: 401")
	b.config = own

	b.signal(os.Interrupt)
	b.exit()
	d = doctor(t, b)
	d.finds(t, "port http.listen", "ok", "is free: no bridge runs here")
	d.finds(t, "signature", "ok", "no bridge answers here")
}

// TestADiagnosisNeverEndsABridge: one that runs with another configuration, or that
// hangs, is known for a bridge, and nobody is told to end it.
func TestADiagnosisNeverEndsABridge(t *testing.T) {
	t.Parallel()
	b := startBridge(t, nowhere())
	own := slices.Clone(b.set)
	diagnose := func(check, says string, set ...string) {
		t.Helper()
		b.set = append(slices.Clone(own), set...)
		d := doctor(t, b, "--timeout", "1s")
		d.finds(t, check, "fail", says)
		if !strings.Contains(d.text, "see chatbridge status") || strings.Contains(d.text, "end it") {
			t.Errorf("doctor --set %q:\n%s", set, d.text)
		}
	}
	cert := newAuthority(t, "the test").issue("bridge", "127.0.0.1", time.Now().Add(time.Hour))
	dir := newDir(t, "certificates")
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, text := range map[string]string{certFile: cert.cert, keyFile: cert.key} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	diagnose("port http.listen", "with another configuration", "http.tls.cert_file="+certFile, "http.tls.key_file="+keyFile)
	diagnose("port ops.listen", "with another configuration", "ops.tls.cert_file="+certFile, "ops.tls.key_file="+keyFile)
	diagnose("port http.listen", "not at http.path", "http.path=/elsewhere")
	taken := strings.TrimPrefix(b.ops, "http://")
	diagnose("port http.listen", "with another configuration", "http.listen="+taken, fmt.Sprintf("ops.listen=127.0.0.1:%d", freePort(t)))
	b.set = append(slices.Clone(own), fmt.Sprintf("http.listen=127.0.0.1:%d", freePort(t)))
	doctor(t, b, "--timeout", "1s").finds(t, "port http.listen", "warn", "is free, and yet a bridge runs here")

	b.signal(syscall.SIGSTOP)
	t.Cleanup(func() { b.signal(syscall.SIGCONT) })
	b.set = own
	d := doctor(t, b, "--timeout", "1s")
	d.finds(t, "port http.listen", "fail", "if it is chatbridge, it hangs")
	d.finds(t, "port ops.listen", "fail", "restart it")
}

// TestADiagnosisWhereNoBridgeRuns: that is fine as long as nothing waits for one (P1).
func TestADiagnosisWhereNoBridgeRuns(t *testing.T) {
	t.Parallel()
	b := startBridge(t, nowhere())
	say(t, b, "group", 1, 1)
	say(t, b, "group", 2, 2)
	b.kill()
	doctor(t, b, "--timeout", "1s").finds(t, "port http.listen", "warn", "no bridge runs here, and 2 records wait in the spool")
}

// TestADiagnosisOfAFaultyConfiguration: each fault is a line, and what can be checked
// all the same is.
func TestADiagnosisOfAFaultyConfiguration(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := newBridge(t, kafka, "ops.password_file=nowhere", "http.tls.cert_file=no-cert.pem", "http.tls.key_file=no-key.pem")
	d := doctor(t, b)
	d.finds(t, "configuration", "fail", "ops.password_file")
	d.finds(t, "configuration", "fail", "http.tls")
	d.finds(t, "spool", "ok", "serve makes it")
	d.finds(t, "port ops.listen", "ok", "is free")
	if d.code != 2 || d.level["kafka"] == "fail" || !strings.Contains(d.text, "can be used") {
		t.Errorf("doctor: exit %d\n%s\nwant 2, and Kafka looked at", d.code, d.text)
	}

	b = newBridge(t, kafka, "kafka.sasl.mechanism=plain", "kafka.sasl.username=bridge", "kafka.sasl.password_file=nowhere")
	d = doctor(t, b)
	d.finds(t, "kafka", "warn", "not checked")
	d.finds(t, "signature", "ok", "no bridge answers here")

	b.config = filepath.Join(newDir(t, "nothing"), "chatbridge.yaml")
	d = doctor(t, b)
	d.finds(t, "configuration", "fail", "no such file")
	if d.code != 2 || len(d.level) != 1 {
		t.Errorf("doctor without its configuration: exit %d\n%s", d.code, d.text)
	}
}

// TestADiagnosisOfBrokenOnes: each set-up is broken for real, and doctor says where.
func TestADiagnosisOfBrokenOnes(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)

	b := newBridge(t, nowhere())
	d := doctor(t, b, "--timeout", "1s")
	d.finds(t, "kafka", "fail", "nothing listens at 127.0.0.1:1")
	d.finds(t, "clock", "warn", "--time-server")

	b = newBridge(t, kafka, "kafka.create_topics=false", "kafka.topic=not.there."+topicOf(t))
	doctor(t, b).finds(t, "topic not.there."+topicOf(t), "fail", "topics apply")

	b = newBridge(t, kafka)
	taken, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(b.url, "http://"), "/callback"))
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = other.Serve(taken) }()
	t.Cleanup(func() { _ = other.Close() })
	doctor(t, b).finds(t, "port http.listen", "fail", "does not answer as a bridge of this configuration: its answer is not a callback's")

	b = newBridge(t, kafka)
	d = doctor(t, b, "--time-server", timeServer(t, 5*time.Minute))
	d.finds(t, "clock", "fail", "behind, compared with the Date of http://")

	expired := newAuthority(t, "the test").issue("bridge", "127.0.0.1", time.Now().Add(-time.Hour))
	dir := newDir(t, "certificates")
	for name, text := range map[string]string{"cert.pem": expired.cert, "key.pem": expired.key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b = newBridge(t, kafka, "http.tls.cert_file="+filepath.Join(dir, "cert.pem"), "http.tls.key_file="+filepath.Join(dir, "key.pem"))
	doctor(t, b).finds(t, "certificate http.tls.cert_file", "fail", "has expired on")

	doctorOnBrokenDisks(t, kafka)
}

// doctorOnBrokenDisks: too little room, read-only, and no directory at all.
func doctorOnBrokenDisks(t *testing.T, kafka *cluster) {
	t.Helper()
	b := newBridge(t, kafka)
	file := filepath.Join(newDir(t, "file"), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.set = append(b.set, "spool.dir="+filepath.Join(file, "spool"))
	doctor(t, b).finds(t, "spool", "fail", "not a directory")

	b = newBridge(t, kafka)
	if why := canMount(t); why != "" {
		t.Logf("no file system can be mounted here (%v); the settings make the room too small", why)
		b.set = append(b.set, "spool.min_free=1000TiB")
		doctor(t, b).finds(t, "room", "fail", "callbacks are refused")
		return
	}
	disk := mountTmpfs(t, "disk", "size=48m")
	b.set = append(b.set, "spool.dir="+filepath.Join(disk, "data", "spool"))
	doctor(t, b).finds(t, "room", "warn", "the spool cannot grow to spool.max_bytes")
	if err := os.WriteFile(filepath.Join(disk, "full"), make([]byte, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	doctor(t, b).finds(t, "room", "fail", "callbacks are refused")

	b = newBridge(t, kafka)
	b.set = append(b.set, "spool.dir="+filepath.Join(mountTmpfs(t, "read-only", "size=1m,ro"), "spool"))
	doctor(t, b).finds(t, "spool", "fail", "read-only file system")
}

// mountTmpfs mounts a file system of the test's own. It is let go of when the test
// ends, also where a process that was started meanwhile still sees it.
func mountTmpfs(t *testing.T, name, options string) string {
	t.Helper()
	dir := newDir(t, name)
	if err := command("mount", "-t", "tmpfs", "-o", options, "chatbridge-test", dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command("umount", "-l", dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
