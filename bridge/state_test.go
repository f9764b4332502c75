package bridge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// busy is a situation in which all is well: minutes of 512 callbacks/s.
func busy() *situation {
	from := tally{at: time.Date(2026, 3, 4, 14, 22, 0, 0, time.UTC), answered: make([]float64, len(ingest.Outcomes()))}
	to := tally{
		at: from.at.Add(time.Minute), answered: make([]float64, len(ingest.Outcomes())), stored: 60 << 20,
		settled: distribution{bounds: []float64{.01, .02, .05}, counts: []float64{20000, 30720, 30720, 30720}},
		answers: distribution{bounds: []float64{.002, .005}, counts: []float64{30000, 30720, 30720}},
	}
	to.answered[ingest.Stored] = 30720
	x := &situation{
		now: to.at, started: to.at.Add(-24 * time.Hour), held: time.Second, topics: topics{events: "chat", callbacks: "others"}, partitions: 12,
		sink: ops.Condition{OK: true}, pace: paceBetween(from, to),
		spool: spool.Stat{Records: 40, Bytes: 128 << 20, MaxBytes: 11 << 30, FreeBytes: 100 << 30, MinFree: 1 << 30},
	}
	x.window = pace{took: alertWindow, answered: make([]float64, len(ingest.Outcomes()))}
	x.window.answered[ingest.Stored] = 5 * 30720
	return x
}

// came makes the last minute, and the alerts' window with it, one of these answers.
func (x *situation) came(answered map[ingest.Outcome]float64) {
	clear(x.pace.answered)
	clear(x.window.answered)
	for o, n := range answered {
		x.pace.answered[o], x.window.answered[o] = n, n
	}
}

// slowly makes the slowest of the last minute be of some bucket.
func slowly(guess, above, within time.Duration) slowest { return slowest{guess, above, within} }

// refuses makes Kafka fail at some partitions.
func (x *situation) refuses(class, sentence string, partitions ...int) {
	x.sink = ops.Condition{Reasons: []string{"topic chat: " + sentence}}
	for _, p := range partitions {
		x.failing = append(x.failing, publisher.Status{
			Topic: "chat", Partition: p, Class: class, Sentence: sentence, Since: x.now.Add(-21 * time.Minute), Attempts: 4,
		})
	}
}

