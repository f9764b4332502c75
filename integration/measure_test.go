package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// A table collects one benchmark's figures, round by round.
type table struct {
	b       *testing.B
	columns []string
	values  map[string][]float64
}

func newTable(b *testing.B) *table { return &table{b: b, values: map[string][]float64{}} }

// add notes one round's figure.
func (t *table) add(column string, v float64) {
	if _, known := t.values[column]; !known {
		t.columns = append(t.columns, column)
	}
	t.values[column] = append(t.values[column], v)
}

// report prints every figure's median and range, and gives the medians to the
// benchmark's own line.
func (t *table) report() {
	t.b.Helper()
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s\n  %-34s %12s %12s %12s  rounds\n", t.b.Name(), "", "median", "least", "most")
	for _, c := range t.columns {
		v := slices.Sorted(slices.Values(t.values[c]))
		fmt.Fprintf(&out, "  %-34s %12.2f %12.2f %12.2f  %d\n", c, v[len(v)/2], v[0], v[len(v)-1], len(v))
		t.b.ReportMetric(v[len(v)/2], strings.ReplaceAll(c, " ", "-"))
	}
	t.b.ReportMetric(0, "ns/op")
	fmt.Print(out.String())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpu is the processor time that a process has used so far; 0 where the system
// does not tell it.
func cpu(p *process) time.Duration { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, f := range fields[11:13] { // user and system
		n, _ := strconv.Atoi(f) // the kernel's own numbers
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// counters is how far a bridge has come.
type counters struct{ stored, groups, published, batches float64 }

func (b *bridge) counters() counters {
	b.t.Helper()
	all, err := b.metrics()
	if err != nil {
		b.t.Fatal(err)
	}
	return counters{
		stored: all["chatbridge_spool_group_records_sum"], groups: all["chatbridge_spool_group_records_count"],
		published: all["chatbridge_publish_records_total"], batches: all["chatbridge_publish_batches_total"],
	}
}

// since is what was added after before.
func (c counters) since(before counters) counters {
	return counters{
		stored: c.stored - before.stored, groups: c.groups - before.groups,
		published: c.published - before.published, batches: c.batches - before.batches,
	}
}

// resident is a process's memory in MB, now and at most so far; 0 where the
// system does not tell it.
func resident(p *process) (now, most float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(fields[1], 64) // other lines are not numbers
		switch fields[0] {
		case "VmRSS:":
			now = kb / 1000
		case "VmHWM:":
			most = kb / 1000
		}
	}
	return now, most
}

// profile keeps a CPU profile of the bridge over d, where -chatbridge.logs keeps
// anything. It returns at once; the function waits for the end.
func (b *bridge) profile(name string, d time.Duration) (wait func()) {
	if sizes.logs == "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.keep(name, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(d.Seconds())), d)
	}()
	return func() { <-done }
}

// keep writes what the operator's listener says of path, after d, to a file where
// -chatbridge.logs keeps anything.
func (b *bridge) keep(name, path string, d time.Duration) {
	if sizes.logs == "" {
		return
	}
	client := &http.Client{Timeout: d + patience}
	answer, err := client.Get(b.ops + path)
	if err != nil {
		b.t.Logf("keep %s: %v", path, err)
		return
	}
	defer answer.Body.Close()
	file, err := os.Create(filepath.Join(sizes.logs, strings.ReplaceAll(b.t.Name(), "/", "_")+"-"+name+".pprof"))
	if err != nil {
		b.t.Logf("keep %s: %v", path, err)
		return
	}
	defer file.Close()
	if _, err := io.Copy(file, answer.Body); err != nil {
		b.t.Logf("keep %s: %v", path, err)
	}
}

const echoRole = "echo"

// playEcho is the bare handler that the bridge is compared with: it reads the
// body and says OK.
func playEcho() error {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.POST("/callback", func(c echo.Context) error {
		if _, err := io.ReadAll(c.Request().Body); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, []byte(`{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`))
	})
	return e.Start("127.0.0.1:" + os.Getenv(portVariable))
}

// startEcho returns the bare handler's process and URL.
func startEcho(t testing.TB) (p *process, target string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+echoRole, portVariable+"="+itoa(port))
	p = launch(t, "echo", logFile(t, "echo"), cmd)
	target = fmt.Sprintf("http://127.0.0.1:%d/callback", port)
	eventually(t, "echo answers", func() error {
		response, err := opsClient.Post(target, "", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	return p, target
}
