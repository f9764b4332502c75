package integration

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// found returns what the pattern's one group matches in a file.
func found(t testing.TB, file, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		t.Fatalf("%s has nothing like %s", file, pattern)
	}
	return string(match[1])
}

// TestComposeRunsTheNewestKafka: the version stands in kafka/version; compose
// cannot read it there.
func TestComposeRunsTheNewestKafka(t *testing.T) {
	t.Parallel()
	newest, err := newestVersion()
	if err != nil {
		t.Fatal(err)
	}
	if got := found(t, "../docker-compose.yml", `image: apache/kafka:\$\{KAFKA_VERSION:-([0-9.]+)\}`); got != newest {
		t.Errorf("docker-compose.yml runs Kafka %s, kafka/version says %s", got, newest)
	}
}

// TestAStopIsGivenMoreThanItsTimeout: whoever stops the bridge from outside kills
// it only after shutdown_timeout, which ends the drain from within.
func TestAStopIsGivenMoreThanItsTimeout(t *testing.T) {
	t.Parallel()
	drain := found(t, "../deploy/chatbridge.example.yaml", `(?m)^shutdown_timeout: (\d+)s$`)
	for file, pattern := range map[string]string{
		"../docker-compose.yml":          `(?s)\n  chatbridge:.*stop_grace_period: (\d+)s`,
		"../deploy/chatbridge.service":   `(?m)^TimeoutStopSec=(\d+)s?$`,
		"../deploy/k8s/statefulset.yaml": `(?m)^ +terminationGracePeriodSeconds: (\d+)$`,
	} {
		given, want := number(t, found(t, file, pattern)), number(t, drain)
		if given < want+5 {
			t.Errorf("%s gives a stop %d s; with shutdown_timeout at %d s it needs five more", file, given, want)
		}
	}
}

// TestTheRunbookLooksWhereTheSpoolIs: the variable that the runbook has set in a shell
// is what the unit says to the bridge, and the image.
func TestTheRunbookLooksWhereTheSpoolIs(t *testing.T) {
	t.Parallel()
	want := found(t, "../docs/runbook.md", `(?m)^export CHATBRIDGE_SPOOL_DIR=(\S+)`)
	if got := "/var/lib" + found(t, "../deploy/chatbridge.service", `(?m)^Environment=CHATBRIDGE_SPOOL_DIR=%S(\S+)$`); got != want {
		t.Errorf("the unit's spool is %s, the runbook looks at %s", got, want)
	}
	if got := found(t, "../deploy/Dockerfile", `(?m)^ENV (?:.*\\\n)*.*CHATBRIDGE_SPOOL_DIR=(\S+)$`); got != want {
		t.Errorf("the image's spool is %s, the runbook says %s", got, want)
	}
}

func number(t testing.TB, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
