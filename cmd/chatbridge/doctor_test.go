package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// newDoctor is a doctor at testNow.
func newDoctor() *doctor {
	env, _, _ := fake{}.environment()
	return &doctor{env: env, cfg: &bridge.Config{}}
}

// only is the one finding.
func (d *doctor) only(t *testing.T) diagnosis {
	t.Helper()
	if len(d.findings) != 1 {
		t.Fatalf("%d findings: %+v", len(d.findings), d.findings)
	}
	return d.findings[0]
}

func TestDoctorReadsTheDatesOfCertificates(t *testing.T) {
	t.Parallel()
	now, day := testNow(), 24*time.Hour
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := func(from, to time.Duration) string {
		file, _ := certificateFiles(t, now.Add(from), now.Add(to))
		return file
	}
	both := made(-day, 100*day)
	first, err := os.ReadFile(both)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(made(-2*day, -day))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(both, append(first, second...), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file  string
		level publisher.Level
		says  string
	}{
		"good":                {made(-day, 100*day), publisher.LevelOK, "is good until 2026-06-12T05:06:07Z"},
		"ends soon":           {made(-day, 10*day), publisher.LevelWarn, "in 10 days"},
		"expired":             {made(-2*day, -day), publisher.LevelFail, "has expired on 2026-03-03T05:06:07Z"},
		"not good yet":        {made(day, 2*day), publisher.LevelFail, "is not good before 2026-03-05T05:06:07Z"},
		"one of two expired":  {both, publisher.LevelFail, "has expired"},
		"none in it":          {empty, publisher.LevelFail, "no certificate in PEM"},
		"a file that is away": {"nowhere.pem", publisher.LevelFail, "nowhere.pem"},
	} {
		d := newDoctor()
		d.certificate("http.tls.cert_file", c.file)
		if f := d.only(t); f.Level != c.level || !strings.Contains(f.Found, c.says) || (f.Do == "") != (c.level == publisher.LevelOK) {
			t.Errorf("%s: %+v; want %s: … %s …", name, f, c.level, c.says)
		}
	}
}

// A bundle of authorities holds old and new ones while they are renewed.
func TestDoctorWantsOneGoodAuthority(t *testing.T) {
	t.Parallel()
	now, day := testNow(), 24*time.Hour
	made := func(from, to time.Duration) string {
		file, _ := certificateFiles(t, now.Add(from), now.Add(to))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	good, over, early := made(-day, 100*day), made(-2*day, -day), made(day, 2*day)
	for name, c := range map[string]struct {
		text  string
		level publisher.Level
		says  string
	}{
		"all good":     {good, publisher.LevelOK, "is good until"},
		"one expired":  {over + good, publisher.LevelWarn, "has expired on 2026-03-03T05:06:07Z, and 1 in the file can be used"},
		"one too new":  {good + early, publisher.LevelWarn, "is not good before 2026-03-05T05:06:07Z, and 1 in the file can be used"},
		"all expired":  {over + over, publisher.LevelFail, "has expired on"},
		"none is good": {over + early, publisher.LevelFail, "is not good before"},
		"empty":        {"", publisher.LevelFail, "no certificate"},
	} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"kafka.tls.ca_file", "ops.tls.client_ca_file"} {
			d := newDoctor()
			d.certificate(key, file)
			if f := d.only(t); f.Level != c.level || !strings.Contains(f.Found, c.says) || (f.Do == "") != (c.level == publisher.LevelOK) {
				t.Errorf("%s, %s: %+v; want %s: … %s …", key, name, f, c.level, c.says)
			}
		}
	}
}

// tokenless is the least configuration: an app without a token.
const tokenless = "CHATBRIDGE_APPS_0_SDK_APP_ID=1400000000"

// diagnose runs doctor and returns its findings by their check, the worst of each.
func diagnose(t *testing.T, code int, args ...string) map[string]diagnosis {
	t.Helper()
	r := fake{environ: []string{tokenless}}.run(t.Context(), append([]string{"doctor", "--json"}, args...)...)
	var got doctorResult
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != code || r.stderr != "" {
		t.Fatalf("doctor %q: exit %d, %s%s: %v", args, r.code, r.stdout, r.stderr, err)
	}
	rank := []publisher.Level{"", publisher.LevelOK, publisher.LevelWarn, publisher.LevelFail}
	worst := map[string]diagnosis{}
	for _, f := range got.Findings {
		if (f.Level == publisher.LevelOK) != (f.Do == "") {
			t.Errorf("doctor %q: what is to be done is said where there is something, and only there: %+v", args, f)
		}
		if slices.Index(rank, f.Level) > slices.Index(rank, worst[f.Check].Level) {
			worst[f.Check] = f
		}
	}
	return worst
}

// wants requires a finding, word for word.
func wants(t *testing.T, got diagnosis, level publisher.Level, found, do string) {
	t.Helper()
	if got.Level != level || got.Found != found || got.Do != do {
		t.Errorf("%s: %s %q, to do: %q\nwant %s %q, to do: %q", got.Check, got.Level, got.Found, got.Do, level, found, do)
	}
}

