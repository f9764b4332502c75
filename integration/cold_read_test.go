package integration

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// coldRead is what those who were woken did and saw, by alert as in fires.
var coldRead = struct {
	sync.Mutex
	pages map[string]string
}{pages: map[string]string{}}

// temporary is a path that says nothing to a reader but its last element.
var temporary = regexp.MustCompile(regexp.QuoteMeta(strings.TrimSuffix(os.TempDir(), "/")) + `/[^\s"',;:)]*/`)

// noted keeps one alert's part of the cold read.
func noted(alert, fault, said string) {
	coldRead.Lock()
	defer coldRead.Unlock()
	name, severity, _ := strings.Cut(alert, " ")
	coldRead.pages[alert] += fmt.Sprintf("%s. [%s](runbook.md#%s) fires, %s. The runbook's commands:\n\n```\n%s```\n\n",
		fault, name, strings.ToLower(name), severity, temporary.ReplaceAllString(said, ""))
}

const coldReadHead = `# A cold read of the runbook

Made by ` + "`make cold-read`" + `: for each alert the fault is made, a real Prometheus scrapes the bridge until the alert fires (the time
that it waits first left out), and the commands by which the [runbook](runbook.md) says how to look are typed into a shell, as they
stand there. Below is what they printed, shortened by nothing but the folders of the tests.

`

// writeColdRead writes the whole to sizes.coldRead, in the order of the alerts, and
// says which were not read.
func writeColdRead() error {
	rules, err := readAlertRules()
	if err != nil {
		return err
	}
	text, missing := coldReadHead, []string{}
	for _, r := range rules {
		alert := r.section() + " " + r.Labels["severity"]
		page, ok := coldRead.pages[alert]
		if !ok {
			missing = append(missing, alert)
			continue
		}
		text += "## " + alert + "\n\n" + page
	}
	if len(missing) > 0 {
		return fmt.Errorf("the cold read has nothing of %s", strings.Join(missing, ", "))
	}
	return os.WriteFile(sizes.coldRead, []byte(strings.TrimRight(text, "\n")+"\n"), 0o644)
}

// TestTheColdReadIsWhole: docs/cold-read.md has each alert, and the commands that the
// runbook has now.
func TestTheColdReadIsWhole(t *testing.T) {
	t.Parallel()
	text := readFile(t, "../docs/cold-read.md")
	sections := runbookSections(t)
	for _, r := range alertRules(t) {
		alert := r.section() + " " + r.Labels["severity"]
		_, page, ok := strings.Cut(text, "## "+alert+"\n")
		if !ok {
			t.Errorf("docs/cold-read.md has nothing of %s: make cold-read", alert)
			continue
		}
		page, _, _ = strings.Cut(page, "\n## ")
		for _, command := range looks(sections[r.section()]) {
			if !strings.Contains(page, "$ "+command+"\n") {
				t.Errorf("docs/cold-read.md does not try %q for %s: make cold-read", command, alert)
			}
		}
	}
}
