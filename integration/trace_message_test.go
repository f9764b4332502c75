package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// traced is what trace-message --json answers, as far as tests read it.
type traced struct {
	State, Sentence string
	Messages        []struct {
		State, Sentence string
		Random          uint64
		Deliveries      []struct {
			Position uint64
			Settled  bool
			Skipped  bool `json:"skipped_as_duplicate"`
		}
		Held *struct {
			LeavesIn float64 `json:"leaves_in_seconds"`
			WaitsFor []struct{ From, To uint64 }
		}
		Published []struct {
			Partition int
			Offset    int64
			Order     string
		}
		DeadLetters []struct{ Reason string } `json:"dead_letters"`
	}
	Next    uint64                        `json:"next_expected"`
	Skipped []struct{ Seq, Offset int64 } `json:"skipped_by"`
	Spooled *struct {
		Above *struct{ Seq uint64 } `json:"nearest_above"`
	} `json:"waits_in_spool"`
	NotRead []string `json:"not_read"`
	Notes   []string
}

// trace asks where a message is, and checks that people are told the same.
func trace(t *testing.T, b *bridge, group string, seq int, state string, args ...string) *traced {
	t.Helper()
	args = append(append([]string{"trace-message", "--group", group, "--seq", itoa(seq)}, args...), b.settings()...)
	stdout, stderr, code := run(t, append(args, "--json")...)
	var a traced
	if err := json.Unmarshal([]byte(stdout), &a); err != nil {
		t.Fatalf("trace-message %s %d: exit %d, %q, %s: %v", group, seq, code, stdout, stderr, err)
	}
	want := 1
	if state == "published" || state == "held" || state == "stored" {
		want = 0
	}
	if a.State != state || code != want {
		t.Errorf("trace-message %s %d: exit %d and\n%s\nwant exit %d and %s", group, seq, code, stdout, want, state)
	}
	stdout, stderr, again := run(t, args...)
	if again != code || !strings.HasPrefix(stdout, strings.Fields(a.Sentence)[0]) {
		t.Errorf("trace-message %s %d: exit %d, %s%s; --json said %d and %s", group, seq, again, stdout, stderr, code, a.Sentence)
	}
	t.Logf("chatbridge trace-message --group %q --seq %d\n%s", group, seq, stdout)
	return &a
}

// message is the one message of an answer.
func (a *traced) message(t *testing.T) (m struct {
	Deliveries, Skipped, Published int
	Place                          string
}) {
	t.Helper()
	if len(a.Messages) != 1 {
		t.Fatalf("the answer has %d messages, not one: %+v", len(a.Messages), a)
	}
	for _, d := range a.Messages[0].Deliveries {
		m.Deliveries++
		if d.Skipped {
			m.Skipped++
		}
	}
	for _, p := range a.Messages[0].Published {
		m.Published++
		m.Place = fmt.Sprintf("%d/%d %s", p.Partition, p.Offset, p.Order)
	}
	return m
}

// say posts a message, and requires the answer OK.
func say(t *testing.T, b *bridge, group string, seq, random int) {
	t.Helper()
	body := fmt.Sprintf(`{"CallbackCommand":%q,"GroupId":%q,"Type":"Public","From_Account":"anna","Random":%d,"MsgSeq":%d,`+
		`"MsgTime":1760000000,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"number %d"}}]}`, commandAfterSend, group, random, seq, seq)
	if a := post(t, b, query(commandAfterSend), []byte(body)); !a.ok() {
		t.Fatalf("%s %d was answered %+v", group, seq, a)
	}
}

// places is where tail, which knows nothing of trace-message, has the messages of
// a group: by number, the last one of each.
func places(t *testing.T, b *bridge, group string) map[string]string {
	t.Helper()
	stdout, stderr, code := run(t, append([]string{"tail", "--from", "earliest", "--follow=false", "--json", "--group", group}, b.settings()...)...)
	if code != 0 {
		t.Fatalf("tail: exit %d, %s", code, stderr)
	}
	all := map[string]string{}
	for line := range strings.Lines(stdout) {
		var r struct {
			Partition int
			Offset    int64
			Headers   map[string]string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimLeft(r.Headers["ce_sequence"], "0")] = fmt.Sprintf("%d/%d %s", r.Partition, r.Offset, r.Headers["chatbridge-order"])
	}
	return all
}