// usable are settings that have no fault, beside those that are set.
func usable(t *testing.T, set ...string) (args []string) {
	t.Helper()
	set = append([]string{"http.listen=127.0.0.1:0", "spool.dir=" + filepath.Join(t.TempDir(), "spool")}, set...)
	for _, s := range append(set, "ops.listen="+freeAddress(t)) {
		args = append(args, "--set", s)
	}
	return args
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestDoctorSaysThatThePasswordOfKafkaIsWrong(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "bridge", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	address := cluster.ListenAddrs()[0]
	login := []string{"kafka.brokers=" + address, "kafka.sasl.mechanism=plain", "kafka.sasl.username=bridge"}
	got := diagnose(t, exitFailure, usable(t, append(login, "kafka.sasl.password=other")...)...)
	wants(t, got["kafka"], publisher.LevelFail, fmt.Sprintf("no broker of %[1]s can be used: %[1]s refused the login of the user \"bridge\" by PLAIN "+
		"(login %[1]s: the broker ended the login)", address),
		"check kafka.sasl.username, kafka.sasl.password_file, and that the cluster has this user for this mechanism")
	got = diagnose(t, exitFailure, usable(t, append(login, "kafka.sasl.password=secret")...)...)
	if f := got["kafka"]; f.Level != publisher.LevelOK {
		t.Errorf("with the right one: %+v", f)
	}
	wants(t, got["topic chat.group-messages"], publisher.LevelFail, "the topic does not exist", "create it (chatbridge topics apply), or set kafka.create_topics")
}

func TestDoctorSaysWhatToDoAboutWarnings(t *testing.T) {
	t.Parallel()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("a long enough password"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDoctor()
	loaded := d.configuration(bridge.LoadConfig(bridge.Sources{Environ: []string{tokenless}, Flags: []bridge.Flag{
		{Key: "spool.durability", Value: "memory"},
		{Key: "kafka.sasl.mechanism", Value: "plain"}, {Key: "kafka.sasl.username", Value: "u"}, {Key: "kafka.sasl.password", Value: "p"},
		{Key: "ops.listen", Value: "0.0.0.0:9090"}, {Key: "ops.password_file", Value: password},
	}}), false)
	if !loaded || len(d.findings) != 4 {
		t.Fatalf("%+v", d.findings)
	}
	for _, f := range d.findings {
		if f.Level != publisher.LevelWarn || f.Do == "" || strings.Contains(f.Do, "README") {
			t.Errorf("%+v", f)
		}
	}
}

// Each fault is a finding; what the others leave to look at is looked at.
func TestDoctorGoesOnBesideFaults(t *testing.T) {
	t.Parallel()
	got := diagnose(t, exitUsage, usable(t, "ops.password_file=nowhere", "kafka.tls.ca_file=nowhere.pem", "kafka.tls.enabled=true")...)
	if f := got["configuration"]; f.Level != publisher.LevelFail {
		t.Errorf("%+v", f)
	}
	wants(t, got["kafka"], publisher.LevelWarn, "not checked: kafka has a fault in the configuration", "put that right first")
	wants(t, got["signature"], publisher.LevelOK, "the specification's example comes out right; there is no token to try", "")
	if f := got["certificate kafka.tls.ca_file"]; f.Level != "" {
		t.Errorf("the fault is said twice: %+v", f)
	}
	if len(got) != 9 {
		t.Errorf("%d checks: %+v", len(got), got)
	}
	got = diagnose(t, exitUsage, "-c", "nowhere.yaml")
	wants(t, got["configuration"], publisher.LevelFail, "nowhere.yaml: there is no such file", "give the path of the configuration with -c")
	if len(got) != 1 {
		t.Errorf("without a configuration, %d checks: %+v", len(got), got)
	}
}

// A file system may grant the right to write, and take nothing.
func TestDoctorTriesToMakeTheFolderOfTheSpool(t *testing.T) {
	t.Parallel()
	d := newDoctor()
	d.cfg.Spool.Dir = "/proc/chatbridge"
	d.disk(t.Context())
	if f := d.only(t); f.Check != "spool" || f.Level != publisher.LevelFail || f.Do == "" {
		t.Errorf("%+v", f)
	}
}

func TestDoctorJudgesTheClock(t *testing.T) {
	t.Parallel()
	for skew, c := range map[time.Duration]struct {
		level publisher.Level
		says  string
	}{
		0: {publisher.LevelOK, "0s ahead"}, -4 * time.Second: {publisher.LevelOK, "4s behind"},
		6 * time.Second: {publisher.LevelWarn, "6s ahead"}, -time.Minute: {publisher.LevelWarn, "1m0s behind"},
		61 * time.Second: {publisher.LevelFail, "1m1s ahead, how: signed callbacks are refused"},
	} {
		d := newDoctor()
		d.judgeSkew(skew, "how")
		if f := d.only(t); f.Level != c.level || !strings.Contains(f.Found, c.says) {
			t.Errorf("%s: %+v; want %s: … %s …", skew, f, c.level, c.says)
		}
	}
}

func TestDoctorJudgesTheRoom(t *testing.T) {
	t.Parallel()
	for free, c := range map[bridge.Size]struct {
		level publisher.Level
		says  string
	}{
		bridge.GiB:      {publisher.LevelFail, "callbacks are refused"},
		8 * bridge.GiB:  {publisher.LevelWarn, "cannot grow to spool.max_bytes (10.0 GiB)"},
		10 * bridge.GiB: {publisher.LevelOK, "1.0 GiB more than the spool may take"},
	} {
		d := newDoctor()
		d.cfg.Spool.MinFree, d.cfg.Spool.MaxBytes = bridge.GiB, 10*bridge.GiB
		d.room("dir", spool.Place{FreeBytes: int64(free)}, spool.Stat{Bytes: int64(2 * bridge.GiB)})
		if f := d.only(t); f.Level != c.level || !strings.Contains(f.Found, c.says) {
			t.Errorf("%d free: %+v; want %s: … %s …", free, f, c.level, c.says)
		}
	}
}
