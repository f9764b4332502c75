package bridge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// busy is a situation in which all is well: a minute of 512 callbacks/s.
func busy() *situation {
	from := tally{at: time.Date(2026, 3, 4, 14, 22, 0, 0, time.UTC), answered: make([]float64, len(ingest.Outcomes()))}
	to := tally{
		at: from.at.Add(time.Minute), answered: make([]float64, len(ingest.Outcomes())), stored: 60 << 20,
		settled: distribution{bounds: []float64{.01, .02, .05}, counts: []float64{20000, 30720, 30720, 30720}},
		answers: distribution{bounds: []float64{.002, .005}, counts: []float64{30000, 30720, 30720}},
	}
	to.answered[ingest.Stored] = 30720
	return &situation{
		now: to.at, held: time.Second, partitions: 12, sink: ops.Condition{OK: true}, pace: paceBetween(from, to),
		spool: spool.Stat{Records: 40, Bytes: 128 << 20, MaxBytes: 11 << 30, FreeBytes: 100 << 30, MinFree: 1 << 30},
	}
}

// refuses makes Kafka fail at some partitions.
func (x *situation) refuses(class, sentence string, partitions ...int) {
	x.sink = ops.Condition{Reasons: []string{"topic chat: " + sentence}}
	for _, p := range partitions {
		x.failing = append(x.failing, publisher.Status{
			Topic: "chat", Partition: p, Class: class, Sentence: sentence, Since: x.now.Add(-21 * time.Minute), Attempts: 4,
		})
	}
}

