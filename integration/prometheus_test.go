package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// prometheusVariable asks for the tests with a real Prometheus: 1, and then they
// must run. Without it they run where the two programs are.
const prometheusVariable = "CHATBRIDGE_TEST_PROMETHEUS"

// needsPrometheus ends a test where there is no Prometheus, and says so in the
// summary.
func needsPrometheus(t testing.TB) {
	t.Helper()
	for _, program := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		} else if os.Getenv(prometheusVariable) == "1" {
			t.Fatalf("%s=1: %v; on Debian, install the package prometheus", prometheusVariable, err)
		}
		notCovered(t, "there is no "+program+", which scrapes the bridge and judges the alerts")
	}
}

// watcher is a Prometheus that scrapes bridges each second, with the alerts of
// deploy/alerts.yml.
type watcher struct {
	t       testing.TB
	dir     string
	url     string
	targets string // the file
	*process
}

// startWatcher returns a Prometheus that answers. It scrapes what watch tells it.
func startWatcher(t testing.TB, flags ...string) *watcher {
	t.Helper()
	w := newWatcher(t)
	w.start(flags...)
	return w
}

// newWatcher returns a Prometheus that is not running yet.
func newWatcher(t testing.TB) *watcher {
	t.Helper()
	needsPrometheus(t)
	dir := newDir(t, "prometheus")
	w := &watcher{t: t, dir: dir, url: fmt.Sprintf("http://127.0.0.1:%d", freePort(t)), targets: filepath.Join(dir, "targets.json")}
	w.watch()
	writeText(t, w.in("alerts.yml"), hasty(readFile(t, alertsFile)))
	writeText(t, w.in("prometheus.yml"), fmt.Sprintf(`global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: chatbridge
    file_sd_configs: [{files: [%q], refresh_interval: 1s}]
`, w.targets))
	return w
}

// in is a path in its folder.
func (w *watcher) in(name string) string { return filepath.Join(w.dir, name) }

// start starts it, and waits until it answers.
func (w *watcher) start(flags ...string) {
	w.t.Helper()
	log := logFile(w.t, "prometheus")
	w.process = launch(w.t, "prometheus", log, exec.Command("prometheus", append([]string{
		"--config.file=" + w.in("prometheus.yml"), "--storage.tsdb.path=" + w.in("data"),
		"--web.listen-address=" + strings.TrimPrefix(w.url, "http://"), "--log.level=warn",
	}, flags...)...))
	eventually(w.t, "prometheus is ready", func() error {
		if !w.alive() {
			w.t.Fatalf("prometheus ended: %s", tail(log, 20))
		}
		return w.get("/-/ready", nil)
	})
}

// remember gives it samples of the past, as OpenMetrics, before it is started.
func (w *watcher) remember(openMetrics string) {
	w.t.Helper()
	past := w.in("past.txt")
	writeText(w.t, past, openMetrics)
	if out, err := exec.Command("promtool", "tsdb", "create-blocks-from", "openmetrics", past, w.in("data")).CombinedOutput(); err != nil {
		w.t.Fatalf("promtool: %v: %s", err, out)
	}
}

var patient = regexp.MustCompile(`(?m)^(        for: )\S+$`)

// hasty is the rules as they are, but for the time that an alert waits before it
// fires.
func hasty(rules string) string { return patient.ReplaceAllString(rules, "${1}0s") }

