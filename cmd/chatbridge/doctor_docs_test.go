package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doctorSource is the source of doctor.
func doctorSource(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("doctor*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// docs/doctor.md has every check, every line that is not ok with its level, and no
// other.
func TestDoctorsDocumentIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	source := doctorSource(t)
	matches := func(pattern, in string, row func(match []string) string) map[string]bool {
		found := map[string]bool{}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(in, -1) {
			found[row(match)] = true
		}
		return found
	}
	first := func(match []string) string { return strings.TrimSpace(match[1]) }

	checks := matches("(?m)^\\| `([^`]+)` \\| \\S", string(text), first)
	made := matches(`(?:d\.(?:ok|warn|fail)\(|check := |where := |where = )"([a-z ]+)"`, source, first)
	if diff := cmp.Diff(made, checks); diff != "" {
		t.Errorf("the checks (-source +docs/doctor.md):\n%s", diff)
	}

	verbs := regexp.MustCompile(`(?:%[svd])+`)
	lines := matches("(?m)^\\| (warn|fail|fail or warn) \\| [a-z ]+ \\| `([^`]+)` \\| \\S", string(text), func(match []string) string {
		return match[1] + " " + match[2]
	})
	written := matches(`d\.(warn|fail|add)\((?:level, )?(?:"[^"]+"|check), (?:fmt\.Sprintf\()?"([^"]+)"`, source, func(match []string) string {
		return strings.Replace(match[1], "add", "fail or warn", 1) + " " + verbs.ReplaceAllString(match[2], "…")
	})
	delete(written, "warn …") // a sentence of somebody else, or put together
	delete(written, "fail …")
	if diff := cmp.Diff(written, lines); diff != "" {
		t.Errorf("the lines (-source +docs/doctor.md):\n%s", diff)
	}
}
