package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alertsFile is what Prometheus loads, alertsTests what promtool tests it by.
const (
	alertsFile  = "../deploy/alerts.yml"
	alertsTests = "../deploy/alerts_test.yml"
	runbookURL  = "https://github.com/chatbridge/chatbridge/blob/main/docs/runbook.md#"
)

// rule is one of deploy/alerts.yml. Two rules of one alert differ in severity.
type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// section is the runbook's heading for the alert.
func (r *rule) section() string { return strings.TrimPrefix(r.Alert, "Chatbridge") }

// line is how the runbook says when the alert comes.
func (r *rule) line() string {
	when := "at once"
	if r.For != "" {
		when = "for " + r.For
	}
	return fmt.Sprintf("- %s: `%s`, %s\n", r.Labels["severity"], strings.Join(strings.Fields(r.Expr), " "), when)
}

func alertRules(t testing.TB) []rule {
	t.Helper()
	rules, err := readAlertRules()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func readAlertRules() ([]rule, error) {
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		return nil, err
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", alertsFile, err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) == 0 {
		return nil, fmt.Errorf("%s has not one group of rules", alertsFile)
	}
	return file.Groups[0].Rules, nil
}

var runbookHeading = regexp.MustCompile(`(?m)^## (.*)\n`)

// runbookSections is the runbook, by heading.
func runbookSections(t testing.TB) map[string]string {
	t.Helper()
	text := readFile(t, "../docs/runbook.md")
	headings := runbookHeading.FindAllStringSubmatchIndex(text, -1)
	all := map[string]string{}
	for i, h := range headings {
		end := len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		all[text[h[2]:h[3]]] = text[h[1]:end]
	}
	return all
}

// TestEveryAlertIsInTheRunbook: each alert leads to a section that says when it
// comes, what it means, what is safe, how to look and what to do; and each section
// is an alert's.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	t.Parallel()
	sections := runbookSections(t)
	used := map[string]bool{}
	for _, r := range alertRules(t) {
		name := r.section()
		text, ok := sections[name]
		used[name] = true
		if !ok || name == r.Alert {
			t.Errorf("%s has no section in the runbook", r.Alert)
			continue
		}
		if want := runbookURL + strings.ToLower(name); r.Annotations["runbook_url"] != want {
			t.Errorf("%s leads to %s, not to %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" {
			t.Errorf("%s has the severity %q and the summary %q", r.Alert, r.Labels["severity"], r.Annotations["summary"])
		}
		if !strings.Contains(text, r.line()) {
			t.Errorf("the runbook's section %s lacks the line\n%s", name, r.line())
		}
		for _, part := range []string{"**Means.** ", "**Safe.** ", "**Look.**\n\n```sh\n", "**Do.** "} {
			if strings.Count(text, part) != 1 {
				t.Errorf("the runbook's section %s has %q %d times", name, part, strings.Count(text, part))
			}
		}
	}
	for name, text := range sections {
		if !used[name] {
			t.Errorf("the runbook has a section %s, and there is no such alert", name)
		}
		if n := strings.Count(text, "\n- "); used[name] && n > 2 {
			t.Errorf("the runbook's section %s speaks of %d rules", name, n)
		}
	}
}

// TestAlertsAskForWhatIsExported: each metric that a rule asks for, and each value
// of a label that the bridge has from the start, is in docs/metrics.md.
func TestAlertsAskForWhatIsExported(t *testing.T) {
	t.Parallel()
	known := documented(t)
	page := readFile(t, "../docs/metrics.md")
	metric := regexp.MustCompile(`\b(chatbridge|process)_[a-z_]+|\bup\b`)
	selected := regexp.MustCompile(`(chatbridge_[a-z_]+)\{(outcome|kind|order|reason|change)=~?"([^"]+)"`)
	for _, r := range alertRules(t) {
		names := metric.FindAllString(r.Expr, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing: %s", r.Alert, r.Expr)
		}
		for _, name := range names {
			if _, ok := known[baseName(name)]; !ok && name != "up" && name != "process_start_time_seconds" {
				t.Errorf("%s asks for %s, which no bridge exports", r.Alert, name)
			}
		}
		for _, m := range selected.FindAllStringSubmatch(r.Expr, -1) {
			row := regexp.MustCompile("(?m)^\\| `" + m[1] + "` \\| " + m[2] + " \\| (.*) \\|$").FindStringSubmatch(page)
			if row == nil {
				t.Errorf("%s selects %s of %s, whose values docs/metrics.md does not have", r.Alert, m[2], m[1])
				continue
			}
			for value := range strings.SplitSeq(m[3], "|") {
				if !regexp.MustCompile("`" + value + "`").MatchString(row[1]) {
					t.Errorf("%s selects %s %q of %s, which has %s", r.Alert, m[2], value, m[1], row[1])
				}
			}
		}
	}
}

// dashboardQueries are the dashboard's, by the title of the panel.
func dashboardQueries(t testing.TB) map[string][]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "../deploy/dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all[p.Title] = append(all[p.Title], target.Expr)
		}
	}
	if len(all) == 0 {
		t.Fatal("the dashboard asks for nothing")
	}
	return all
}

// TestTheDashboardShowsWhatIsExported: each metric in it is in docs/metrics.md.
func TestTheDashboardShowsWhatIsExported(t *testing.T) {
	t.Parallel()
	known := documented(t)
	for title, queries := range dashboardQueries(t) {
		for _, query := range queries {
			for _, name := range regexp.MustCompile(`chatbridge_[a-z_]+`).FindAllString(query, -1) {
				if _, ok := known[baseName(name)]; !ok {
					t.Errorf("the dashboard's panel %q asks for %s, which no bridge exports", title, name)
				}
			}
		}
	}
}

// TestEveryAlertIsTestedBothWays: promtool's tests have, for each rule, a time at
// which it fires, and one at which no rule of the alert does.
func TestEveryAlertIsTestedBothWays(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			Rules []struct {
				Name string `yaml:"alertname"`
				Want []struct {
					Labels map[string]string `yaml:"exp_labels"`
				} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	text, err := os.ReadFile(alertsTests)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, at := range test.Rules {
			if len(at.Want) == 0 {
				rests[at.Name] = true
			}
			for _, alert := range at.Want {
				fires[at.Name+" "+alert.Labels["severity"]] = true
			}
		}
	}
	for _, r := range alertRules(t) {
		if !fires[r.Alert+" "+r.Labels["severity"]] {
			t.Errorf("%s tests no %s that fires with the severity %s", alertsTests, r.Alert, r.Labels["severity"])
		}
		if !rests[r.Alert] {
			t.Errorf("%s tests no %s that does not fire", alertsTests, r.Alert)
		}
	}
}

// TestEveryAlertIsMadeForReal: the runbook's tests make the fault of each alert.
func TestEveryAlertIsMadeForReal(t *testing.T) {
	t.Parallel()
	source := readFile(t, "runbook_test.go")
	for _, r := range alertRules(t) {
		alert := r.section() + " " + r.Labels["severity"]
		if !strings.Contains(source, fmt.Sprintf(", %q,", alert)) {
			t.Errorf("%s is not made for real", alert)
		}
	}
}
