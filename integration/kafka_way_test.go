package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// brokersVariable gives a Kafka that is there already: host:port, comma-separated.
	// Its topics are made and left behind; nothing of it is stopped.
	brokersVariable = "CHATBRIDGE_TEST_BROKERS"
	// kafkaVariable asks for one way to get a Kafka: container, jvm, fake, or real,
	// which is any but fake. A way that can't be had fails the run.
	kafkaVariable = "CHATBRIDGE_TEST_KAFKA"
	// versionVariable asks for another version than the newest.
	versionVariable = "CHATBRIDGE_TEST_KAFKA_VERSION"
	// summaryVariable names the file that gets the run's summary, since go test
	// shows nothing of what passes.
	summaryVariable = "CHATBRIDGE_TEST_SUMMARY"
)

// A way is how this run gets its Kafka.
type way struct {
	name    string
	title   string // for people
	version string
	fake    bool
	given   string // the addresses of a Kafka that is not ours
	build   func(*cluster)
}

// kafkas is the way of this run and what was done on it. Tests share it.
var kafkas = struct {
	once sync.Once
	way  *way
	err  error

	mu      sync.Mutex
	told    string              // what the first broker said of itself
	ran     map[string][]string // tests, by way
	skipped map[string]string   // tests that were not run, and why
}{ran: map[string][]string{}, skipped: map[string]string{}}

// chosenWay returns the run's way, or kfake where the spec wants it.
func chosenWay(t testing.TB, s spec) *way {
	t.Helper()
	w := fakeWay()
	if !s.fake {
		kafkas.once.Do(decide)
		if kafkas.err != nil {
			t.Fatalf("no Kafka: %v", kafkas.err)
		}
		w = kafkas.way
	}
	kafkas.mu.Lock()
	defer kafkas.mu.Unlock()
	if !slices.Contains(kafkas.ran[w.name], t.Name()) {
		kafkas.ran[w.name] = append(kafkas.ran[w.name], t.Name())
	}
	return w
}

// decide chooses the run's way, and says at once which: a run that hangs or is
// killed must have said on what.
func decide() {
	kafkas.way, kafkas.err = choose()
	if kafkas.err == nil {
		fmt.Fprintf(os.Stderr, "Kafka of this run: %s\n", kafkas.way.title)
	}
}

// choose looks for a Kafka, the most real one first: one that is given, containers,
// a JVM process. Only where nobody insists, kfake.
func choose() (*way, error) {
	asked := os.Getenv(kafkaVariable)
	if addr := os.Getenv(brokersVariable); addr != "" {
		if asked != "" && asked != "real" {
			return nil, fmt.Errorf("%s=%s and %s=%s exclude each other; unset one", brokersVariable, addr, kafkaVariable, asked)
		}
		return &way{name: "given", title: "the Kafka at " + addr, given: addr}, nil
	}
	version := os.Getenv(versionVariable)
	if version == "" {
		var err error
		if version, err = newestVersion(); err != nil {
			return nil, err
		}
	}
	real := []struct {
		asked string
		build func(version string) (*way, error)
	}{{"container", containerWay}, {"jvm", jvmWay}}
	var errs error
	for _, r := range real {
		if asked != "" && asked != "real" && asked != r.asked {
			continue
		}
		w, err := r.build(version)
		if err == nil {
			return w, nil
		}
		errs = errors.Join(errs, err)
	}
	switch asked {
	case "", "fake":
		w := fakeWay()
		if errs != nil {
			w.title += fmt.Sprintf(" (%s)", strings.ReplaceAll(errs.Error(), "\n", "; "))
		}
		return w, nil
	case "real", "container", "jvm":
		return nil, fmt.Errorf("%s=%s: %w", kafkaVariable, asked, errs)
	default:
		return nil, fmt.Errorf("%s=%q: say real, container, jvm or fake", kafkaVariable, asked)
	}
}

// needsReal ends a test that kfake can't carry, and says so in the summary: in
// the short run on a machine with only Go, and nowhere else.
func needsReal(t testing.TB, why string) {
	t.Helper()
	if w := chosenWay(t, spec{}); w.fake {
		notCovered(t, why)
	}
}

// needsOwn ends a test that starts and stops its Kafka, where one is given.
func needsOwn(t testing.TB, why string) {
	t.Helper()
	if w := chosenWay(t, spec{}); w.given != "" {
		notCovered(t, why)
	}
}

