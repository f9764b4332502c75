package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
