package integration

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// module is the path before every package of ours.
const module = "github.com/chatbridge/chatbridge/"

// mayImport is who may import whom of ours, production code only. A package
// without a row fails, and so does a row that promises more than is used:
// docs/design.md shows the same table to people.
func mayImport() map[string][]string {
	return map[string][]string{
		"schema":                           nil,
		"bridge/internal/disk":             nil,
		"bridge/internal/disk/faultdisk":   {"bridge/internal/disk"}, // for tests; see onlyInTests
		"bridge/internal/loglimit":         nil,
		"bridge/spool":                     {"bridge/internal/disk", "bridge/internal/loglimit"},
		"bridge/resequence":                nil,
		"publisher":                        nil,
		"bridge/ingest":                    {"bridge/internal/loglimit", "bridge/spool", "schema"},
		"bridge/relay":                     {"bridge/internal/loglimit", "bridge/resequence", "bridge/spool", "publisher", "schema"},
		"bridge/ops":                       nil,
		"bridge":                           {"bridge/ingest", "bridge/internal/loglimit", "bridge/ops", "bridge/relay", "bridge/resequence", "bridge/spool", "publisher", "schema"},
		"cmd/chatbridge/internal/ledger":   {"schema"},
		"cmd/chatbridge/internal/topic":    {"publisher"},
		"cmd/chatbridge/internal/audit":    {"cmd/chatbridge/internal/ledger", "cmd/chatbridge/internal/topic", "publisher", "schema"},
		"cmd/chatbridge/internal/tail":     {"cmd/chatbridge/internal/topic", "publisher", "schema"},
		"cmd/chatbridge/internal/trace":    {"cmd/chatbridge/internal/topic", "publisher", "schema"},
		"cmd/chatbridge/internal/simulate": {"cmd/chatbridge/internal/ledger", "schema"},
		"cmd/chatbridge": {
			"bridge", "bridge/ops", "bridge/relay", "bridge/resequence", "bridge/spool",
			"cmd/chatbridge/internal/audit", "cmd/chatbridge/internal/simulate",
			"cmd/chatbridge/internal/tail", "cmd/chatbridge/internal/topic", "cmd/chatbridge/internal/trace", "publisher", "schema",
		},
		"deploy/dashboard": nil,
		"integration":      nil,
	}
}

// door is an outside library and the one place that may import it.
type door struct {
	library string // the import path, or what it begins with
	only    func(file string) bool
	where   string
}

func doors() []door {
	in := func(dir string) func(string) bool {
		return func(file string) bool { return filepath.ToSlash(filepath.Dir(file)) == dir }
	}
	nowhere := func(string) bool { return false }
	return []door{
		{"github.com/labstack/echo", in("bridge/ingest"), "bridge/ingest"},
		{"github.com/segmentio/kafka-go", in("publisher"), "publisher"},
		{"github.com/prometheus/", func(file string) bool {
			return in("bridge")(file) && strings.HasPrefix(filepath.Base(file), "metrics")
		}, "bridge/metrics*.go"},
		{"github.com/go-analyze/charts", func(file string) bool { return filepath.ToSlash(file) == "bridge/ops/chart.go" }, "bridge/ops/chart.go"},
		{"go.opentelemetry.io/", func(file string) bool {
			return in("bridge")(file) && strings.HasPrefix(filepath.Base(file), "tracing")
		}, "bridge/tracing*.go"},
		{"github.com/spf13/cobra", in("cmd/chatbridge"), "cmd/chatbridge"},
		{"go.yaml.in/yaml", in("bridge"), "bridge"},
		{"github.com/RoaringBitmap/roaring", func(file string) bool {
			return filepath.ToSlash(file) == "bridge/relay/positions.go"
		}, "bridge/relay/positions.go"},
		{"github.com/grafana/", in("deploy/dashboard"), "deploy/dashboard"},
		{"github.com/testcontainers/", nowhere, "tests in integration"},
		{"github.com/chromedp/", nowhere, "tests in integration"},
		{"github.com/moby/", nowhere, "tests in integration"},
		{"github.com/twmb/franz-go/pkg/kfake", func(file string) bool {
			return filepath.ToSlash(file) == "cmd/chatbridge/dev_kafka.go"
		}, "cmd/chatbridge/dev_kafka.go"},
		{"github.com/twmb/franz-go", func(file string) bool {
			return filepath.ToSlash(file) == "cmd/chatbridge/dev_kafka.go"
		}, "tests, and cmd/chatbridge/dev_kafka.go"},
	}
}

// goPackage is what go list says of one.
type goPackage struct {
	ImportPath, Dir, Name              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	IgnoredGoFiles                     []string
	Imports                            []string
}

func (p *goPackage) short() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// file is one parsed Go file; its name is relative to the repository.
type file struct {
	name string
	test bool
	set  *token.FileSet
	*ast.File
}

func files(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var list []file
	for _, p := range packages(t) {
		all := slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles, p.IgnoredGoFiles)
		for _, name := range all {
			path := filepath.Join(p.Dir, name)
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			relative, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, file{relative, strings.HasSuffix(name, "_test.go"), set, f})
		}
	}
	return list
}

