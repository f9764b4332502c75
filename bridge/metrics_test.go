package bridge

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/schema"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md; commit only differences that you understand")

// metricsPage is the document; what follows this line in it is generated.
const (
	metricsPage = "../docs/metrics.md"
	generated   = "<!-- From here on: go test ./bridge -run TestTheTableOfMetrics -update -->\n"
)

// labelsOpen are the labels whose values are not known to this program: the
// topics are the configuration's, the partitions Kafka's, the versions the build's,
// the classes those of the publisher's failures.
func labelsOpen() []string { return []string{"topic", "partition", "version", "go", "class"} }

// metricsOfAll runs a bridge that has every part, so that every metric has a value.
func metricsOfAll(t *testing.T) *Bridge {
	t.Helper()
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.HTTP.TLS.CertFile, cfg.HTTP.TLS.KeyFile = keyPairFiles(t)
	b, _ := runBridge(t, cfg, relay.Hooks{})
	mustShow(t, b, `chatbridge_partition_open_records{partition="1"} 0`) // the lanes are there
	b.metrics.publisherHooks().Retried(cfg.Kafka.Topic, 0, "unreachable", nil)
	return b
}

// metric is what the table says of one.
type metric struct {
	name, kind, help string
	labels           []string
	values           map[string][]string // by label, of those that are not open
}

// described lists the bridge's own metrics, sorted by name.
func described(t *testing.T, b *Bridge) []metric {
	t.Helper()
	families, err := b.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []metric
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "chatbridge_") {
			continue // the Go runtime's and the process's
		}
		m := metric{name: f.GetName(), kind: strings.ToLower(f.GetType().String()), help: f.GetHelp(), values: map[string][]string{}}
		for _, series := range f.GetMetric() {
			for _, l := range series.GetLabel() {
				if !slices.Contains(m.labels, l.GetName()) {
					m.labels = append(m.labels, l.GetName())
				}
				if !slices.Contains(labelsOpen(), l.GetName()) {
					m.values[l.GetName()] = append(m.values[l.GetName()], l.GetValue())
				}
			}
		}
		all = append(all, m)
	}
	return all
}

// bornAtZero says what a series that is there before its first event is good for, and
// where it is not.
const bornAtZero = `They are there from the start, at 0, so that a first event is an increase to whoever has scraped the bridge before it. What comes
between a start and the first scrape after it may not be one: a new series begins with it, and one of the same instance had, before
the restart, perhaps counted as many.`

// table is the generated part of the page.
func table(all []metric) string {
	var b strings.Builder
	b.WriteString("\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), m.help)
	}
	b.WriteString("\n## The labels' values\n\n" + bornAtZero + "\n\n| metric | label | values |\n| --- | --- | --- |\n")
	for _, m := range all {
		for _, label := range m.labels {
			values := slices.Compact(slices.Sorted(slices.Values(m.values[label])))
			if len(values) > 1 && label != "found" {
				fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", m.name, label, strings.Join(values, "`, `"))
			}
		}
	}
	return b.String()
}

