package integration

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// TestStatusOfALiveBridge: what the bridge says of itself, in a terminal and by the
// exit code, without Kafka, with it, behind a password, and where nobody answers.
func TestStatusOfALiveBridge(t *testing.T) {
	t.Parallel()
	kafka := newKafka(t, spec{})
	b := startBridge(t, kafka, "ops.password=a long password of the tests")
	say(t, b, "group", 1, 1)
	status := func(code int, level string) error {
		stdout, stderr, got := run(t, append([]string{"status", "--json"}, b.settings()...)...)
		var s struct {
			Level, Sentence string
			Sink            struct{ OK bool }
		}
		if err := json.Unmarshal([]byte(stdout), &s); err != nil || strings.Contains(stdout+stderr, "a long password") {
			t.Fatalf("status: exit %d, %q, %s: %v", got, stdout, stderr, err)
		}
		if (s.Level == "good") != (level == "good") || got != code || s.Sentence == "" {
			return fmt.Errorf("status: exit %d and\n%s\nwant exit %d and level %s", got, stdout, code, level)
		}
		return nil
	}
	eventually(t, "status says that Kafka is away", func() error { return status(1, "degraded") })
	stdout, _, code := run(t, append([]string{"status"}, b.settings()...)...)
	if code != 1 || !strings.Contains(stdout, "\nsafe ") || !strings.Contains(stdout, "\nto do ") {
		t.Errorf("status: exit %d and\n%s\nwant exit 1, what is safe and what to do", code, stdout)
	}
	if _, stderr, code := run(t, "status", "--url", b.ops); code != 1 || !strings.Contains(stderr, "401") {
		t.Errorf("status without the password: exit %d, %s", code, stderr)
	}
	kafka.start()
	kafka.answers()
	eventually(t, "status says that all is well", func() error { return status(0, "good") })
	for _, part := range []string{"Ingest", "Spool", "Disk", "Relay", "Kafka"} {
		if stdout, _, _ := run(t, append([]string{"status"}, b.settings()...)...); !strings.Contains(stdout, "\n"+part+" ") {
			t.Errorf("status does not show %s:\n%s", part, stdout)
		}
	}
	withPassword := strings.Replace(b.ops, "http://", "http://operator:"+url.PathEscape("a long password of the tests")+"@", 1)
	// The leaders of topics that are this young may be elected once more.
	eventually(t, "status takes the password of the URL", func() error {
		stdout, stderr, code := run(t, "status", "--url", withPassword)
		if code != 0 {
			return fmt.Errorf("exit %d, %s%s", code, stdout, stderr)
		}
		return nil
	})
	b.kill()
	if stdout, _, code := run(t, append([]string{"status", "--json"}, b.settings()...)...); code != 1 || !strings.Contains(stdout, `"sentence": "no bridge answers at `) {
		t.Errorf("status --json of a bridge that is gone: exit %d, %s", code, stdout)
	}
	if _, stderr, code := run(t, append([]string{"status"}, b.settings()...)...); code != 1 || !strings.Contains(stderr, "is serve running") {
		t.Errorf("status of a bridge that is gone: exit %d, %s", code, stderr)
	}
}
