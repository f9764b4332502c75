package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a topic may be like, and what may happen to it while the bridge runs.

// TestCodecs: what is sent with each codec is in the topic once and in order
// (P1, P3, P4), the broker says that it is that codec, and others can read it.
func TestCodecs(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	stored := uint64(0)
	t.Run("by", func(t *testing.T) {
		for codec, want := range map[string]kgo.CompressionCodecType{
			"none": kgo.CodecNone, "gzip": kgo.CodecGzip, "snappy": kgo.CodecSnappy, "lz4": kgo.CodecLz4, "zstd": kgo.CodecZstd,
		} {
			t.Run(codec, func(t *testing.T) {
				b := startBridge(t, kafka, "kafka.compression="+codec, "kafka.partitions=3")
				ledger := newLedger(t)
				s := send(b, ledger, "--rate", "0", "--count", "1000")
				audit(b, ledger)
				inOrderAsTailHasIt(t, b, s.MessagesStored)
				for _, r := range kafka.read(b.events, func(all []*kgo.Record) bool { return uint64(len(all)) == s.MessagesStored }) {
					if got := kgo.CompressionCodecType(r.Attrs.CompressionType()); got != want {
						t.Fatalf("partition %d offset %d is compressed with %d, want %d", r.Partition, r.Offset, got, want)
					}
					if !json.Valid(r.Value) {
						t.Fatalf("partition %d offset %d: %q", r.Partition, r.Offset, r.Value)
					}
				}
				stored += s.MessagesStored
				b.kill()
			})
		}
	})
	readByJava(t, kafka, `chat\.TestCodecs-by-[a-z0-9]+\.[^.]+`, stored)
}

// readByJava has Kafka's own console consumer read topics, where its jars are.
func readByJava(t *testing.T, kafka *cluster, topics string, want uint64) {
	t.Helper()
	if kafka.way.name != "JVM process" {
		return
	}
	jars, err := get("jars", kafka.way.version)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(jars, "*"), "org.apache.kafka.tools.consumer.ConsoleConsumer",
		"--bootstrap-server", kafka.addr, "--include", topics, "--from-beginning", "--max-messages", fmt.Sprint(want), "--timeout-ms", "60000")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("the console consumer: %v: %s", err, said.String())
	}
	lines := uint64(0)
	for line := range bytes.Lines(out.Bytes()) {
		if !json.Valid(line) {
			t.Fatalf("the console consumer shows %q", line)
		}
		lines++
	}
	if lines != want {
		t.Errorf("the console consumer shows %d messages, want %d", lines, want)
	}
}

