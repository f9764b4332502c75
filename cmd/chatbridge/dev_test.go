package main

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// screen is a terminal of which is watched what comes.
type screen struct {
	text strings.Builder
	want []string
	seen func()
}

func (s *screen) Write(p []byte) (int, error) {
	s.text.Write(p)
	for len(s.want) > 0 && strings.Contains(s.text.String(), s.want[0]) {
		if s.want = s.want[1:]; len(s.want) == 0 {
			s.seen()
		}
	}
	return len(p), nil
}

// dev shows traffic going in and coming out, audits itself when it is stopped, and
// goes on where it was (P9 as a person sees it first).
func TestDevShowsTrafficAndGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	for start := range 2 {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		env, _, stderr := fake{}.environment()
		watched := &screen{want: []string{"Ctrl-C stops", "\nin     @TGS#", "\ntopic  @TGS#"}, seen: stop}
		env.stdout, env.now = watched, time.Now
		code := run(ctx, env, []string{"dev", "--data-dir", filepath.Join(dir, "dev"), "--rate", "200", "--http-listen", "127.0.0.1:" + freePort(t),
			"--kafka-port", freePort(t), "--ops-port", freePort(t)})
		shown := watched.text.String()
		if code != exitGood || len(watched.want) > 0 || !strings.Contains(shown, "\naudit: clean: ") || stderr.Len() > 0 {
			t.Errorf("start %d: exit %d, not seen: %q\n%s%s", start, code, watched.want, shown, stderr)
		}
		if strings.Contains(shown, "audit: clean: 0 messages") {
			t.Errorf("start %d: the audit found no message", start)
		}
		stop()
	}
}

func TestDevNamesWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--rate", "-1"}, "--rate", exitUsage},
		{[]string{"--groups", "0"}, "--groups", exitUsage},
		{[]string{"--disorder", "120%"}, "--disorder", exitUsage},
		{[]string{"--http-listen", "127.0.0.1:" + port}, "--http-listen", exitFailure},
		{[]string{"--http-listen", "127.0.0.1:0", "--kafka-port", port}, "--kafka-port", exitFailure},
	} {
		r := runCommand(t, append([]string{"dev", "--data-dir", t.TempDir()}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%v: exit %d: %s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
}
