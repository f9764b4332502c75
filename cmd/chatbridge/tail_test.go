package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestTailShowsOneLineAMessage(t *testing.T) {
	t.Parallel()
	broker, _ := newAuditedTopic(t, auditedMessages())
	r := runCommand(t, "tail", "--brokers", broker, "--from", "earliest", "--follow=false")
	want := []string{
		"room 7/#east             #1       anna: message 1 ·[2J",
		"room 7/#east             #2       anna: message 2 ·[2J",
		"room 7/#east             #5       [hole 3-4] anna: message 5 ·[2J",
		"room 7/#east             #3       [▲late] anna: message 3 ·[2J",
		"west                     #2       anna: message 2 ·[2J",
	}
	for _, line := range want {
		if !strings.Contains(r.stdout, line+"\n") {
			t.Errorf("no line %q in\n%s", line, r.stdout)
		}
	}
	if r.code != exitGood || strings.Count(r.stdout, "\n") != 7 || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if first, _, _ := strings.Cut(r.stdout, "  "); first != testNow().Add(-99*time.Second).Format("15:04:05.000") {
		t.Errorf("the first line begins with %q", first)
	}
	r = fake{terminal: true}.run(t.Context(), "tail", "--brokers", broker, "--from", "earliest", "--follow=false")
	if !strings.Contains(r.stdout, string(uneasy)+"[▲late] "+colorEnd) {
		t.Errorf("no colors on a terminal: %q", r.stdout)
	}
}

// The dead letters are read with the same command and the same configuration.
func TestTailReadsTheDeadLettersToo(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "chat.group-messages.dlq"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	broker := cluster.ListenAddrs()[0]
	producer, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	letter := &kgo.Record{Topic: "chat.group-messages.dlq", Value: []byte("{"), Headers: []kgo.RecordHeader{
		{Key: "chatbridge-reason", Value: []byte("not-json")}, {Key: "chatbridge-detail", Value: []byte("a sentence")},
	}}
	if err := producer.ProduceSync(t.Context(), letter).FirstErr(); err != nil {
		t.Fatal(err)
	}
	args := []string{"tail", "--brokers", broker, "--topic", "chat.group-messages.dlq", "--from", "earliest", "--follow=false"}
	r := runCommand(t, args...)
	if r.code != exitGood || !strings.Contains(r.stdout, "dead letter, at partition 0 offset 0: not-json: a sentence\n") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = runCommand(t, append(args, "--json")...)
	if r.code != exitGood || !strings.Contains(r.stdout, `"chatbridge-reason":"not-json"`) {
		t.Errorf("--json: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestTailSelects(t *testing.T) {
	t.Parallel()
	broker, _ := newAuditedTopic(t, auditedMessages())
	for _, c := range []struct {
		args  []string
		lines int
	}{
		{[]string{"--from", "earliest", "--group", "west", "--follow=false"}, 2},
		{[]string{"--from", "earliest", "--group", "west", "--group", "room 7/#east", "--follow=false"}, 7},
		{[]string{"--from", "earliest", "--count", "3"}, 3},
		{[]string{"--from", "1", "--follow=false"}, 6},
		{[]string{"--from", "latest", "--follow=false"}, 0},
		{[]string{"--from", "1s", "--follow=false"}, 0},
		{[]string{"--from", "1h", "--follow=false"}, 7},
	} {
		r := runCommand(t, append([]string{"tail", "--brokers", broker}, c.args...)...)
		if n := strings.Count(r.stdout, "\n"); r.code != exitGood || n != c.lines {
			t.Errorf("%v: exit %d, %d lines, want %d\n%s%s", c.args, r.code, n, c.lines, r.stdout, r.stderr)
		}
	}
}

func TestTailPrintsJSON(t *testing.T) {
	t.Parallel()
	broker, _ := newAuditedTopic(t, auditedMessages())
	r := runCommand(t, "tail", "--brokers", broker, "--from", "earliest", "--follow=false", "--json")
	n := 0
	for line := range strings.Lines(r.stdout) {
		var record struct {
			Partition *int
			Offset    *int64
			Headers   map[string]string
			Value     struct{ Message struct{ Seq uint64 } }
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if record.Partition == nil || record.Offset == nil || record.Headers["ce_id"] == "" || record.Value.Message.Seq == 0 {
			t.Errorf("%s", line)
		}
		n++
	}
	if r.code != exitGood || n != 7 {
		t.Errorf("exit %d, %d lines", r.code, n)
	}
}

// A person ends tail with Ctrl-C; that is no failure.
func TestTailEndsWellWhenInterrupted(t *testing.T) {
	t.Parallel()
	broker, _ := newAuditedTopic(t, auditedMessages())
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelAfter{lines: 7, cancel: cancel}
	env := &environment{
		stdin: strings.NewReader(""), stdout: out, stderr: new(bytes.Buffer),
		isTerminal: func(any) bool { return false },
		environ:    func() []string { return nil },
		getenv:     func(string) string { return "" },
		now:        testNow,
	}
	if code := run(ctx, env, []string{"tail", "--brokers", broker, "--from", "earliest"}); code != exitGood {
		t.Errorf("exit %d: %s", code, env.stderr)
	}
}

// cancelAfter calls cancel when so many lines have been written to it.
type cancelAfter struct {
	lines  int
	cancel func()
}

func (c *cancelAfter) Write(p []byte) (int, error) {
	if c.lines -= bytes.Count(p, []byte("\n")); c.lines <= 0 {
		c.cancel()
	}
	return len(p), nil
}