// Design 10: the document has every metric that a running bridge exports, with its
// type, labels and help, and no other.
func TestTheTableOfMetrics(t *testing.T) {
	got := table(described(t, metricsOfAll(t)))
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	head, want, found := strings.Cut(string(page), generated)
	if !found {
		t.Fatalf("%s lacks the line %s", metricsPage, generated)
	}
	if *update {
		if err := os.WriteFile(metricsPage, []byte(head+generated+got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is not what the bridge exports (go test ./bridge -run TestTheTableOfMetrics -update):\n%s", metricsPage, got)
	}
}

// Design 10: the names are Prometheus' conventions, by the linter of promtool
// check metrics.
func TestMetricsFollowPrometheusConventions(t *testing.T) {
	b := metricsOfAll(t)
	families, err := b.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// P8: what is posted makes no series: neither who posts it nor what is in it.
func TestNoCallbackMakesASeries(t *testing.T) {
	b := metricsOfAll(t)
	series := func() (n int, names string) {
		families, err := b.metrics.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, f := range families {
			n += len(f.GetMetric())
			for _, m := range f.GetMetric() {
				fmt.Fprintln(&all, f.GetName(), m.GetLabel())
			}
		}
		return n, all.String()
	}
	before, _ := series()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // a certificate of the test's own
	t.Cleanup(client.CloseIdleConnections)
	for _, query := range []string{
		"SdkAppid=1400000000&CallbackCommand=" + schema.CommandAfterSend, "SdkAppid=1400000000&CallbackCommand=Planted.Command",
		"SdkAppid=666&CallbackCommand=" + schema.CommandAfterSend, "Planted=1", "SdkAppid=Planted",
	} {
		for _, body := range []string{`{"GroupId":"PlantedGroup","MsgSeq":1}`, `{"CallbackCommand":"Planted","GroupId":"PlantedGroup"}`, "Planted", ""} {
			answer, err := client.Post("https://"+b.Addr().String()+"/callback?"+query, "text/planted", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	if left := b.Settle(t.Context()); left != 0 {
		t.Fatalf("%d callbacks are left", left)
	}
	if after, names := series(); after != before || strings.Contains(strings.ToLower(names), "planted") {
		t.Errorf("there were %d series, there are %d:\n%s", before, after, names)
	}
}

// P7: the time to an answer is that of authentic callbacks, refused ones too, and
// of no other request: nobody else can make it look slow, or hide that it is.
func TestOnlyTheAuthenticAreTimed(t *testing.T) {
	b := runWith(t, func(c *Config) {
		c.Apps = append(c.Apps, AppConfig{SDKAppID: 1400000001, Tokens: []string{"a-token-of-the-test"}})
		c.HTTP.MaxBody = 1 * KiB
	})
	send := func(method, path string, body io.Reader, encoding string) {
		t.Helper()
		request, err := http.NewRequest(method, "http://"+b.Addr().String()+path, body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Encoding", encoding)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	chunked := func(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) } // of a length that is not known
	message := "/callback?SdkAppid=1400000000&CallbackCommand=" + schema.CommandAfterSend

	send("POST", "/callback", nil, "")                                                              // url-check
	send("POST", "/callback", chunked("{}"), "")                                                    // unknown-app
	send("POST", "/elsewhere", nil, "")                                                             // not-found
	send("GET", "/callback", nil, "")                                                               // bad-method
	send("POST", "/callback?SdkAppid=1400000001", strings.NewReader("{}"), "")                      // signature-missing
	send("POST", "/callback?SdkAppid=1400000001&Sign=0&RequestTime=0", strings.NewReader("{}"), "") // signature-wrong
	send("POST", message, strings.NewReader(strings.Repeat(" ", 1025)), "")                         // too-large, by what it announces
	mustShow(t, b, `chatbridge_callbacks_total{outcome="too-large"} 1`)

	send("POST", message, strings.NewReader(`{"GroupId":"g","MsgSeq":1}`), "") // stored
	send("POST", message, strings.NewReader("not JSON"), "")                   // unreadable
	send("POST", message, nil, "")                                             // empty-body
	send("POST", message, strings.NewReader("{}"), "gzip")                     // encoding
	send("POST", message, chunked(strings.Repeat(" ", 1025)), "")              // too-large, as it comes
	send("POST", "/callback?SdkAppid=1400000000&CallbackCommand=Other", strings.NewReader("{}"), "")
	mustShow(t, b, `chatbridge_answer_seconds_count 6`)
	for _, outcome := range []string{"url-check", "unknown-app", "not-found", "bad-method", "signature-missing", "signature-wrong", "stored", "unreadable", "empty-body", "encoding", "ignored"} {
		mustShow(t, b, fmt.Sprintf(`chatbridge_callbacks_total{outcome=%q} 1`, outcome))
	}
}

// What is promised of a time is the bound of a bucket, so that whoever asks
// Prometheus gets no guess between two bounds.
func TestGoalsAreBoundsOfBuckets(t *testing.T) {
	for name, c := range map[string]struct{ buckets, goals []float64 }{
		"answers":  {answerBuckets(), []float64{.01, 1, 2}}, // the goal, the alert, what Tencent waits
		"syncs":    {syncBuckets(), []float64{.5}},          // the alert
		"settling": {waitBuckets(), []float64{.005, .05}},   // the goals of p50 and p99
	} {
		if !slices.IsSorted(c.buckets) {
			t.Errorf("the buckets of %s are not in order", name)
		}
		for _, goal := range c.goals {
			if !slices.Contains(c.buckets, goal) {
				t.Errorf("no bucket of %s ends at %v s", name, goal)
			}
		}
	}
}

// A Prometheus that asks for native histograms gets them, and the classic buckets
// beside them.
func TestHistogramsAreNativeToo(t *testing.T) {
	b := metricsOfAll(t)
	b.metrics.answers.Observe(.003)
	families, err := b.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "chatbridge_answer_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		if len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) == 0 {
			t.Errorf("the histogram has %d native spans and %d classic buckets", len(h.GetPositiveSpan()), len(h.GetBucket()))
		}
		return
	}
	t.Error("there is no chatbridge_answer_seconds")
}
