package integration

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	app      = 1400000000
	appToken = "a token of the tests"
)

// bridge is one installation: a configuration, a spool and two ports that stay
// the same over any number of processes.
type bridge struct {
	t      testing.TB
	config string // the file
	spool  string // the directory
	url    string // callbacks
	ops    string // the operator's listener
	events string // the topics
	dead   string
	log    string
	set    []string // settings over the file, key=value
	binary string   // the program, where it is not the one under test
	env    []string // beside that of the tests

	*process // of the last start
}

// newBridge returns a bridge that is not running yet. set is settings that
// differ from the file's.
func newBridge(t testing.TB, kafka *cluster, set ...string) *bridge {
	t.Helper()
	dir := newDir(t, "bridge")
	b := &bridge{
		t: t, config: filepath.Join(dir, "chatbridge.yaml"), spool: filepath.Join(dir, "spool"),
		events: topicOf(t), log: logFile(t, "serve"), set: append(kafka.settings(), set...),
	}
	b.dead = b.events + ".dlq"
	callbacks := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	ops := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	b.url, b.ops = "http://"+callbacks+"/callback", "http://"+ops
	text := fmt.Sprintf(`http: {listen: %q}
apps:
  - sdk_app_id: %d
    tokens: [%q]
spool: {dir: %q, min_free: 32MiB}
kafka:
  brokers: %s
  topic: %s
  dead_letter_topic: %s
  create_topics: true
  partitions: 12
ops: {listen: %q}
`, callbacks, app, appToken, b.spool, list(kafka.addr), b.events, b.dead, ops)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// topicOf is the test's own topic: tests share a Kafka, and one that was given may
// still have those of the run before.
func topicOf(t testing.TB) string {
	name := regexp.MustCompile(`[^a-zA-Z0-9]+`).ReplaceAllString(t.Name(), "-")
	return fmt.Sprintf("chat.%s.%x-%d", name, sizes.seed, os.Getpid())
}

// list is addresses as YAML.
func list(addresses string) string {
	quoted, _ := json.Marshal(strings.Split(addresses, ",")) // texts can be written
	return string(quoted)
}

// startBridge returns a bridge that is ready.
func startBridge(t testing.TB, kafka *cluster, set ...string) *bridge {
	t.Helper()
	b := newBridge(t, kafka, set...)
	b.start()
	b.ready()
	return b
}

// settings are the flags by which a command uses the bridge's configuration.
func (b *bridge) settings() []string {
	args := []string{"-c", b.config}
	for _, s := range b.set {
		args = append(args, "--set", s)
	}
	return args
}

// start starts serve, and does not wait until it is ready.
func (b *bridge) start() {
	b.t.Helper()
	b.process = b.another()
}

// another starts a serve that does not take the place of the one at hand.
func (b *bridge) another() *process {
	b.t.Helper()
	cmd := exec.Command(cmp.Or(b.binary, program), append([]string{"serve"}, b.settings()...)...)
	cmd.Env = append(os.Environ(), b.env...)
	return launch(b.t, "serve", b.log, cmd)
}

// ready waits until it is.
func (b *bridge) ready() {
	b.t.Helper()
	eventually(b.t, "the bridge is ready", func() error {
		if !b.alive() {
			b.t.Fatalf("serve ended with %d: %s", b.cmd.ProcessState.ExitCode(), tail(b.log, 20))
		}
		return b.probe("/readyz", http.StatusOK)
	})
}

// opsClient asks the operator's listener, on a new connection each time: the one
// before may have been to a process that is gone.
var opsClient = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// probe returns an error unless the operator's listener answers with status.
func (b *bridge) probe(path string, status int) error {
	answer, err := opsClient.Get(b.ops + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		text, _ := io.ReadAll(answer.Body) // only to say more
		return fmt.Errorf("%s: %s: %s", path, answer.Status, text)
	}
	return nil
}

// metrics reads /metrics: the sum over all labels of each name, and of each name
// with its labels as they are written.
func (b *bridge) metrics() (map[string]float64, error) {
	answer, err := opsClient.Get(b.ops + "/metrics")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", answer.Status)
	}
	all := map[string]float64{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("/metrics: %q: %w", line, err)
		}
		series := line[:at]
		name, _, labelled := strings.Cut(series, "{")
		all[name] += value
		if labelled {
			all[series] = value
		}
	}
	return all, lines.Err()
}

// metric is one value of /metrics.
func (b *bridge) metric(name string) float64 {
	b.t.Helper()
	all, err := b.metrics()
	if err != nil {
		b.t.Fatal(err)
	}
	return all[name]
}

// above returns an error unless a value of /metrics is above least.
func (b *bridge) above(name string, least float64) error {
	all, err := b.metrics()
	if err != nil {
		return err
	}
	if all[name] <= least {
		return fmt.Errorf("%s is %v, not above %v", name, all[name], least)
	}
	return nil
}

// has returns an error unless /metrics has a value of that name.
func (b *bridge) has(name string) error {
	all, err := b.metrics()
	if _, ok := all[name]; err == nil && !ok {
		err = fmt.Errorf("there is no %s yet", name)
	}
	return err
}

// drained waits until Kafka has everything that was ever answered, what is held
// for order included: then the spool holds nothing that is not settled.
func (b *bridge) drained() {
	b.t.Helper()
	b.drainedWithin(sizes.within())
}

func (b *bridge) drainedWithin(within time.Duration) {
	b.t.Helper()
	eventuallyWithin(b.t, within, "the spool is drained", func() error {
		if !b.alive() {
			b.t.Fatalf("serve ended with %d: %s", b.cmd.ProcessState.ExitCode(), tail(b.log, 20))
		}
		all, err := b.metrics()
		if err != nil {
			return err
		}
		if left := all["chatbridge_spool_records"]; left != 0 {
			return fmt.Errorf("%.0f records are in the spool, %.0f are held", left, all["chatbridge_resequence_held"])
		}
		return nil
	})
}