// refusesAside makes Kafka fail at a topic beside that of the events.
func (x *situation) refusesAside(topic, class, sentence string) {
	x.sink = ops.Condition{Reasons: []string{"topic " + topic + ": " + sentence}}
	x.failing = append(x.failing, publisher.Status{Topic: topic, Partition: -1, Class: class, Sentence: sentence, Since: x.now.Add(-21 * time.Minute)})
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
		"nothing comes": {func(x *situation) { x.came(nil) },
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
			"Kafka refuses events for chat since 14:02 UTC; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Check kafka.sasl."},
		"one partition": {func(x *situation) { x.refuses("no-leader", "the partition has no leader", 7) }, ops.Degraded, ops.FaultKafka,
			"Kafka does not take partition 7 of chat since 14:02 UTC, the others go on; callbacks are stored, 10.9 GiB (3 h at this rate) free", "The partition has no leader."},
		"two partitions": {func(x *situation) { x.refuses("no-leader", "no leader", 7, 8) }, ops.Degraded, ops.FaultKafka,
			"Kafka does not take 2 partitions since 14:02 UTC, the others go on; callbacks are stored, 10.9 GiB (3 h at this rate) free", "No leader."},
		"dead letters' topic is missing": {func(x *situation) { x.refusesAside("chat.dlq", "unknown-topic", "the topic does not exist") }, ops.Degraded, ops.FaultKafka,
			"Dead letters cannot be written to chat.dlq since 14:02 UTC; events go on, and the spool keeps all that came since; callbacks are stored, 10.9 GiB", "The topic does not exist."},
		"other callbacks' topic is missing": {func(x *situation) { x.refusesAside("others", "unknown-topic", "the topic does not exist") }, ops.Degraded, ops.FaultKafka,
			"Callbacks of other commands cannot be written to others since 14:02 UTC; events go on", "The topic does not exist."},
		"a partition, and the dead letters' topic": {func(x *situation) {
			x.refusesAside("chat.dlq", "unknown-topic", "the topic does not exist")
			x.refuses("no-leader", "no leader", 7)
		}, ops.Degraded, ops.FaultKafka, "Kafka does not take partition 7 of chat since 14:02 UTC, the others go on", "No leader."},
		"a topic may not be created": {func(x *situation) { x.sink = ops.Condition{Reasons: []string{"topic chat.dlq: may not be created"}} }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, but not all of its topics are in order; callbacks are stored", "Topic chat.dlq: may not be created."},
		"a tail cannot be read": {func(x *situation) {
			x.sink, x.tailUnread = ops.Condition{Reasons: []string{"topic chat, partition 1: no answer"}}, true
		}, ops.Degraded, ops.FaultKafka,
			"Kafka does not take events yet", "partition 1"},
		"no topic yet": {func(x *situation) {
			x.partitions = 0
			x.sink = ops.Condition{Reasons: []string{"topic chat: may not be created"}}
		}, ops.Degraded, ops.FaultKafka,
			"Kafka does not take events yet; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Topic chat: may not be created."},
		"full since kafka is away": {func(x *situation) { x.refuses("refused", "nothing listens", -1); x.store = full }, ops.Trouble, ops.FaultKafka,
			"The spool is full: callbacks are refused; Kafka is unreachable since 14:02 UTC", "Nothing listens."},
		"full, and the sender waits": {func(x *situation) { x.store, x.hold = full, true }, ops.Trouble, ops.FaultKafka,
			"The spool is full: callbacks wait for room until their sender gives up, since Kafka takes less than comes in", "spool.max_bytes"},
		"full since the dead letters' topic is missing": {func(x *situation) { x.store = full; x.refusesAside("chat.dlq", "unknown-topic", "no such topic") }, ops.Trouble, ops.FaultKafka,
			"The spool is full: callbacks are refused; dead letters cannot be written to chat.dlq since 14:02 UTC", "No such topic."},
		"full since the relay is down": {func(x *situation) { x.store = full; x.relayFails() }, ops.Trouble, ops.FaultDisk,
			"The spool is full: callbacks are refused, since nothing is published: the relay stopped: read 1.seg: input/output error", "spool verify"},
		"full by others": {func(x *situation) { x.store, x.spool.FreeBytes = full, 900<<20 }, ops.Trouble, ops.FaultDisk,
			"The spool is full: callbacks are refused, since only 900 MiB are free on its disk", "spool.min_free"},
		"disk fails": {func(x *situation) {
			x.store = &spool.PoisonedError{File: "1.seg", Since: x.now.Add(-time.Minute), Err: io.ErrShortWrite}
			x.refuses("refused", "nothing listens", -1)
		}, ops.Trouble, ops.FaultDisk, "The spool's disk fails since 14:22 UTC: callbacks are refused", "dmesg"},
		"disk does not answer": {func(x *situation) { x.store = &spool.StuckError{Dir: "spool", Since: x.now.Add(-time.Minute)} }, ops.Trouble, ops.FaultDisk,
			"The spool's disk does not answer since 14:22 UTC: callbacks wait for it until their sender gives up", "dmesg"},
		"closed": {func(x *situation) { x.store = spool.ErrClosed }, ops.Trouble, ops.FaultBridge, "Callbacks cannot be stored: spool is closed", "start it again"},
		"stopping": {func(x *situation) { x.draining, x.store = true, spool.ErrClosed }, ops.Trouble, "",
			"The bridge is being stopped: no callback is taken while what is stored, 40 callbacks, is drained to Kafka", "next start"},
		"paused": {func(x *situation) { x.paused = x.now.Add(-21 * time.Minute); x.refuses("", "paused") }, ops.Degraded, "",
			"Publishing is paused by the operator since 14:02 UTC; callbacks are stored, 10.9 GiB (3 h at this rate) free", "Resume"},
		"full, since it is paused": {func(x *situation) { x.paused, x.store = x.now.Add(-21*time.Minute), full }, ops.Trouble, "",
			"The spool is full: callbacks are refused, since publishing is paused by the operator since 14:02 UTC", "Resume"},
		"relay down": {func(x *situation) { x.relayFails() }, ops.Degraded, ops.FaultDisk,
			"Nothing is published, for the relay stopped: read 1.seg: input/output error; callbacks are stored, 10.9 GiB (3 h at this rate) free", "spool verify"},
		"too many": {func(x *situation) { x.pace.answered[ingest.Overloaded], x.window.answered[ingest.Overloaded] = 12, 12 }, ops.Trouble, ops.FaultBridge,
			"12 callbacks of the last 5 minutes were refused because more came at once than the bridge can take, and are lost unless the console's retry is on; others are stored", "load"},
		"too many, all of them": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Overloaded: 12}) }, ops.Trouble, ops.FaultBridge,
			"12 callbacks of the last 5 minutes were refused because more came at once than the bridge can take, and are lost unless the console's retry is on", "load"},
		"it was full": {func(x *situation) { x.pace.answered[ingest.Full], x.window.answered[ingest.Full] = 3, 30 }, ops.Trouble, ops.FaultKafka,
			"30 callbacks of the last 5 minutes were refused because the spool was full, and are lost unless the console's retry is on; it stores again", "spool.max_bytes"},
		"it was full, by others": {func(x *situation) { x.window.answered[ingest.Full], x.spool.FreeBytes = 30, 1100<<20 }, ops.Trouble, ops.FaultDisk,
			"30 callbacks of the last 5 minutes were refused because the spool was full", "spool.max_bytes"},
		"it was full, since it was paused": {func(x *situation) { x.window.answered[ingest.Full], x.resumed = 30, x.now.Add(-time.Minute) }, ops.Trouble, "",
			"30 callbacks of the last 5 minutes were refused because the spool was full", "spool.max_bytes"},
		"the disk failed": {func(x *situation) { x.window.answered[ingest.Poisoned] = 1 }, ops.Trouble, ops.FaultDisk,
			"1 callback of the last 5 minutes was refused because the spool's disk failed, and is lost unless the console's retry is on; it stores again", "dmesg"},
		"the store failed": {func(x *situation) { x.window.answered[ingest.StoreFailed] = 2 }, ops.Trouble, ops.FaultDisk,
			"2 callbacks of the last 5 minutes were refused because the spool did not store them, and are lost unless the console's retry is on; it stores again", "log"},
		"a panic": {func(x *situation) { x.window.answered[ingest.Panicked] = 2 }, ops.Trouble, ops.FaultBridge,
			"2 callbacks of the last 5 minutes were refused because of a fault of chatbridge, and are lost", "Report it"},
		"lost for several reasons": {func(x *situation) { x.window.answered[ingest.Full], x.window.answered[ingest.Poisoned] = 5, 7 }, ops.Trouble, ops.FaultDisk,
			"12 callbacks of the last 5 minutes were refused, most of them because the spool's disk failed, and are lost", "dmesg"},
		"wrong token": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Stored: 10, ingest.SignatureWrong: 90}) }, ops.Trouble, ops.FaultSender,
			"90 of the last 5 minutes' 100 callbacks were refused, most of them for signature-wrong", "token"},
		"a clock that is off": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Stored: 80, ingest.SignatureStale: 20}) }, ops.Degraded, ops.FaultSender,
			"20 of the last 5 minutes' 100 callbacks were refused, most of them for signature-stale", "clock"},
		"too large, many": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Stored: 80, ingest.TooLarge: 20}) }, ops.Degraded, ops.FaultSender,
			"20 of the last 5 minutes' 100 callbacks were refused, most of them for too-large", "http.max_body"},
		"unsigned, many": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Stored: 10, ingest.SignatureMissing: 90}) }, ops.Trouble, ops.FaultSender,
			"90 of the last 5 minutes' 100 callbacks were refused", "authentication"},
		"all of a wrong token, few": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.SignatureWrong: 4}) }, ops.Degraded, ops.FaultSender,
			"No callback was taken in the last 5 minutes; 4 refused (4 signature-wrong)", "token"},
		"all of a wrong token, many": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.SignatureWrong: 16}) }, ops.Trouble, ops.FaultSender,
			"No callback was taken in the last 5 minutes; 16 refused (16 signature-wrong)", "token"},
		"a wrong path": {func(x *situation) {
			x.came(map[ingest.Outcome]float64{ingest.NotFound: 8, ingest.SignatureWrong: 4, ingest.URLCheck: 1})
		}, ops.Degraded, ops.FaultSender,
			"No callback was taken in the last 5 minutes; 12 refused (8 not-found, 4 signature-wrong)", "http.path"},
		"all of another method": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.BadMethod: 1}) }, ops.Degraded, ops.FaultSender,
			"No callback was taken in the last 5 minutes; 1 refused (1 bad-method)", "Refusing"},
		"a wrong path of most": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Stored: 10, ingest.NotFound: 90}) }, ops.Degraded, ops.FaultSender,
			"90 of the last 5 minutes' 100 callbacks were refused, most of them for not-found", "http.path"},
		"a scanner knocks": {func(x *situation) {
			x.came(map[ingest.Outcome]float64{ingest.Stored: 60, ingest.NotFound: 50, ingest.BadMethod: 20})
		}, ops.Good, "",
			"All is well: 1.0 callbacks/s", ""},
		"a stranger knocks": {func(x *situation) {
			x.pace.answered[ingest.SignatureMissing], x.window.answered[ingest.SignatureMissing] = 20, 100
		}, ops.Good, "", "All is well", ""},
		"a stranger knocks in a quiet minute": {func(x *situation) { clear(x.pace.answered); x.pace.answered[ingest.NotFound] = 2 }, ops.Good, "",
			"All is well: no callback was taken in the last minute, 2 refused (2 not-found)", ""},
		"the token is mended": {func(x *situation) {
			x.came(map[ingest.Outcome]float64{ingest.Stored: 60, ingest.SignatureWrong: 90})
			x.pace.answered[ingest.SignatureWrong] = 0
		}, ops.Good, "", "All is well", ""},
		"all that comes is unreadable": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.Unreadable: 60}) }, ops.Good, "", "All is well: 1.0 callbacks/s", ""},
		"dead letters": {func(x *situation) { x.pace.letters = map[schema.Reason]float64{schema.ReasonNotJSON: 3} }, ops.Degraded, ops.FaultSender,
			"3 callbacks of the last minute went to the dead-letter topic, for not-json", "dead letters"},
		"dead letters, too large": {func(x *situation) {
			x.pace.letters = map[schema.Reason]float64{schema.ReasonNotJSON: 1, schema.ReasonTooLargeForTopic: 3}
		}, ops.Degraded, ops.FaultKafka, "4 callbacks of the last minute went to the dead-letter topic, most of them for too-large-for-topic", "max.message.bytes"},
		"dead letters that Kafka refuses": {func(x *situation) { x.pace.letters = map[schema.Reason]float64{schema.ReasonRejected: 1} }, ops.Degraded, ops.FaultKafka,
			"1 callback of the last minute went to the dead-letter topic, for rejected-by-kafka", "Kafka's words"},
		"dead letters by a fault": {func(x *situation) { x.pace.letters = map[schema.Reason]float64{schema.ReasonNormalizerFault: 1} }, ops.Degraded, ops.FaultBridge,
			"1 callback of the last minute went to the dead-letter topic, for normalizer-fault", "report it"},
		"slow disk": {func(x *situation) { x.pace.answer = slowly(1400*time.Millisecond, time.Second, 2*time.Second) }, ops.Degraded, ops.FaultDisk,
			"Answers are slow: one of a hundred takes longer than 1 s, and the sender waits 2 s", "fsync"},
		"catching up": {func(x *situation) { x.oldest, x.spool.Records = x.now.Add(-14*time.Minute), 12345 }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, and the bridge works off a backlog: 12345 callbacks, the oldest 14 min old; 10.9 GiB (3 h at this rate) free", "Wait"},
		"catching up, one": {func(x *situation) { x.oldest, x.spool.Records = x.now.Add(-time.Minute), 1 }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, and the bridge works off a backlog: 1 callback, the oldest 1 min old", "Wait"},
		"catching up after a pause": {func(x *situation) { x.oldest, x.resumed = x.now.Add(-14*time.Minute), x.now.Add(-time.Minute) }, ops.Degraded, "",
			"Kafka takes events, and the bridge works off a backlog, for publishing was paused until 14:22 UTC: 40 callbacks, the oldest 14 min old", "Wait"},
		"catching up after a start": {func(x *situation) { x.oldest, x.started = x.now.Add(-14*time.Minute), x.now.Add(-time.Minute) }, ops.Degraded, "",
			"Kafka takes events, and the bridge works off a backlog, for the bridge was only started at 14:22 UTC: 40 callbacks, the oldest 14 min old", "Wait"},
		"catching up long after a pause": {func(x *situation) { x.oldest, x.resumed = x.now.Add(-14*time.Minute), x.now.Add(-time.Hour) }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, and the bridge works off a backlog: ", "Wait"},
		"catching up after a start into an outage": {func(x *situation) {
			x.oldest, x.started, x.failed = x.now.Add(-14*time.Minute), x.now.Add(-time.Minute), true
		}, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, and the bridge works off a backlog: ", "Wait"},
		"after a pause and an outage": {func(x *situation) {
			x.pace.settle, x.resumed, x.failed = slowly(20*time.Second, 5*time.Second, 30*time.Second), x.now.Add(-10*time.Second), true
		}, ops.Degraded, ops.FaultKafka, "Kafka takes events, but of late it was slow", "outage"},
		"after an outage": {func(x *situation) { x.pace.settle = slowly(4*time.Minute, 30*time.Second, 5*time.Minute) }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, but of late it was slow: one of a hundred of the last minute took between 30 s and 5 min", "outage"},
		"after an outage of days": {func(x *situation) { x.pace.settle = slowly(24*time.Hour, 24*time.Hour, 0) }, ops.Degraded, ops.FaultKafka,
			"Kafka takes events, but of late it was slow: one of a hundred of the last minute took more than 24 h", "outage"},
		"after a pause": {func(x *situation) {
			x.pace.settle, x.pace.oldest = slowly(4*time.Minute, 30*time.Second, 5*time.Minute), x.now.Add(-9*time.Minute)
			x.resumed = x.now.Add(-2 * time.Minute)
		}, ops.Degraded, "", "Kafka takes events, and the bridge has worked off a backlog, for publishing was paused until 14:21 UTC: one of a hundred of the last minute took between", "minute"},
		"after a short pause": {func(x *situation) {
			x.pace.settle, x.resumed = slowly(20*time.Second, 5*time.Second, 30*time.Second), x.now.Add(-10*time.Second)
		}, ops.Degraded, "", "Kafka takes events, and the bridge has worked off a backlog, for publishing was paused until 14:22 UTC", "minute"},
		"after a start": {func(x *situation) {
			x.pace.settle, x.pace.oldest = slowly(4*time.Minute, 30*time.Second, 5*time.Minute), x.now.Add(-9*time.Minute)
			x.started = x.now.Add(-2 * time.Minute)
		}, ops.Degraded, "", "Kafka takes events, and the bridge has worked off a backlog, for the bridge was only started at 14:21 UTC", "minute"},
		"held for order": {func(x *situation) { x.oldest, x.held = x.now.Add(-time.Minute), time.Minute }, ops.Good, "", "All is well", ""},
		"damage": {func(x *situation) {
			x.damage, x.spool.Lost = &spool.CorruptError{Segment: "1.seg", Offset: 5, Err: io.ErrUnexpectedEOF}, 2
		}, ops.Degraded, ops.FaultDisk, "A part of the spool was damaged, with 2 callbacks in it; 512 callbacks/s, 99 of 100 published within 20 ms", "1.seg"},
		"damage that was looked for": {func(x *situation) { x.found = &damageFound{at: x.now.Add(-time.Minute), places: 1, lost: 1} }, ops.Degraded, ops.FaultDisk,
			"Verifying the spool at 14:22 UTC found damage in 1 place, 1 record is lost; 512 callbacks/s", "spool verify"},
		"damage of what Kafka has": {func(x *situation) { x.found = &damageFound{at: x.now, places: 2, lost: 3, settled: true} }, ops.Degraded, ops.FaultDisk,
			"Verifying the spool at 14:23 UTC found damage in 2 places, 3 records are lost that Kafka had already; 512 callbacks/s", "spool verify"},
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

// relayFails makes the relay fail by the disk, and the sink say so.
func (x *situation) relayFails() {
	x.relay = errors.New("the relay stopped: read 1.seg: input/output error")
	x.sink = ops.Condition{Reasons: []string{x.relay.Error()}}
}

// What the sentence says of a part, the part says, too.
func TestTheComponentsAgreeWithTheSentence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*situation)
		part   string
		level  ops.Level
		says   string
	}{
		"callbacks were lost": {func(x *situation) { x.window.answered[ingest.Full] = 1 }, "Ingest", ops.Trouble, "512 callbacks/s"},
		"nothing is taken": {func(x *situation) { x.came(map[ingest.Outcome]float64{ingest.NotFound: 8}) }, "Ingest", ops.Degraded,
			"no callback was taken in the last minute, 8 refused (8 not-found); 99 of 100 answered within 5 ms"},
		"a stranger": {func(x *situation) { x.pace.answered[ingest.NotFound] = 2 }, "Ingest", ops.Good, "512 callbacks/s; 99 of 100 answered within 5 ms; 2 refused in the last minute"},
		"relay down": {func(x *situation) { x.relayFails() }, "Kafka", ops.Good, "is sent nothing"},
		"dead letters' topic is missing": {func(x *situation) { x.refusesAside("chat.dlq", "unknown-topic", "no such topic") }, "Kafka", ops.Degraded,
			"Dead letters cannot be written to chat.dlq"},
		"damage that was looked for": {func(x *situation) { x.found = &damageFound{places: 1, lost: 1} }, "Spool", ops.Degraded, "; damaged in 1 place, 1 record is lost"},
		"something waits":            {func(x *situation) { x.waiting = x.now.Add(-2 * time.Minute) }, "Spool", ops.Good, "40 callbacks, 128 MiB of 11 GiB, the oldest 2 min old"},
	} {
		x := busy()
		c.change(x)
		for _, part := range x.components(relay.Stats{}) {
			if part.Name == c.part && (part.Level != c.level || !strings.Contains(part.Says, c.says)) {
				t.Errorf("%s:\n got %+v\nwant %s, %q", name, part, c.level, c.says)
			}
		}
	}
}

// A relay that has failed by the disk tells nothing of Kafka.
func TestAFailedRelayIsNotKafkaThatIsAway(t *testing.T) {
	t.Parallel()
	x := busy()
	x.refuses("refused", "nothing listens", 0, 1)
	x.relayFails()
	if why, _, down := x.away(); down {
		t.Errorf("Kafka is away: %q", why)
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

// A URL whose path is wrong in the console is no quiet night, and neither is what was
// refused and is not sent again.
func TestTheSentenceTellsWhatIsRefused(t *testing.T) {
	b := runWith(t, func(c *Config) { c.HTTP.Path = "/elsewhere" })
	for range 8 {
		if status := postMessage(t, b, 1); status != http.StatusNotFound {
			t.Fatalf("answered %d", status)
		}
	}
	state := func() ops.State { return b.situation(b.relay.Stats(), ops.Condition{OK: true}).state() }
	if s := state(); s.Level != ops.Degraded || s.Fault != ops.FaultSender ||
		s.Sentence != "No callback was taken in the last 5 minutes; 8 refused (8 not-found)" {
		t.Errorf("a wrong path: %+v", s)
	}
	b.metrics.observer(nil).Answered(ingest.Full, time.Millisecond)
	if s := state(); s.Level != ops.Trouble ||
		s.Sentence != "1 callback of the last 5 minutes was refused because the spool was full, and is lost unless the console's retry is on; it stores again" {
		t.Errorf("a callback that was lost: %+v", s)
	}
}

// A dead-letter topic that is missing stops no event, and the sentence does not say so.
func TestAMissingDeadLetterTopicIsNotTheWholeOfKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.SeedTopics(2, "chat.group-messages"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.Kafka.CreateTopics, cfg.ShutdownTimeout = false, time.Millisecond // the dead letter cannot be drained
	b, _ := runBridge(t, cfg, relay.Hooks{})
	postBody(t, b, schema.CommandAfterSend, "not JSON")
	postMessage(t, b, 1)
	waitUntil(t, "the event is in Kafka", func() bool {
		return cluster.PartitionInfo("chat.group-messages", 0).HighWatermark+cluster.PartitionInfo("chat.group-messages", 1).HighWatermark == 1
	})
	waitUntil(t, "/status says that dead letters wait, and events do not", func() bool {
		s := b.Status()
		return strings.HasPrefix(s.Sentence, "Dead letters cannot be written to "+cfg.Kafka.DeadLetterTopic+" since ") && strings.Contains(s.Sentence, "events go on")
	})
}
