package relay

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// orders lists the events of the only group in the order of the topic.
func (r *rig) orders() []string {
	var got []string
	for _, e := range r.events() {
		got = append(got, strconv.FormatUint(e.event.Message.Seq.Value, 10)+" "+string(e.marks.Order))
	}
	return got
}

// P3: an hour's backlog is put in order as it would have been live; that every
// hold is over by the wall clock gives nothing up.
func TestABacklogIsPutInOrderByItsOwnTimes(t *testing.T) {
	r := newRig(t, 1)
	received := time.Now().UTC().Add(-time.Hour)
	for i, seq := range []int{1, 3, 2, 6, 5, 9, 10} {
		record := recordOf(schema.CommandAfterSend, body("g", seq, uint32(seq)))
		record.ReceivedAt = received.Add(time.Duration(i) * 15 * time.Millisecond) // the hold is 40 ms
		if _, err := r.spool.Append(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	r.drain()
	want := []string{"1 in-order", "2 in-order", "3 in-order", "5 after-hole", "6 in-order", "9 after-hole", "10 in-order"}
	if diff := cmp.Diff(want, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
}

// P3: the same where the missing neighbour lies behind more records than are worked on
// at a time, and the newest was received long after.
func TestABacklogIsPutInOrderHoweverMuchOfItIsHandedOnAtOnce(t *testing.T) {
	r := newRig(t, 1)
	received := time.Now().UTC().Add(-2 * time.Hour)
	r.appendAt(received, body("g", 1, 1))
	r.appendAt(received, body("g", 3, 3))
	for seq := 1; seq <= takeAtMost+20; seq++ {
		r.appendAt(received, body("others", seq, uint32(seq)))
	}
	r.appendAt(received.Add(r.hold/2), body("g", 2, 2))
	r.appendAt(received.Add(time.Hour), body("others", takeAtMost+21, 1))
	r.drain()
	for _, e := range r.events() {
		if e.marks.Order != schema.InOrder {
			t.Errorf("%s %d is marked %s", e.event.Group.ID, e.event.Message.Seq.Value, e.marks.Order)
		}
	}
}

// P1, P3: what is held is not given up by a stop, nor by a start; it leaves when
// what it waits for comes.
func TestWhatIsHeldOutlivesAStop(t *testing.T) {
	r := newRig(t, 1)
	r.hold = time.Hour
	for _, seq := range []int{1, 3, 4} {
		r.append(body("g", seq, uint32(seq)))
	}
	run := r.start(r.relay())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := run.Drain(ctx); left != 0 {
		t.Fatalf("%d records are left, held ones apart", left)
	}
	if held := run.Stats().Resequence.Held; held != 2 {
		t.Fatalf("%d events are held; want 2", held)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 in-order"}, r.orders()); diff != "" {
		t.Fatalf("the topic after the stop differs (-want +got):\n%s", diff)
	}
	r.reopen()
	r.append(body("g", 2, 2))
	r.drain()
	if diff := cmp.Diff([]string{"1 in-order", "2 in-order", "3 in-order", "4 in-order"}, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
}

// P4: a repeat is recognized across a restart.
func TestARepeatIsRecognizedAfterARestart(t *testing.T) {
	r := newRig(t, 1)
	for seq := 1; seq <= 5; seq++ {
		r.append(body("g", seq, uint32(seq)))
	}
	r.drain()
	r.reopen()
	r.append(body("g", 3, 3))
	r.append(body("g", 3, 99)) // the same number, another message
	r.append(body("g", 6, 6))
	r.drain()
	want := []string{"1 in-order", "2 in-order", "3 in-order", "4 in-order", "5 in-order", "3 late", "6 in-order"}
	if diff := cmp.Diff(want, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
}

// P1, P6: one event that Kafka will never take goes to the dead letters, the
// rest goes on; one that the dead letters do not take either is cut there and
// whole in a file.
func TestWhatIsTooLargeIsDeadLetteredAndKeptWhole(t *testing.T) {
	const limit = 60_000
	r := newRig(t, 1, kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(limit)}))
	large := bytes.Replace(body("g", 2, 2), []byte("message 2"), bytes.Repeat([]byte("random text "), 20_000), 1)
	r.append(body("g", 1, 1))
	p := r.append(large)
	r.append(body("g", 3, 3))
	r.drain()
	if diff := cmp.Diff([]string{"1 in-order", "3 in-order"}, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
	var letters []publisher.Record
	r.read(testDeadTopic, func(_ int, rec *publisher.Record) {
		rec.Value = bytes.Clone(rec.Value)
		letters = append(letters, *rec)
	})
	if len(letters) != 1 {
		t.Fatalf("%d dead letters; want 1", len(letters))
	}
	header := headerOf(&letters[0])
	if reason, _ := header(schema.HeaderReason); reason != string(schema.ReasonTooLargeForTopic) {
		t.Errorf("reason %q", reason)
	}
	if size, _ := header(schema.HeaderTruncated); size != strconv.Itoa(len(large)) {
		t.Errorf("truncated %q; want %d", size, len(large))
	}
	if len(letters[0].Value) == 0 || !bytes.HasPrefix(large, letters[0].Value) {
		t.Errorf("the letter's %d bytes are not the beginning of the callback", len(letters[0].Value))
	}
	kept, err := os.ReadFile(filepath.Join(r.large, testDeadTopic+"-"+pad(uint64(p))+".body"))
	if err != nil || !bytes.Equal(kept, large) {
		t.Errorf("kept whole: %d bytes, %v; want %d", len(kept), err, len(large))
	}
}

// P1: an event whose own time Kafka refuses is not lost to it: its record
// carries the time of receipt.
func TestATimeThatKafkaRefusesIsReplacedByTheReceipt(t *testing.T) {
	r := newRig(t, 1)
	ahead := time.Now().Add(3 * time.Hour).Unix()
	r.kafka.ControlKey(int16(kmsg.Produce), refuseTimesAhead(t, r.kafka))
	r.append(body("g", 1, 1))
	r.append(bytes.Replace(body("g", 2, 2), []byte("1760000000"), strconv.AppendInt(nil, ahead, 10), 1))
	r.append(body("g", 3, 3))
	r.drain()
	if diff := cmp.Diff([]string{"1 in-order", "2 in-order", "3 in-order"}, r.orders()); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
	for _, e := range r.events() {
		if e.record.Time.After(time.Now().Add(time.Hour)) {
			t.Errorf("record %d has the time %v", e.record.Offset, e.record.Time)
		}
	}
}

// refuseTimesAhead answers as Kafka 4 does to records of more than an hour
// ahead, which the embedded broker does not know.
func refuseTimesAhead(t *testing.T, cluster *kfake.Cluster) func(kmsg.Request) (kmsg.Response, error, bool) {
	return func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		produce := req.(*kmsg.ProduceRequest)
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(produce.Topics[0].Partitions[0].Records); err != nil {
			t.Error(err)
			return nil, nil, false
		}
		if time.UnixMilli(batch.MaxTimestamp).Before(time.Now().Add(time.Hour)) {
			return nil, nil, false
		}
		answer := produce.ResponseKind().(*kmsg.ProduceResponse)
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.Partition, partition.ErrorCode = produce.Topics[0].Partitions[0].Partition, kerr.InvalidTimestamp.Code
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.Partitions = produce.Topics[0].Topic, []kmsg.ProduceResponseTopicPartition{partition}
		answer.Topics = []kmsg.ProduceResponseTopic{topic}
		return answer, nil, true
	}
}

func pad(n uint64) string {
	s := strconv.FormatUint(n, 10)
	return "00000000000000000000"[len(s):] + s
}