// notCovered is the one place where a test ends without having shown anything.
func notCovered(t testing.TB, why string) {
	t.Helper()
	kafkas.mu.Lock()
	kafkas.skipped[t.Name()] = why
	for name, tests := range kafkas.ran {
		kafkas.ran[name] = slices.DeleteFunc(tests, func(test string) bool { return test == t.Name() })
	}
	kafkas.mu.Unlock()
	t.Skipf("not covered: %s", why)
}

// newestVersion is the version that kafka/version names.
func newestVersion() (string, error) {
	text, err := os.ReadFile("kafka/version")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "newest="); ok {
			return v, nil
		}
	}
	return "", errors.New("kafka/version names no newest=")
}

// get asks kafka/get for jars or an image; it returns the last line that it said.
func get(what, version string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kafka/get", what, version)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kafka/get %s %s: %w: %s", what, version, err, lastLines(said.String(), 3))
	}
	return lastLines(out.String(), 1), nil
}

// A suite owns what all tests share, and gives it back at the end of the run.
type suite struct {
	testing.TB // nil: what is not below is not for it

	mu       sync.Mutex
	cleanups []func()
	failed   bool
}

func (s *suite) Name() string    { return "shared" }
func (s *suite) Helper()         {}
func (s *suite) Failed() bool    { return s.failed }
func (s *suite) Log(args ...any) { fmt.Fprintln(os.Stderr, args...) }
func (s *suite) TempDir() string { return s.dir() }
func (s *suite) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}
func (s *suite) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (s *suite) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
func (s *suite) Logf(format string, args ...any) { s.Log(fmt.Sprintf(format, args...)) }
func (s *suite) Errorf(format string, args ...any) {
	s.failed = true
	s.Log(fmt.Sprintf(format, args...))
}

func (s *suite) dir() string {
	dir, err := os.MkdirTemp("", "chatbridge-shared-")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// end gives everything back, last first.
func (s *suite) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// whole is what the tests of this run share.
var whole = struct {
	suite
	once  sync.Once
	kafka *cluster
}{}

// sharedKafka returns the Kafka of all tests that leave it alone: they have their
// own topics on it, and neither stop it nor change it.
func sharedKafka(t testing.TB) *cluster {
	t.Helper()
	w := chosenWay(t, spec{})
	whole.once.Do(func() {
		if w.given != "" {
			whole.kafka = &cluster{t: &whole.suite, way: w, addr: w.given}
		} else {
			whole.kafka = newKafkaBy(&whole.suite, w, spec{})
			whole.kafka.start()
		}
		whole.kafka.answers()
		kafkas.told = whole.kafka.features()
	})
	if whole.kafka == nil {
		t.Fatal("the shared Kafka did not start")
	}
	return whole.kafka
}

// features is what the broker says of itself: the version of its metadata, which
// each release of Kafka raises.
func (c *cluster) features() string {
	client := c.client()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err != nil {
		return err.Error()
	}
	for _, f := range answer.FinalizedFeatures {
		if f.Name == "metadata.version" {
			return fmt.Sprintf("metadata.version %d", f.MaxVersionLevel)
		}
	}
	return "no metadata.version"
}

// summary is what the run did on which Kafka.
func summary() string {
	kafkas.mu.Lock()
	defer kafkas.mu.Unlock()
	var out strings.Builder
	if kafkas.way != nil {
		fmt.Fprintf(&out, "Kafka of this run: %s", kafkas.way.title)
		if kafkas.told != "" {
			fmt.Fprintf(&out, ", %s", kafkas.told)
		}
		fmt.Fprintln(&out)
	}
	for _, name := range slices.Sorted(maps.Keys(kafkas.ran)) {
		if n := len(kafkas.ran[name]); n > 0 {
			fmt.Fprintf(&out, "  %d tests ran on: %s\n", n, name)
		}
	}
	for _, test := range slices.Sorted(maps.Keys(kafkas.skipped)) {
		fmt.Fprintf(&out, "  not covered: %s: %s\n", test, kafkas.skipped[test])
	}
	return out.String()
}

// insisted returns an error where a real Kafka was asked for and no test ran on it.
func insisted() error {
	asked := os.Getenv(kafkaVariable)
	if asked == "" || asked == "fake" {
		return nil
	}
	kafkas.mu.Lock()
	defer kafkas.mu.Unlock()
	for name, tests := range kafkas.ran {
		if name != fakeWay().name && len(tests) > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s=%s, and no test ran on a real Kafka", kafkaVariable, asked)
}

// report prints the summary, and puts it where summaryVariable says.
func report() {
	text := summary()
	fmt.Print(text)
	if file := os.Getenv(summaryVariable); file != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