// P1, P3, P4, P5, P6: a message goes through every state that there is, and
// trace-message knows each: beside a bridge that runs, and where it is stopped.
func TestAMessageIsTracedWhereverItIs(t *testing.T) {
	t.Parallel()
	const group = "@TGS#traced & found"
	kafka := newKafka(t, spec{})
	b := startBridge(t, kafka, "resequence.hold=1m")
	for _, seq := range []int{1, 2} {
		say(t, b, group, seq, seq)
	}

	// Kafka is away.
	if a := trace(t, b, group, 1, "stored", "--timeout", "1s"); !strings.Contains(a.Sentence, "waits for Kafka") || a.message(t).Deliveries != 1 {
		t.Errorf("with Kafka away: %+v", a)
	}
	b.kill()
	if a := trace(t, b, group, 2, "stored", "--timeout", "1s"); !strings.Contains(a.Sentence, "no bridge answers") {
		t.Errorf("with the bridge killed, too: %+v", a)
	}

	// It is published.
	kafka.start()
	kafka.answers()
	b.start()
	b.ready()
	b.drained()
	at := places(t, b, group)
	for _, seq := range []int{1, 2} {
		if m := trace(t, b, group, seq, "published").message(t); m.Place != at[itoa(seq)] || m.Place == "" || m.Published != 1 {
			t.Errorf("number %d is %+v; tail has it at %s", seq, m, at[itoa(seq)])
		}
	}

	// It is held, and its neighbours are known to be missing.
	for _, seq := range []int{5, 8} {
		say(t, b, group, seq, seq)
	}
	eventually(t, "two are held", func() error { return b.above("chatbridge_resequence_held", 1) })
	a := trace(t, b, group, 8, "held")
	if h := a.Messages[0].Held; h == nil || h.LeavesIn <= 0 || h.LeavesIn > 60 || !strings.Contains(a.Sentence, "waits for 3-4, 6-7") || a.Next != 3 {
		t.Errorf("held: %+v", a)
	}
	if a := trace(t, b, group, 4, "not-yet-received"); !strings.Contains(a.Sentence, "so far: the stream is at 2, and 5, 8 are held.") {
		t.Errorf("not received, and others wait for it: %+v", a)
	}
	if a := trace(t, b, group, 4, "unknown", "--set", "spool.dir="+t.TempDir()); len(a.NotRead) != 1 || a.NotRead[0] != "spool" {
		t.Errorf("without the spool: %+v", a)
	}

	// Its repeat is skipped, and stays in the spool as long as what is held before it.
	say(t, b, group, 2, 2)
	eventually(t, "the repeat is skipped", func() error { return b.above(`chatbridge_events_total{order="duplicate"}`, 0) })
	eventually(t, "the checkpoint says so", func() error {
		if m := trace(t, b, group, 2, "published").message(t); m.Place != at["2"] || m.Deliveries != 1 || m.Skipped != 1 {
			return fmt.Errorf("the repeat of 2 is %+v", m)
		}
		return nil
	})

	afterTheHold(t, b, group)
	whatIsNoMessage(t, b, group)
}

// afterTheHold gives up what is held, and asks again, beside the bridge and without.
func afterTheHold(t *testing.T, b *bridge, group string) {
	t.Helper()
	b.signal(syscall.SIGTERM)
	if code := b.exit(); code != 0 {
		t.Fatalf("serve ended with %d", code)
	}
	if a := trace(t, b, group, 8, "stored"); !strings.Contains(a.Sentence, "no bridge answers") {
		t.Errorf("held by a bridge that was stopped: %+v", a)
	}
	if a := trace(t, b, group, 6, "not-yet-received"); a.Spooled == nil || a.Spooled.Above == nil || a.Spooled.Above.Seq != 8 || !strings.Contains(a.Sentence, "8 waits in the spool") {
		t.Errorf("not received, beside what a stopped bridge held: %+v", a)
	}
	b.set = append(b.set, "resequence.hold=20ms")
	b.start()
	b.ready()
	b.drained()
	at := places(t, b, group)
	if m := trace(t, b, group, 8, "published").message(t); m.Place != at["8"] || !strings.HasSuffix(m.Place, "after-hole") {
		t.Errorf("after the hold: %+v, tail has it at %s", m, at["8"])
	}
	if a := trace(t, b, group, 7, "not-received"); len(a.Skipped) != 1 || a.Skipped[0].Seq != 8 || !strings.Contains(a.Sentence, "the hole 6-7") {
		t.Errorf("in a hole: %+v", a)
	}

	// The same number with another Random is another message.
	say(t, b, group, 5, 99)
	b.drained()
	if a := trace(t, b, group, 5, "published"); len(a.Messages) != 2 || a.Messages[1].Random != 99 || a.Messages[1].Published[0].Order != "late" {
		t.Errorf("two messages with one number: %+v", a)
	}
	trace(t, b, group, 5, "gone", "--from", "latest") // what is not read is not said to be there
	trace(t, b, group, 9, "not-yet-received")
	trace(t, b, "nobody's", 1, "not-received")
}

// whatIsNoMessage: what is refused leaves no trace, and what cannot be read is
// found among the dead letters, also after a stop.
func whatIsNoMessage(t *testing.T, b *bridge, group string) {
	t.Helper()
	forged := query(commandAfterSend)
	forged.Set("Sign", strings.Repeat("0", 64))
	if a := post(t, b, forged, fmt.Appendf(nil, `{"GroupId":%q,"MsgSeq":10}`, group)); a.Status != http.StatusUnauthorized {
		t.Fatalf("a forged callback was answered %+v", a)
	}
	if a := trace(t, b, group, 10, "not-yet-received"); !strings.Contains(strings.Join(a.Notes, " "), "refused") {
		t.Errorf("refused: %+v", a)
	}
	torn := fmt.Appendf(nil, `{"GroupId":%q,"MsgSeq":11,"MsgBody":[{"MsgType":`, group)
	if a := post(t, b, query(commandAfterSend), torn); a.Status != http.StatusBadRequest {
		t.Fatalf("a torn callback was answered %+v", a)
	}
	b.drained()
	for range 2 {
		a := trace(t, b, group, 11, "dead-letter")
		if len(a.Messages) != 1 || len(a.Messages[0].DeadLetters) != 1 || a.Messages[0].DeadLetters[0].Reason != "not-json" {
			t.Errorf("a dead letter: %+v", a)
		}
		b.signal(os.Interrupt) // once more with the bridge stopped
		b.exit()
	}
	if a := trace(t, b, group, 7, "not-received"); a.Spooled != nil {
		t.Errorf("with all settled, the spool is said to have %+v", a.Spooled)
	}
	if m := trace(t, b, group, 1, "published").message(t); m.Published != 1 {
		t.Errorf("with the bridge stopped: %+v", m)
	}
}
