package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

const auditedTopic = "chat.group-messages"

// auditedMessage is one message of the topic that the tests look at.
type auditedMessage struct {
	group string
	seq   uint64
	order schema.Order
	hole  schema.Hole
}

// auditedMessages are a topic with everything that is no fault, of two groups.
func auditedMessages() []auditedMessage {
	const east, west = "room 7/#east", "west"
	return []auditedMessage{
		{east, 1, schema.InOrder, schema.Hole{}},
		{west, 1, schema.InOrder, schema.Hole{}},
		{east, 2, schema.InOrder, schema.Hole{}},
		{east, 5, schema.AfterHole, schema.Hole{From: 3, To: 4}},
		{west, 2, schema.InOrder, schema.Hole{}},
		{east, 3, schema.Late, schema.Hole{}},
		{east, 6, schema.InOrder, schema.Hole{}},
	}
}

// newAuditedTopic writes messages to a topic on kfake, one second apart, and the
// ledger of the one who sent them. The number 4 of the first group is dropped.
func newAuditedTopic(t *testing.T, messages []auditedMessage) (broker, ledgerPath string) {
	t.Helper()
	const partitions = 3
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, auditedTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	broker = cluster.ListenAddrs()[0]
	producer, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	lines := []*ledger.Line{{Kind: ledger.Run}}
	for _, m := range auditedMessages() {
		lines = append(lines, &ledger.Line{Kind: ledger.Reserved, App: 1, Group: m.group, Seq: 1, To: 9})
		lines = append(lines, &ledger.Line{Kind: ledger.OK, App: 1, Group: m.group, Seq: m.seq, ID: auditedEvent(t, m).ID})
	}
	lines = append(lines, &ledger.Line{Kind: ledger.Dropped, App: 1, Group: "room 7/#east", Seq: 4}, &ledger.Line{Kind: ledger.End})
	for _, m := range messages {
		e := auditedEvent(t, m)
		value, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{
			Topic: auditedTopic, Partition: int32(publisher.PartitionFor([]byte(m.group), partitions)),
			Key: []byte(m.group), Value: value, Timestamp: e.RecordTime(),
		}
		for _, h := range e.Headers(m.order, m.hole) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if err := producer.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	ledgerPath = filepath.Join(t.TempDir(), "l.jsonl")
	w, _, err := ledger.Open(ledgerPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(lines...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return broker, ledgerPath
}

func auditedEvent(t *testing.T, m auditedMessage) *schema.Event {
	t.Helper()
	at := testNow().Unix() - 100 + int64(m.seq)
	body := fmt.Sprintf(`{"GroupId":%q,"From_Account":"anna","Random":%d,"MsgSeq":%d,"MsgTime":%d,`+
		`"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"message %d \u001b[2J"}}]}`, m.group, m.seq, m.seq, at, m.seq)
	e, err := schema.Normalize(schema.Request{AppID: 1, ReceivedAt: time.Unix(at, 5e8)}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The command is P9 as a user sees it: its exit code and its last line.
func TestAuditProvesACleanTopic(t *testing.T) {
	t.Parallel()
	broker, ledgerPath := newAuditedTopic(t, auditedMessages())
	r := runCommand(t, "audit", "--brokers", broker, "--ledger", ledgerPath)
	const want = "audit: clean: 7 messages, 0 lost, 0 doubled, 0 out of order, 1 hole (all dropped by the sender)\n"
	if r.code != exitGood || !strings.HasSuffix(r.stdout, want) || !strings.Contains(r.stdout, "topic "+auditedTopic+", 3 partitions, 7 records, 2 streams") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = runCommand(t, "audit", "--brokers", broker, "--topic", auditedTopic, "--from", "24h")
	if r.code != exitGood || !strings.HasSuffix(r.stdout, "audit: clean: 7 messages, 0 doubled, 0 out of order, 1 hole\n") || strings.Contains(r.stdout, "lost ") {
		t.Errorf("without a ledger: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// An audit of nothing is no proof, and must not look like one.
func TestAuditSaysThatItReadNothing(t *testing.T) {
	t.Parallel()
	broker, _ := newAuditedTopic(t, auditedMessages())
	r := runCommand(t, "audit", "--brokers", broker, "--from", "latest")
	if r.code != exitGood || !strings.Contains(r.stdout, "\nNo record was read") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestAuditFailsOnABrokenPromise(t *testing.T) {
	t.Parallel()
	damaged := auditedMessages()
	damaged = append(damaged[:2], damaged[3:]...)   // number 2 is lost
	damaged = append(damaged, auditedMessages()[0]) // number 1 is there again
	broker, ledgerPath := newAuditedTopic(t, damaged)
	r := runCommand(t, "audit", "--brokers", broker, "--ledger", ledgerPath)
	if r.code != exitFailure || r.stderr != "" {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
	for _, want := range []string{
		"audit: 3 violations in 6 messages: 1 lost, 1 doubled, 1 unmarked-gap\n",
		`group "room 7/#east", seq 2, id `,
		`number 2 is missing before it`,
		"it is at partition ",
		"audit again when it has published it",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
	r = runCommand(t, "audit", "--brokers", broker, "--ledger", ledgerPath, "--json")
	var report struct {
		Topic    string
		Clean    bool
		Findings []struct {
			Verdict  string
			Count    int
			Examples []struct {
				Partition int
				Group     string
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	if r.code != exitFailure || report.Clean || report.Topic != auditedTopic || len(report.Findings) != 3 ||
		report.Findings[0].Verdict != "lost" || report.Findings[0].Examples[0].Group != "room 7/#east" {
		t.Errorf("exit %d, %+v", r.code, report)
	}
}

func TestAuditNamesWhatIsWrongWithItsFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--from", "yesterday"}, "--from"},
		{[]string{"--to", "yesterday"}, "--to"},
		{[]string{"--to", "earliest"}, "leaves nothing"},
		{[]string{"--from", "5", "--to", "4"}, "leaves nothing"},
		{[]string{"--from", "1h", "--to", "2h"}, "leaves nothing"},
		{[]string{"--ledger", "a", "--ledger", "b"}, "given twice"},
		{[]string{"--examples", "0"}, "--examples"},
		{[]string{"--brokers", "no port"}, "kafka.brokers"},
	} {
		r := runCommand(t, append([]string{"audit"}, c.args...)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: exit %d: %s", c.args, r.code, r.stderr)
		}
	}
}

func TestAuditWithoutAVerdictIsAFailureAndSaysWhy(t *testing.T) {
	t.Parallel()
	broker, _ := newAuditedTopic(t, nil)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--ledger", "missing.jsonl"}, "missing.jsonl"},
		{[]string{"--topic", "nothing.here"}, "nothing.here"},
	} {
		r := runCommand(t, append([]string{"audit", "--brokers", broker}, c.args...)...)
		if r.code != exitFailure || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%v: exit %d: %s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
}