// imports lists a file's import paths.
func (f *file) imports() []string {
	var list []string
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value) // the parser has read it already
		list = append(list, path)
	}
	return list
}

func TestImportTable(t *testing.T) {
	t.Parallel()
	table := mayImport()
	for _, p := range packages(t) {
		want, known := table[p.short()]
		if !known {
			t.Errorf("package %s has no row in mayImport", p.short())
			continue
		}
		delete(table, p.short())
		var got []string
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok {
				got = append(got, ours)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("package %s imports of ours (-table +code):\n%s", p.short(), diff)
		}
	}
	for row := range table {
		t.Errorf("mayImport has a row for %s, which is no package", row)
	}
}

// TestOneDoor: each outside library is imported in one place, so that replacing
// it touches one place. Tests may use what they like, but for what they test.
func TestOneDoor(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if f.test {
			continue
		}
		for _, path := range f.imports() {
			for _, d := range doors() {
				if strings.HasPrefix(path, d.library) && !d.only(f.name) {
					t.Errorf("%s imports %s, whose one door is %s", f.name, path, d.where)
				}
			}
		}
	}
}

// TestFaultDiskIsForTests: a disk that loses what was written is out of reach of
// production code.
func TestFaultDiskIsForTests(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if !f.test && slices.Contains(f.imports(), module+"bridge/internal/disk/faultdisk") {
			t.Errorf("%s imports the disk double", f.name)
		}
	}
}

// TestBlackBox: these tests know nothing of the packages inside. One exception
// fills a spool of gigabytes, which no endpoint can do in time; the other measures
// the publisher alone.
func TestBlackBox(t *testing.T) {
	t.Parallel()
	exceptions := []string{"integration/fill_test.go", "integration/produce_test.go"}
	for _, f := range files(t) {
		if !strings.HasPrefix(f.name, "integration") || slices.Contains(exceptions, filepath.ToSlash(f.name)) {
			continue
		}
		for _, path := range f.imports() {
			if strings.HasPrefix(path, module) {
				t.Errorf("%s imports %s", f.name, path)
			}
		}
	}
}

// TestPackageComments: exactly one a package, in doc.go, or main.go of a program.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	comments := map[string][]string{}
	for _, f := range files(t) {
		dir := filepath.ToSlash(filepath.Dir(f.name))
		if _, seen := comments[dir]; !seen {
			comments[dir] = nil
		}
		if f.Doc != nil && !isDirective(f.Doc) {
			comments[dir] = append(comments[dir], filepath.Base(f.name))
		}
	}
	for dir, where := range comments {
		want := []string{"doc.go"}
		if dir == "cmd/chatbridge" {
			want = []string{"main.go"}
		}
		if !slices.Equal(where, want) {
			t.Errorf("%s has its package comment in %v, want %v", dir, where, want)
		}
	}
}

// isDirective reports whether a comment is nothing but build constraints.
func isDirective(c *ast.CommentGroup) bool {
	for _, line := range c.List {
		if !strings.HasPrefix(line.Text, "//go:") {
			return false
		}
	}
	return true
}

// sleeper is the one file without a bubble of its own that may call time.Sleep:
// it is the network inside other files' bubbles, and its delays are virtual.
const sleeper = "publisher/fabric_test.go"

// skipper is the one file that may skip: a test that needs a real Kafka, where none
// is to be had and nobody asked for one. The run's summary names each.
const skipper = "integration/kafka_way_test.go"

// TestTestsNeitherSkipNorSleep: a test that is skipped shows nothing, and one that
// sleeps is either slow or wrong. Inside a synctest bubble a sleep is neither.
func TestTestsNeitherSkipNorSleep(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		if !f.test {
			continue
		}
		virtual := slices.Contains(f.imports(), "testing/synctest") || filepath.ToSlash(f.name) == sleeper
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			selected, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			on, _ := selected.X.(*ast.Ident)
			at := f.set.Position(call.Pos())
			switch name := selected.Sel.Name; {
			case name == "Skip" || name == "Skipf" || name == "SkipNow":
				if filepath.ToSlash(f.name) != skipper && on != nil && (on.Name == "t" || on.Name == "b" || on.Name == "f" || on.Name == "tb") {
					t.Errorf("%s:%d skips", f.name, at.Line)
				}
			case name == "Sleep" && on != nil && on.Name == "time" && !virtual:
				t.Errorf("%s:%d sleeps", f.name, at.Line)
			}
			return true
		})
	}
}

// TestNoInit: what a package does at import nobody asked for.
func TestNoInit(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has a func init", f.name)
			}
		}
	}
}

// The hard limits of length; most are well below.
const (
	mostFileLines = 500
	mostFuncLines = 80
)

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	t.Parallel()
	for _, f := range files(t) {
		line := func(p token.Pos) int { return f.set.Position(p).Line }
		if n := line(f.FileEnd); n > mostFileLines {
			t.Errorf("%s has %d lines", f.name, n)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !f.test {
				if n := line(fn.End()) - line(fn.Pos()) + 1; n > mostFuncLines {
					t.Errorf("%s: %s has %d lines", f.name, fn.Name.Name, n)
				}
			}
		}
	}
}
