package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain builds the program once, as a release is built, for the tests that
// need a process: exit codes, signals, the linker's values.
func TestMain(m *testing.M) {
	if os.Getenv(stubbornVariable) != "" {
		beStubborn()
	}
	os.Exit(testMain(m))
}

// stubbornVariable makes the test binary a program that waits for signals as the
// real one does, and goes on after the first.
const stubbornVariable = "CHATBRIDGE_TEST_STUBBORN"

func beStubborn() {
	ctx := stopSignals()
	fmt.Println("started")
	<-ctx.Done()
	fmt.Println("stopping")
	select {}
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chatbridge-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "chatbridge")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v0.0.0-test -X main.commit=abc -X main.date=today", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// binaryVariable tells tests where the program is.
const binaryVariable = "CHATBRIDGE_TEST_BINARY"

// process is the program, ready to start. The tests that start one do not run in
// parallel with others: between fork and exec a child has every open file of this
// process, and with it the lock of a spool that another test has just closed.
func process(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd = exec.CommandContext(t.Context(), os.Getenv(binaryVariable), args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// exitOf is the exit code that Wait or Run told.
func exitOf(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

func TestProcessExitCodes(t *testing.T) {
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"version", 0, "chatbridge v0.0.0-test, commit abc, today, go", ""},
		{"config check -c testdata/good.yaml", 0, "ok\n", ""},
		{"config check -c testdata/faulty.yaml", 2, "", "chatbridge: the configuration has 6 faults:\n  testdata/faulty.yaml:2:11: http.listen: "},
		{"spool stat --dir testdata/nowhere", 1, "", "chatbridge: "},
		{"nonsense", 2, "", "chatbridge: \"nonsense\" is no command of chatbridge\n"},
	} {
		cmd, stdout, stderr := process(t, strings.Fields(c.args)...)
		code := exitOf(t, cmd.Run())
		if code != c.code || !strings.HasPrefix(stdout.String(), c.stdout) || !strings.HasPrefix(stderr.String(), c.stderr) {
			t.Errorf("chatbridge %s: exit %d, stdout %q, stderr %q", c.args, code, stdout, stderr)
		}
	}
}

func TestFirstSignalEndsTheWork(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		listener, err := net.Listen("tcp", "127.0.0.1:0") // a Kafka that never answers
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		cmd, _, stderr := process(t, "topics", "check", "--timeout", "10m", "--set", "kafka.brokers="+listener.Addr().String())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := listener.Accept() // the program runs and waits for Kafka
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := exitOf(t, cmd.Wait()); code != exitFailure || stderr.String() != "chatbridge: interrupted\n" {
			t.Errorf("%v: exit %d, stderr %q", signal, code, stderr)
		}
	}
}

func TestSecondSignalEndsTheProcessAtOnce(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), stubbornVariable+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout := bufio.NewScanner(pipe)
	for _, want := range []string{"started", "stopping"} {
		if !stdout.Scan() || stdout.Text() != want {
			t.Fatalf("the process said %q, want %q", stdout.Text(), want)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	code := exitOf(t, cmd.Wait())
	if want := "chatbridge: stopped at once by a second signal\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("exit %d, stderr %q", code, stderr.String())
	}
}