func writeText(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// watch says which bridges are scraped from now on. The file is put in place
// whole, since Prometheus reads it at any time.
func (w *watcher) watch(bridges ...*bridge) {
	w.t.Helper()
	targets := []string{}
	for _, b := range bridges {
		targets = append(targets, b.instance())
	}
	text, err := json.Marshal([]map[string][]string{{"targets": targets}})
	if err != nil {
		w.t.Fatal(err)
	}
	writeText(w.t, w.targets+".new", string(text))
	if err := os.Rename(w.targets+".new", w.targets); err != nil {
		w.t.Fatal(err)
	}
}

// instance is the bridge's name in Prometheus.
func (b *bridge) instance() string { return strings.TrimPrefix(b.ops, "http://") }

// get reads an answer of Prometheus' interface.
func (w *watcher) get(path string, into any) error {
	answer, err := opsClient.Get(w.url + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("prometheus: %s: %s: %s", path, answer.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// alerts lists what fires, as "NotReady critical", for one bridge; nil is for
// none, of which an alert can be, too.
func (w *watcher) alerts(b *bridge) (map[string]bool, error) {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := w.get("/api/v1/alerts", &answer); err != nil {
		return nil, err
	}
	instance := ""
	if b != nil {
		instance = b.instance()
	}
	firing := map[string]bool{}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" && a.Labels["instance"] == instance {
			r := rule{Alert: a.Labels["alertname"]}
			firing[r.section()+" "+a.Labels["severity"]] = true
		}
	}
	return firing, nil
}

// fires waits until an alert does.
func (w *watcher) fires(b *bridge, alert string) {
	w.t.Helper()
	eventually(w.t, "the alert "+alert+" fires", func() error {
		firing, err := w.alerts(b)
		if err == nil && !firing[alert] {
			err = fmt.Errorf("there fires %v", firing)
		}
		return err
	})
}

// clears waits until an alert does not fire any more.
func (w *watcher) clears(b *bridge, alert string) {
	w.t.Helper()
	eventually(w.t, "the alert "+alert+" clears", func() error {
		firing, err := w.alerts(b)
		if err == nil && firing[alert] {
			err = fmt.Errorf("there fires %v", firing)
		}
		return err
	})
}

// ask returns the values of a query's result.
func (w *watcher) ask(query string) ([]string, error) {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := w.get("/api/v1/query?query="+url.QueryEscape(query), &answer); err != nil {
		return nil, err
	}
	var values []string
	for _, r := range answer.Data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values, nil
}

// scraped waits until a query has a result, which is not 0.
func (w *watcher) scraped(query string) {
	w.t.Helper()
	eventually(w.t, "prometheus has "+query, func() error {
		values, err := w.ask(query)
		if err == nil && (len(values) == 0 || values[0] == "0") {
			err = fmt.Errorf("the result is %v", values)
		}
		return err
	})
}

// of is a metric of one bridge, for a query.
func (b *bridge) of(metric string) string {
	return fmt.Sprintf("%s{instance=%q}", metric, b.instance())
}

// TestSinkDownFiresAndClears: a Prometheus scrapes the bridge; when Kafka is stopped
// under load the alert fires, and no alert says that callbacks are lost, for they are
// not (P1, P2). When Kafka is back, the alert clears.
func TestSinkDownFiresAndClears(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	needsOwn(t, "the alert for a Kafka that is stopped, which must be the test's own")
	dice(t)
	kafka := startKafka(t, spec{})
	b := startBridge(t, kafka)
	w := startWatcher(t)
	w.watch(b)
	ledger := newLedger(t)
	s := startSend(b, ledger, "--rate", "50", "--retry", "-1")
	eventually(t, "traffic flows", func() error { return b.above("chatbridge_publish_records_total", 50) })
	w.scraped(b.of("chatbridge_sink_ok"))
	w.clears(b, "SinkDown critical")

	kafka.each(machine.stop)
	w.fires(b, "SinkDown critical")
	firing, err := w.alerts(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"NotReady critical", "CallbacksLost critical", "Down critical"} {
		if firing[name] {
			t.Errorf("Kafka is away, and %s fires", name)
		}
	}
	kafka.start()
	w.clears(b, "SinkDown critical")
	t.Log(s.stop())
	t.Log(audit(b, ledger))
}

// TestMetricsPassPromtool: the shipped program's /metrics, by the judge that people
// have.
func TestMetricsPassPromtool(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	b := startBridge(t, sharedKafka(t))
	post(t, b, query(commandAfterSend), golden(t, "specification.callback.json"))
	b.drained()
	answer, err := opsClient.Get(b.ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	judge := exec.Command("promtool", "check", "metrics")
	judge.Stdin = answer.Body
	if said, err := judge.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
}

// TestPrometheusReadsNativeHistograms: one that asks for them gets them.
func TestPrometheusReadsNativeHistograms(t *testing.T) {
	t.Parallel()
	w := startWatcher(t, "--enable-feature=native-histograms")
	b := startBridge(t, sharedKafka(t))
	w.watch(b)
	post(t, b, query(commandAfterSend), golden(t, "specification.callback.json"))
	w.scraped("histogram_count(" + b.of("chatbridge_answer_seconds") + ")")
}

// TestTheDashboardsQueriesHaveResults: each query of the dashboard is asked of a
// Prometheus that scrapes a bridge, and has a result, but for those about what did
// not happen.
func TestTheDashboardsQueriesHaveResults(t *testing.T) {
	t.Parallel()
	w := startWatcher(t)
	b := startBridge(t, sharedKafka(t))
	w.watch(b)
	w.scraped(b.of("up")) // so that a first event is an increase
	post(t, b, query(commandAfterSend), golden(t, "specification.callback.json"))
	post(t, b, query(commandAfterSend), []byte("not JSON"))
	b.drained()
	w.scraped("sum(" + b.of("chatbridge_dead_letters_total") + ")")
	quiet := regexp.MustCompile("chatbridge_(publish_retries_total|certificate_expiry_timestamp_seconds|spool_events_total)")
	for title, queries := range dashboardQueries(t) {
		for _, query := range queries {
			query = strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(query)
			eventually(t, "the dashboard's panel "+title+" has a result", func() error {
				values, err := w.ask(query)
				if err == nil && len(values) == 0 && !quiet.MatchString(query) {
					err = fmt.Errorf("%s has no result", query)
				}
				return err
			})
		}
	}
}
