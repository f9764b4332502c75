package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files; commit only differences that you understand")

func good() Status {
	return Status{
		State:   State{Level: Good, Sentence: "All is well: 512 callbacks/s, 99 of 100 published within 12 ms"},
		Version: "v1.2.3", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Ready: Condition{OK: true}, Sink: Condition{OK: true},
		Components: []Component{{Name: "Kafka", Level: Good, Says: "takes events; 12 partitions"}},
		Figures:    []Figure{{Name: "spool", Value: "3 records"}},
		Parts:      []SinkPart{{Topic: "events", Partition: 0, OK: true, Open: 3, Oldest: "12ms"}},
	}
}

func bad() Status {
	s := good()
	s.State = State{
		Level: Trouble, Fault: FaultKafka, Sentence: "The spool is full: callbacks are refused; Kafka is unreachable since 14:02 UTC",
		Safe: "What was answered OK is safe.", Next: "Nothing listens at k:9092 <now>.",
	}
	s.Ready = Condition{Reasons: []string{"the spool is full: <free> some disk"}}
	s.Sink = Condition{Reasons: []string{"topic events, partition 0: no leader"}}
	s.Parts[0].OK, s.Parts[0].Reason, s.Parts[0].Attempts = false, "no leader", 7
	s.Parts[0].Since = s.Started
	return s
}

func sources(status Status) Sources {
	return Sources{
		Status:  func() Status { return status },
		Ready:   func() Condition { return status.Ready },
		Group:   func(_ context.Context, q GroupQuery) Group { return group(q) },
		Metrics: http.NotFoundHandler(),
		Charts:  hour,
		Events:  events,
		Config:  "ops:\n  password: '********'\n",
	}
}

// serve starts a server that shows status, and returns its base URL.
func serve(t *testing.T, status Status) string {
	t.Helper()
	at := func() time.Time { return time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC) }
	s := New(Options{Address: "127.0.0.1:0", Now: at, Sources: sources(status)})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestEachViewShowsTheStatus(t *testing.T) {
	for name, status := range map[string]Status{"good": good(), "bad": bad()} {
		base := serve(t, status)
		for path, file := range map[string]string{
			"/": "page.html", "/status": "status.json", "/readyz": "readyz.json", "/sinkz": "sinkz.json",
		} {
			code, body := get(t, base+path)
			golden(t, filepath.Join("testdata", name+"-"+file), body)
			want := http.StatusOK
			if name == "bad" && (path == "/readyz" || path == "/sinkz") {
				want = http.StatusServiceUnavailable
			}
			if code != want {
				t.Errorf("%s %s: status %d; want %d", name, path, code, want)
			}
		}
		if code, body := get(t, base+"/livez"); code != http.StatusOK || body != "ok\n" {
			t.Errorf("%s /livez: %d %q", name, code, body)
		}
		if code, _ := get(t, base+"/nothing"); code != http.StatusNotFound {
			t.Errorf("%s /nothing: %d; want 404", name, code)
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

// What a reason says comes from outside: it must not become markup.
func TestThePageEscapesWhatItShows(t *testing.T) {
	_, page := get(t, serve(t, bad())+"/")
	if strings.Contains(page, "<free>") || !strings.Contains(page, "&lt;free&gt;") {
		t.Errorf("the page does not escape a reason:\n%s", page)
	}
}

func TestSinkzNamesThePartitionsAndTheirReasons(t *testing.T) {
	_, body := get(t, serve(t, bad())+"/sinkz")
	var answer struct {
		OK         bool
		Reasons    []string
		Partitions []SinkPart
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.OK || len(answer.Reasons) != 1 || len(answer.Partitions) != 1 || answer.Partitions[0].Reason != "no leader" {
		t.Errorf("sinkz = %+v", answer)
	}
}

// P8: a profile costs while it is taken, and cannot be asked for without an end.
func TestAProfileTakesAMinuteAtMost(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end() // a profile that began would not be waited for
	for _, path := range []string{"profile", "trace", "heap", "goroutine"} {
		for _, seconds := range []string{"61", "1e9", "-1", "NaN", "Inf", "many"} {
			if w := ask(Door{}, "/debug/pprof/"+path+"?seconds="+seconds, func(r *http.Request) { *r = *r.WithContext(ended) }); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "60 seconds") {
				t.Errorf("%s for %s seconds: %d %s", path, seconds, w.Code, w.Body)
			}
		}
	}
	if w := ask(Door{}, "/debug/pprof/heap", nil); w.Code != http.StatusOK {
		t.Errorf("a profile of now: %d %s", w.Code, w.Body)
	}
}

func TestATakenPortIsNamedWithItsKey(t *testing.T) {
	base := serve(t, good())
	err := New(Options{Address: strings.TrimPrefix(base, "http://"), Sources: sources(good())}).Listen()
	if err == nil || !strings.Contains(err.Error(), "ops.listen") {
		t.Errorf("Listen on a taken port = %v; want an error that names ops.listen", err)
	}
}
