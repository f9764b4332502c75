package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// update makes the golden files what the commands print now.
var update = flag.Bool("update", false, "write the golden files") //nolint:gochecknoglobals // a test flag

// testNow is when tests take place.
func testNow() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// fake is the world that a command under test sees.
type fake struct {
	environ  []string
	terminal bool
	stdin    string
}

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

// run carries out one command line in this process.
func (f fake) run(ctx context.Context, args ...string) result {
	env, stdout, stderr := f.environment()
	code := run(ctx, env, args)
	return result{code, stdout.String(), stderr.String()}
}

// environment is the world as a command is given it, and what is written to it.
func (f fake) environment() (env *environment, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	env = &environment{
		stdin: strings.NewReader(f.stdin), stdout: stdout, stderr: stderr,
		isTerminal: func(any) bool { return f.terminal },
		environ:    func() []string { return f.environ },
		getenv:     f.getenv,
		now:        testNow,
	}
	return env, stdout, stderr
}

// getenv looks a variable up.
func (f fake) getenv(name string) string {
	for _, entry := range f.environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// runCommand carries out one command line in an empty environment.
func runCommand(t *testing.T, args ...string) result {
	t.Helper()
	return fake{}.run(t.Context(), args...)
}

// transcript is a session as a person sees it. What the program wrote to
// standard error is marked by "! ".
type transcript struct {
	text  strings.Builder
	hides map[string]string // pattern → what stands for it: what differs from run to run
}

// add carries out a command line and notes what came of it.
func (s *transcript) add(t *testing.T, f fake, args ...string) result {
	t.Helper()
	r := f.run(t.Context(), args...)
	for _, entry := range f.environ {
		fmt.Fprintf(&s.text, "%s ", entry)
	}
	fmt.Fprintf(&s.text, "$ chatbridge %s\n%s", strings.Join(args, " "), r.stdout)
	for line := range strings.Lines(r.stderr) {
		s.text.WriteString("! " + line)
	}
	fmt.Fprintf(&s.text, "exit %d\n\n", r.code)
	return r
}

// compare holds the session against a golden file.
func (s *transcript) compare(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got := s.text.String()
	for pattern, name := range s.hides {
		got = regexp.MustCompile(pattern).ReplaceAllString(got, name)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; run with -update if the change is meant):\n%s", path, diff)
	}
}