// TestSmallTopics: a topic that takes less than a batch of ours gets its messages
// in smaller ones (P1, P3, P4). A message that is too large for it is a dead letter
// that says why (P6); one that is too large for the dead-letter topic as well is
// there cut, and whole in a file.
func TestSmallTopics(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	const limit, deadLimit = 4000, 2500
	b := newBridge(t, kafka, "kafka.compression=none", "kafka.create_topics=false")
	kafka.makeTopic(b.events, 3, fmt.Sprintf("max.message.bytes=%d", limit))
	kafka.makeTopic(b.dead, 1, fmt.Sprintf("max.message.bytes=%d", deadLimit))
	b.start()
	b.ready()
	ledger := newLedger(t)
	send(b, ledger, "--rate", "0", "--count", "1000")
	v := audit(b, ledger)
	if _, code := topicsCheck(b); code != 1 {
		t.Errorf("topics check of topics that are too small: exit %d", code)
	}
	for _, length := range []int{6000, 200_000} {
		if a := post(t, b, query(commandAfterSend), callbackOf("large", 1, length)); !a.ok() {
			t.Fatalf("answer %+v", a)
		}
	}
	b.drained()
	for _, r := range kafka.read(b.dead, func(all []*kgo.Record) bool { return len(all) == 2 }) {
		if got := header(r, "chatbridge-reason"); got != "too-large-for-topic" {
			t.Errorf("reason %q", got)
		}
		if !strings.Contains(header(r, "chatbridge-detail"), "max.message.bytes") {
			t.Errorf("detail %q", header(r, "chatbridge-detail"))
		}
		if cut := header(r, "chatbridge-truncated"); cut == "" || len(r.Value) >= deadLimit {
			t.Errorf("%d bytes, cut from %q", len(r.Value), cut)
		}
	}
	whole, err := filepath.Glob(b.spool + "-large/*.body")
	if err != nil || len(whole) != 2 {
		t.Errorf("files %v, %v", whole, err)
	}
	for _, file := range whole {
		if text, err := os.ReadFile(file); err != nil || !json.Valid(text) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if again := audit(b, ledger); again.Messages != v.Messages {
		t.Errorf("%d messages, then %d", v.Messages, again.Messages)
	}
}

// callbackOf is a callback whose text is of a length.
func callbackOf(group string, seq, length int) []byte {
	return fmt.Appendf(nil, `{"CallbackCommand":%q,"GroupId":%q,"Type":"Public","From_Account":"jared","Random":%d,"MsgSeq":%d,"MsgTime":%d,`+
		`"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":%q}}]}`, commandAfterSend, group, length, seq, time.Now().Unix(), strings.Repeat("x", length))
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// TestLogAppendTime: a topic that gives records the broker's time is published to
// once and in order, also over a kill (P1, P3, P4), and tail and audit find their
// place in it by time.
func TestLogAppendTime(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := newBridge(t, kafka, "kafka.create_topics=false")
	kafka.makeTopic(b.events, 3, "message.timestamp.type=LogAppendTime")
	kafka.makeTopic(b.dead, 1)
	b.start()
	b.ready()
	ledger := newLedger(t)
	s := startSend(b, ledger, "--rate", "2000", "--count", "4000")
	eventually(t, "half is published", func() error { return b.above("chatbridge_publish_records_total", 2000) })
	b.kill()
	b.start()
	b.ready()
	sum := s.summary()
	v := audit(b, ledger)
	stdout, stderr, code := run(t, append([]string{"tail", "--from", "10m", "--follow=false", "--json"}, b.settings()...)...)
	if n := uint64(strings.Count(stdout, "\n")); code != 0 || n != v.Messages {
		t.Errorf("tail of the last ten minutes: exit %d, %d messages, want %d: %s", code, n, v.Messages, stderr)
	}
	stdout, stderr, code = run(t, append([]string{"audit", "--from", "10m", "--json", "--ledger", ledger}, b.settings()...)...)
	if code != 0 {
		t.Errorf("audit of the last ten minutes: exit %d, %s%s", code, stdout, stderr)
	}
	t.Log(sum)
}

// TestMorePartitions: a topic that is given partitions under load is noticed
// without a restart, and said in the log and a metric; nothing is lost or doubled,
// and each group is in order in each partition (P1, P3, P4). A tail that runs
// shows what comes into the new ones; audit explains what lies in the old ones.
func TestMorePartitions(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := newBridge(t, kafka, "kafka.create_topics=false")
	kafka.makeTopic(b.events, 3)
	kafka.makeTopic(b.dead, 1)
	b.start()
	b.ready()
	follower := startTail(b)
	ledger := newLedger(t)
	s := startSend(b, ledger, "--rate", "1000", "--count", "0")
	eventually(t, "messages are published", func() error { return b.above("chatbridge_publish_records_total", 1000) })
	kafka.morePartitions(b.events, 8)
	changed := `chatbridge_topic_changes_total{change="more-partitions"}`
	eventually(t, "the partitions are noticed", func() error { return b.above(changed, 0) })
	eventually(t, "there are eight lanes", func() error { return b.has(`chatbridge_partition_open_records{partition="7"}`) })
	before := b.metric("chatbridge_publish_records_total")
	eventually(t, "messages are published in the new ones", func() error { return b.above("chatbridge_publish_records_total", before+1000) })
	s.stop()
	if n := b.metric(changed); n != 1 {
		t.Errorf("%s is %v", changed, n)
	}
	if n := strings.Count(readFile(t, b.log), "the events topic has more partitions"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	b.drained()
	stdout, _, code := run(t, append([]string{"audit", "--ledger", ledger}, b.settings()...)...)
	if code != 1 || !strings.Contains(stdout, "audit with --grown-from 3.") || !regexp.MustCompile(`violations in \d+ messages: \d+ wrong-partition\n`).MatchString(stdout) {
		t.Errorf("audit of a topic that has grown: exit %d, %s", code, stdout)
	}
	v := auditWith(b, ledger, "--grown-from", "3")
	follower.shows(v.Messages, "7")
}

// TestTopicMadeAnew: a topic that is deleted, and made again while callbacks come,
// also with fewer or more partitions, gets everything that was not settled, once
// and in order (P1, P3, P4): what was answered OK while there was no topic is there
// in any case. The callbacks are answered all the time (P2), and the log and a
// metric say what happened. Then all goes on as before.
func TestTopicMadeAnew(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	for name, c := range map[string]struct {
		partitions int
		change     string
	}{
		"as it was":             {6, "made-anew"},
		"with fewer partitions": {2, "fewer-partitions"},
		"with more partitions":  {9, "more-partitions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBridge(t, kafka, "kafka.create_topics=false")
			kafka.makeTopic(b.events, 6)
			kafka.makeTopic(b.dead, 1)
			b.start()
			b.ready()
			follower := startTail(b)
			gone := send(b, newLedger(t), "--rate", "0", "--count", "1000", "--seed", "1")
			b.drained()
			follower.shows(gone.MessagesStored, "0")
			kafka.deleteTopic(b.events)
			ledger := newLedger(t)
			away := send(b, ledger, "--rate", "0", "--count", "2000")
			if away.OK != away.Callbacks {
				t.Errorf("%d of %d callbacks were answered OK", away.OK, away.Callbacks)
			}
			eventually(t, "/sinkz says it", func() error {
				return b.sinkSays(regexp.MustCompile("topic .+: the topic or partition does not exist"))
			})
			kafka.makeTopic(b.events, c.partitions)
			eventually(t, "the change is noticed", func() error {
				return b.above(fmt.Sprintf("chatbridge_topic_changes_total{change=%q}", c.change), 0)
			})
			b.kill()
			b.start()
			b.ready()
			send(b, ledger, "--rate", "0", "--count", "1000", "--seed", "7")
			v := auditWith(b, ledger, "--grown-from", "6")
			if c.partitions <= 6 {
				v = audit(b, ledger)
			}
			follower.shows(gone.MessagesStored+v.Messages, "0")
		})
	}
}

// TestTopicDeletedUnderLoad: a topic that is deleted while batches are on their way
// to it, and made again while callbacks come. What was answered OK from then on is
// there, once and in order (P1, P3, P4); what was on its way may be.
func TestTopicDeletedUnderLoad(t *testing.T) {
	t.Parallel()
	kafka := sharedKafka(t)
	b := newBridge(t, kafka, "kafka.create_topics=false")
	kafka.makeTopic(b.events, 6)
	kafka.makeTopic(b.dead, 1)
	b.start()
	b.ready()
	before := startSend(b, newLedger(t), "--rate", "1000", "--count", "0", "--seed", "1")
	eventually(t, "messages are published", func() error { return b.above("chatbridge_publish_records_total", 1000) })
	kafka.deleteTopic(b.events)
	eventually(t, "/sinkz says it", func() error {
		return b.sinkSays(regexp.MustCompile("topic .+: the topic or partition does not exist"))
	})
	ledger := newLedger(t)
	since := startSend(b, ledger, "--rate", "1000", "--count", "0", "--seed", "7")
	stored := b.metric(storedCallbacks)
	eventually(t, "callbacks are stored without a topic", func() error { return b.above(storedCallbacks, stored+1000) })
	before.stop()
	kafka.makeTopic(b.events, 6)
	eventually(t, "the change is noticed", func() error { return b.above(`chatbridge_topic_changes_total{change="made-anew"}`, 0) })
	published := b.metric("chatbridge_publish_records_total")
	eventually(t, "messages are published again", func() error { return b.above("chatbridge_publish_records_total", published+1000) })
	if s := since.stop(); s.OK != s.Callbacks {
		t.Errorf("%d of %d callbacks were answered OK", s.OK, s.Callbacks)
	}
	auditWith(b, ledger)
}

// storedCallbacks counts the callbacks that were answered OK.
const storedCallbacks = `chatbridge_callbacks_total{outcome="stored"}`

// auditWith is audit with further flags.
func auditWith(b *bridge, ledger string, flags ...string) verdict {
	b.t.Helper()
	set := b.set
	defer func() { b.set = set }()
	b.drained()
	stdout, stderr, code := run(b.t, append(append([]string{"audit", "--json", "--ledger", ledger}, b.settings()...), flags...)...)
	var v verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || code != 0 || !v.Clean {
		b.t.Fatalf("audit %v: exit %d, %s%s: %v", flags, code, stdout, stderr, err)
	}
	return v
}

// A tailing is a tail that runs.
type tailing struct {
	*process
	b    *bridge
	file string
}

func startTail(b *bridge) *tailing {
	b.t.Helper()
	file := filepath.Join(newDir(b.t, "tail"), "tail.jsonl")
	out, err := os.Create(file)
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Close() // the child has its own
	cmd := exec.Command(program, append([]string{"tail", "--json", "--from", "earliest"}, b.settings()...)...)
	cmd.Stdout = out
	return &tailing{process: launch(b.t, "tail", logFile(b.t, "tail"), cmd), b: b, file: file}
}

// shows waits until the tail has shown so many messages, one of them of that
// partition.
func (f *tailing) shows(messages uint64, partition string) {
	f.b.t.Helper()
	eventually(f.b.t, "tail shows everything", func() error {
		text := readFile(f.b.t, f.file)
		if n := uint64(strings.Count(text, "\n")); n != messages {
			return fmt.Errorf("%d messages, want %d: %s", n, messages, tail(f.log, 3))
		}
		if !strings.Contains(text, `"partition":`+partition) {
			return fmt.Errorf("nothing of partition %s", partition)
		}
		return nil
	})
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// deleteTopic deletes a topic.
func (c *cluster) deleteTopic(topic string) {
	c.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics, req.TopicNames, req.TimeoutMillis = append(req.Topics, t), []string{topic}, 15000
	if err := kerr.ErrorForCode(ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0].ErrorCode); err != nil {
		c.t.Fatalf("delete topic %s: %v", topic, err)
	}
}

// morePartitions gives a topic so many partitions.
func (c *cluster) morePartitions(topic string, partitions int) {
	c.t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, int32(partitions)
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 15000
	if err := kerr.ErrorForCode(ask[*kmsg.CreatePartitionsResponse](c, req).Topics[0].ErrorCode); err != nil {
		c.t.Fatalf("more partitions for %s: %v", topic, err)
	}
}
