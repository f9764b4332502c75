package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is when a condition that does not come is a failure. It only ends
// what hangs; no test measures anything by it.
const patience = 5 * time.Minute

// look is how often a condition is looked at.
const look = 10 * time.Millisecond

// eventually waits until condition returns nil, and fails with its last error.
func eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	eventuallyWithin(t, patience, what, condition)
}

func eventuallyWithin(t testing.TB, within time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		<-ticker.C
	}
}

// hold lets time pass between two faults. It is a fault's schedule, never a way
// to wait for something: that is what eventually is for.
func hold(d time.Duration) { <-time.After(d) }

// dice returns the test's own random choices. They depend on the seed and the
// test's name only, and the seed is printed.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	t.Logf("seed: -chatbridge.seed=%d", sizes.seed)
	name := uint64(0)
	for _, b := range []byte(t.Name()) {
		name = name*131 + uint64(b)
	}
	return rand.New(rand.NewPCG(sizes.seed, name))
}

// between is a random duration from least up to most.
func between(rnd *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rnd.Int64N(int64(most-least)))
}

// portLock and portNext hand out each port once. They lie below the range from
// which the kernel takes the ports of outgoing connections: a process that is
// away for a moment must find its port free, and nobody must connect to himself.
var (
	portLock sync.Mutex
	portNext = 20000 + os.Getpid()%6000
)

func freePort(t testing.TB) int {
	t.Helper()
	portLock.Lock()
	defer portLock.Unlock()
	for range 10000 {
		portNext++
		if portNext > 32000 {
			portNext = 20000
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", portNext))
		if err == nil {
			l.Close()
			return portNext
		}
	}
	t.Fatal("no port between 20000 and 32000 is free")
	return 0
}

// itoa is for command lines.
func itoa(n int) string { return strconv.Itoa(n) }

// process is a child that this test owns. It is gone when the test ends.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
	out  *bytes.Buffer // standard output; read it after done only
	log  string        // the file with its standard error
}

// newDir returns a folder of this test. It is kept where -chatbridge.logs says so.
func newDir(t testing.TB, name string) string {
	t.Helper()
	if sizes.logs == "" {
		return t.TempDir()
	}
	dir := filepath.Join(sizes.logs, strings.ReplaceAll(t.Name(), "/", "_"), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// logFile returns the file that collects what processes of this name say. It is
// shown when the test fails.
func logFile(t testing.TB, name string) string {
	t.Helper()
	dir := newDir(t, "logs")
	file := filepath.Join(dir, name+".log")
	t.Cleanup(func() {
		if said, err := os.ReadFile(file); err == nil && bytes.Contains(said, []byte("DATA RACE")) {
			t.Errorf("%s has a data race:\n%s", name, said)
		}
		if t.Failed() {
			t.Logf("the end of what %s said:\n%s", name, tail(file, 40))
		}
	})
	return file
}

// tail is the end of a file, in lines.
func tail(file string, lines int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b), lines)
}

func lastLines(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// launch starts a child; what it says on standard error is added to log.
func launch(t testing.TB, name, log string, cmd *exec.Cmd) *process {
	t.Helper()
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // the child has its own
	p := &process{t: t, name: name, cmd: cmd, done: make(chan struct{}), out: new(bytes.Buffer), log: log}
	if cmd.Stdout == nil {
		cmd.Stdout = p.out
	}
	cmd.Stderr = file
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(p.kill)
	return p
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends s. That the process has ended already is no failure.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
}

// kill is kill -9. It returns when the process is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// exit waits for the process to end by itself and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(sizes.within()):
		p.t.Fatalf("%s does not end; its log:\n%s", p.name, tail(p.log, 40))
	}
	return p.cmd.ProcessState.ExitCode()
}

// within is patience for work that grows with the flags.
func (s *size) within() time.Duration {
	return patience + time.Duration(s.messages)*time.Millisecond
}

// run carries out one command of the program and returns what it printed and
// its exit code.
func run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), sizes.within())
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if fault := cmd.Run(); fault != nil && cmd.ProcessState == nil {
		t.Fatalf("chatbridge %s: %v", strings.Join(args, " "), fault)
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}
