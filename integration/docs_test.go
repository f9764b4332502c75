package integration

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metricRow matches a row of the table of metrics: name, type, labels.
var metricRow = regexp.MustCompile("(?m)^\\| `(chatbridge_[a-z_]+)` \\| (?:counter|gauge|histogram) \\| ([a-z, ]*) ?\\|")

// documented is the metrics of docs/metrics.md and their labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		if _, twice := all[row[1]]; twice {
			t.Errorf("docs/metrics.md has %s twice", row[1])
		}
		all[row[1]] = row[2]
	}
	return all
}

// TestMetricsAreThoseOfTheTable: every name that the shipped program exports is in
// the table with its labels, and every name there is exported. A metric that has no
// value before something happens is looked for in the source.
func TestMetricsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	want := documented(t)
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	post(t, b, query(commandAfterSend), golden(t, "specification.callback.json"))
	post(t, b, query(commandAfterSend), []byte("not JSON"))
	b.drained()
	all, err := b.metrics()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]string{}
	for series := range all {
		name, labels, labelled := strings.Cut(series, "{")
		name = baseName(name)
		if strings.HasPrefix(name, "chatbridge_") && (labelled || exported[name] == "") {
			exported[name] = labelNames(labels)
		}
	}
	for name, labels := range exported {
		if documentedLabels, ok := want[name]; !ok {
			t.Errorf("%s is exported, and not in docs/metrics.md", name)
		} else if !sameWords(labels, documentedLabels) {
			t.Errorf("%s is exported by %q, docs/metrics.md says by %q", name, labels, documentedLabels)
		}
	}
	source := metricsSource(t)
	for name := range want {
		if _, ok := exported[name]; !ok && !strings.Contains(source, `"`+strings.TrimPrefix(name, "chatbridge_")+`"`) {
			t.Errorf("%s is in docs/metrics.md, and not exported", name)
		}
	}
}

// baseName takes off what a histogram adds to its name.
func baseName(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") || strings.HasSuffix(base, "_group_records") {
			return base
		}
	}
	return name
}

var labelName = regexp.MustCompile(`([a-z_]+)="`)

// labelNames lists the labels of a series, without a histogram's own.
func labelNames(labels string) string {
	var names []string
	for _, m := range labelName.FindAllStringSubmatch(labels, -1) {
		if m[1] != "le" {
			names = append(names, m[1])
		}
	}
	return strings.Join(names, ", ")
}

func sameWords(a, b string) bool {
	split := func(s string) []string {
		return slices.Sorted(slices.Values(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })))
	}
	return slices.Equal(split(a), split(b))
}

func metricsSource(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("../bridge/metrics*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("the source of the metrics: %v, %v", names, err)
	}
	var all strings.Builder
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// TestDocumentsNameWhatExists: a metric or a Go file that a document speaks of is
// there.
func TestDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	known := documented(t)
	names, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`chatbridge_[a-z_]+`)
	goFile := regexp.MustCompile("`([a-z/]+/[a-z_]+\\.(?:go|json|yaml|md))`")
	for _, name := range append(names, "../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range metric.FindAllString(string(text), -1) {
			if !begins(m, known) && filepath.Base(name) != "CHANGELOG.md" {
				t.Errorf("%s speaks of %s, which docs/metrics.md does not have (it has %d)", name, m, len(slices.Collect(maps.Keys(known))))
			}
		}
		for _, m := range goFile.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "bin/") {
				continue // what make makes
			}
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s speaks of %s: %v", name, m[1], err)
			}
		}
	}
}

// begins reports whether a document's word is a metric, or, where it ends in the
// middle of one because a pattern follows, the beginning of one.
func begins(word string, known map[string]string) bool {
	if _, ok := known[baseName(word)]; ok || !strings.HasSuffix(word, "_") {
		return ok
	}
	for name := range known {
		if strings.HasPrefix(name, word) || name+"_" == word { // a histogram's own names follow
			return true
		}
	}
	return false
}

// TestOperatorsPages: what the operator's listener shows answers.
func TestOperatorsPages(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	for _, path := range []string{"/", "/status", "/metrics", "/livez", "/readyz"} {
		if err := b.probe(path, http.StatusOK); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the sink is well", func() error { return b.probe("/sinkz", http.StatusOK) })
}
