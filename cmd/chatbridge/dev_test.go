package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
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

// The lines that dev prints work when they are pasted: the curl line's request is
// answered OK and its message is in the topic once, however often it is posted (P4);
// the kcat line names the topic and the broker that are there.
func TestDevsLinesWorkWhenPasted(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	env, _, stderr := fake{}.environment()
	kafkaPort, dir := freePort(t), t.TempDir()
	var watched *screen
	posted := make(chan error, 1)
	watched = &screen{want: []string{"Ctrl-C stops"}, seen: func() {
		text := watched.text.String()
		go func() {
			posted <- errors.Join(postPasted(text), postPasted(text))
			stop()
		}()
	}}
	env.stdout, env.now = watched, time.Now
	code := run(ctx, env, []string{"dev", "--no-traffic", "--data-dir", dir, "--http-listen", "127.0.0.1:" + freePort(t),
		"--kafka-port", kafkaPort, "--ops-port", freePort(t)})
	shown := watched.text.String()
	if err := <-posted; err != nil {
		t.Error(err)
	}
	if code != exitGood || !strings.Contains(shown, "\naudit: clean: 1 message") || stderr.Len() > 0 {
		t.Errorf("exit %d\n%s%s", code, shown, stderr)
	}
	if want := "kcat -C -b 127.0.0.1:" + kafkaPort + " -t chat.group-messages -f"; !strings.Contains(shown, want) {
		t.Errorf("the screen lacks %q:\n%s", want, shown)
	}
}

// postPasted does what the curl line on the screen says.
func postPasted(screen string) error {
	found := regexp.MustCompile(`curl -sS '(\S+)' -d '(.+)'\n`).FindStringSubmatch(screen)
	if found == nil {
		return errors.New("there is no curl line on the screen")
	}
	answer, err := http.Post(found[1], "application/x-www-form-urlencoded", strings.NewReader(found[2])) // as curl -d
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if want := `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`; string(body) != want {
		return errors.Join(err, fmt.Errorf("answer %s %s; want %s", answer.Status, body, want))
	}
	return err
}

// Two runs on one folder would destroy it: the second one says so, and names the flag.
func TestDevNamesTheFolderThatIsInUse(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	env, _, _ := fake{}.environment()
	dir := t.TempDir()
	args := func() []string {
		return []string{"dev", "--rate", "200", "--data-dir", dir, "--http-listen", "127.0.0.1:" + freePort(t), "--kafka-port", freePort(t), "--ops-port", freePort(t)}
	}
	second := make(chan result, 1)
	env.stdout, env.now = &screen{want: []string{"\ntopic  @TGS#"}, seen: func() {
		go func() {
			second <- runCommand(t, args()...)
			stop()
		}()
	}}, time.Now
	if code := run(ctx, env, args()); code != exitGood {
		t.Errorf("the first one: exit %d", code)
	}
	if r := <-second; r.code != exitFailure || !strings.Contains(r.stderr, "--data-dir") || !strings.Contains(r.stderr, "pid ") {
		t.Errorf("the second one: exit %d: %s%s", r.code, r.stdout, r.stderr)
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
		{[]string{"--http-listen", "127.0.0.1:0", "--kafka-port", freePort(t), "--ops-port", port}, "--ops-port", exitFailure},
	} {
		r := runCommand(t, append([]string{"dev", "--data-dir", t.TempDir()}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%v: exit %d: %s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
}