// P2 and design 10: whatever is wrong, one sentence says what, whose fault it is,
// what is safe and what to do; what loses callbacks comes before what delays them.
func TestTheStateInOneSentence(t *testing.T) {
	t.Parallel()
	full := fmt.Errorf("%w (of the test)", spool.ErrFull)
	for name, c := range map[string]struct {
		change   func(*situation)
		level    ops.Level
		fault    ops.Fault
		sentence string
		next     string
	}{
		"all is well": {func(*situation) {}, ops.Good, "", "All is well: 512 callbacks/s, 99 of 100 published within 20 ms", ""},
		"nothing comes": {func(x *situation) { clear(x.pace.answered) },
			ops.Good, "", "All is well: no callback came in the last minute", ""},
		"kafka unreachable": {func(x *situation) { x.refuses("refused", "nothing listens at k:9092", 0, 1, -1) }, ops.Degraded, ops.FaultKafka,
			"Kafka is unreachable since 14:02 UTC; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Nothing listens at k:9092."},
		"kafka unreachable since yesterday": {func(x *situation) {
			x.refuses("no-answer", "no answer", -1)
			x.failing[0].Since = x.now.Add(-24 * time.Hour)
			x.pace.stored = 0
		}, ops.Degraded, ops.FaultKafka, "Kafka is unreachable since 2026-03-03 14:23 UTC; callbacks are stored, 10.9 GiB free", "No answer."},
		"kafka unreachable and little room": {func(x *situation) {
			x.refuses("refused", "nothing listens", -1)
			x.spool.FreeBytes = x.spool.MinFree + 100<<20
		}, ops.Trouble, ops.FaultKafka, "Kafka is unreachable since 14:02 UTC; callbacks are stored, 100 MiB (1 min at this rate) free", "Nothing listens."},
		"kafka refuses": {func(x *situation) { x.refuses("login-refused", "check kafka.sasl", -1) }, ops.Degraded, ops.FaultKafka,
			"Kafka refuses events since 14:02 UTC; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Check kafka.sasl."},
		"one partition": {func(x *situation) { x.refuses("no-leader", "the partition has no leader", 7) }, ops.Degraded, ops.FaultKafka,
			"Kafka does not take partition 7 of chat since 14:02 UTC, the others go on; callbacks are stored, 10.9 GiB (3 h at this rate) free", "The partition has no leader."},
		"two partitions": {func(x *situation) { x.refuses("no-leader", "no leader", 7, 8) }, ops.Degraded, ops.FaultKafka,
			"Kafka does not take 2 partitions since 14:02 UTC, the others go on; callbacks are stored, 10.9 GiB (3 h at this rate) free", "No leader."},
		"no topic yet": {func(x *situation) { x.sink = ops.Condition{Reasons: []string{"topic chat: may not be created"}} }, ops.Degraded, ops.FaultKafka,
			"Kafka does not take events yet; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Topic chat: may not be created."},
		"full since kafka is away": {func(x *situation) { x.refuses("refused", "nothing listens", -1); x.store = full }, ops.Trouble, ops.FaultKafka,
			"The spool is full: callbacks are refused; Kafka is unreachable since 14:02 UTC", "Nothing listens."},
		"full, and the sender waits": {func(x *situation) { x.store, x.hold = full, true }, ops.Trouble, ops.FaultKafka,
			"The spool is full: callbacks wait for room until their sender gives up, since Kafka takes less than comes in", "spool.max_bytes"},
		"full by others": {func(x *situation) { x.store, x.spool.FreeBytes = full, 900<<20 }, ops.Trouble, ops.FaultDisk,
			"The spool is full: callbacks are refused, since only 900 MiB are free on its disk", "spool.min_free"},
		"disk fails": {func(x *situation) {
			x.store = &spool.PoisonedError{File: "1.seg", Since: x.now.Add(-time.Minute), Err: io.ErrShortWrite}
			x.refuses("refused", "nothing listens", -1)
		}, ops.Trouble, ops.FaultDisk, "The spool's disk fails since 14:22 UTC: callbacks are refused", "dmesg"},
		"closed": {func(x *situation) { x.store = spool.ErrClosed }, ops.Trouble, ops.FaultBridge, "Callbacks cannot be stored: spool is closed", "start it again"},
		"stopping": {func(x *situation) { x.draining, x.store = true, spool.ErrClosed }, ops.Degraded, "",
			"The bridge is being stopped: no callback is taken, and the 40 stored ones are drained to Kafka", "next start"},
		"paused": {func(x *situation) { x.paused = x.now.Add(-21 * time.Minute); x.refuses("", "paused") }, ops.Degraded, "",
			"Publishing is paused by the operator since 14:02 UTC; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Resume"},
		"full, since it is paused": {func(x *situation) { x.paused, x.store = x.now.Add(-21*time.Minute), full }, ops.Trouble, "",
			"The spool is full: callbacks are refused, since publishing is paused by the operator since 14:02 UTC", "Resume"},
		"relay down": {func(x *situation) { x.relay = errors.New("the relay stopped: read 1.seg: input/output error") }, ops.Degraded, ops.FaultDisk,
			"Nothing is published, for the relay stopped: read 1.seg: input/output error; callbacks are stored, 10.9 GiB (3 h at this rate) free", "spool verify"},
		"too many": {func(x *situation) { x.pace.answered[ingest.Overloaded] = 12 }, ops.Trouble, ops.FaultBridge,
			"The bridge cannot keep up: 12 of the last minute's callbacks were refused", "load"},
		"wrong token": {func(x *situation) { x.pace.answered[ingest.Stored], x.pace.answered[ingest.SignatureWrong] = 10, 90 }, ops.Trouble, ops.FaultSender,
			"90 of the last minute's 100 callbacks were refused, most of them for signature-wrong", "token"},
		"a clock that is off": {func(x *situation) { x.pace.answered[ingest.Stored], x.pace.answered[ingest.SignatureStale] = 80, 20 }, ops.Degraded, ops.FaultSender,
			"20 of the last minute's 100 callbacks were refused, most of them for signature-stale", "clock"},
		"a stranger knocks": {func(x *situation) { x.pace.answered[ingest.SignatureMissing] = 20 }, ops.Good, "", "All is well", ""},
		"dead letters": {func(x *situation) { x.pace.letters = 3 }, ops.Degraded, ops.FaultSender,
			"3 callbacks of the last minute went to the dead-letter topic", "dead letters"},
		"slow disk": {func(x *situation) { x.pace.answer = 1400 * time.Millisecond }, ops.Degraded, ops.FaultDisk,
			"Answers are slow: one of a hundred takes longer than 1.4 s, and the sender waits 2 s", "fsync"},
		"catching up": {func(x *situation) { x.oldest, x.spool.Records = x.now.Add(-14*time.Minute), 12345 }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, and the bridge works off a backlog: 12345 callbacks, the oldest 14 min old; 10.9 GiB (3 h at this rate) free", "Wait"},
		"after an outage": {func(x *situation) { x.pace.settle = 29 * time.Second }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, but of late it was slow: 99 of 100 of the last minute were there within 29.0 s", "outage"},
		"held for order": {func(x *situation) { x.oldest, x.held = x.now.Add(-time.Minute), time.Minute }, ops.Good, "", "All is well", ""},
		"damage": {func(x *situation) {
			x.damage, x.spool.Lost = &spool.CorruptError{Segment: "1.seg", Offset: 5, Err: io.ErrUnexpectedEOF}, 2
		}, ops.Degraded, ops.FaultDisk, "A part of the spool was damaged, with 2 callbacks in it; 512 callbacks/s, 99 of 100 published within 20 ms", "1.seg"},
	} {
		x := busy()
		c.change(x)
		s := x.state()
		if s.Level != c.level || s.Fault != c.fault || !strings.HasPrefix(s.Sentence, c.sentence) || !strings.Contains(s.Next, c.next) {
			t.Errorf("%s:\n got %+v\nwant %s, %q, %q, to do: %q", name, s, c.level, c.fault, c.sentence, c.next)
		}
		if well := s.Level == ops.Good; well != (s.Next == "" && s.Safe == "") {
			t.Errorf("%s: level %s, safe %q, to do %q", name, s.Level, s.Safe, s.Next)
		}
	}
}

// What the sentence says is measured: callbacks that are taken show in it, and so
// does a Kafka that is away.
func TestTheSentenceIsAboutThisBridge(t *testing.T) {
	b := runWith(t, func(c *Config) {})
	for seq := 1; seq <= 3; seq++ {
		if status := postMessage(t, b, seq); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	if n := b.situation(b.relay.Stats(), ops.Condition{OK: true}).pace.taken(); n != 3 {
		t.Errorf("%.0f callbacks taken; want 3", n)
	}
	if b.tally().stored == 0 {
		t.Error("no bytes stored")
	}
	waitUntil(t, "/status says that Kafka is unreachable", func() bool {
		_, body := getOps(t, b, "/status")
		return strings.Contains(body, `"level": "degraded"`) && strings.Contains(body, "Kafka is unreachable since")
	})
}
