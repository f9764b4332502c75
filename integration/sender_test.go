package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// traffic is how badly messages are delivered in all tests: worse than anything
// that was ever seen of the real sender.
func traffic() []string {
	return []string{"--groups", "200", "--disorder", "0.2", "--duplicate", "0.05", "--drop", "0.03"}
}

// sent is send's summary, as far as tests use it.
type sent struct {
	Messages       uint64            `json:"messages"`
	MessagesStored uint64            `json:"messages_stored"`
	Dropped        uint64            `json:"dropped"`
	Overtaken      uint64            `json:"overtaken"`
	Copies         uint64            `json:"copies"`
	Callbacks      uint64            `json:"callbacks"`
	OK             uint64            `json:"ok"`
	Refused        map[string]uint64 `json:"refused"`
	Unanswered     map[string]uint64 `json:"unanswered"`
	PerSecond      float64           `json:"per_second"`
	Latency        struct {
		P50 time.Duration `json:"p50_ns"`
		P99 time.Duration `json:"p99_ns"`
		Max time.Duration `json:"max_ns"`
	} `json:"latency"`
}

// sender is a running send.
type sender struct{ *process }

// newLedger returns a ledger's file, to be written.
func newLedger(t testing.TB) string {
	t.Helper()
	return filepath.Join(newDir(t, "ledger"), "ledger.jsonl")
}

// startSend starts send against the bridge with the usual disorder.
func startSend(b *bridge, ledger string, args ...string) *sender {
	b.t.Helper()
	all := append([]string{
		"send", "--json", "--url", b.url, "--app", strconv.Itoa(app), "--token", appToken, "--ledger", ledger,
		"--seed", strconv.FormatUint(sizes.seed+1, 10),
	}, traffic()...)
	return &sender{launch(b.t, "send", logFile(b.t, "send"), exec.Command(program, append(all, args...)...))}
}

// send sends to the end.
func send(b *bridge, ledger string, args ...string) sent {
	b.t.Helper()
	return startSend(b, ledger, args...).summary()
}

// stop ends an endless send; what is in flight is still answered.
func (s *sender) stop() sent {
	s.t.Helper()
	s.signal(os.Interrupt)
	return s.summary()
}

// summary waits for the end.
func (s *sender) summary() sent {
	s.t.Helper()
	code := s.exit()
	var sum sent
	if err := json.Unmarshal(s.out.Bytes(), &sum); err != nil {
		s.t.Fatalf("send: exit %d, summary %q: %v\n%s", code, s.out, err, tail(s.log, 20))
	}
	return sum
}

// verdict is audit's report, as far as tests use it.
type verdict struct {
	Clean    bool              `json:"clean"`
	Records  uint64            `json:"records"`
	Messages uint64            `json:"messages"`
	Streams  uint64            `json:"streams"`
	Orders   map[string]uint64 `json:"orders"`
	Holes    struct {
		Skipped     uint64 `json:"skipped"`
		Filled      uint64 `json:"filled"`
		Dropped     uint64 `json:"dropped"`
		Unanswered  uint64 `json:"unanswered"`
		Lost        uint64 `json:"lost"`
		Unexplained uint64 `json:"unexplained"`
	} `json:"holes"`
	Ledger struct {
		OpenRuns       int    `json:"open_runs"`
		OK             uint64 `json:"ok"`
		Stored         uint64 `json:"stored"`
		Arrived        uint64 `json:"arrived"`
		Dropped        uint64 `json:"dropped"`
		DroppedOutside uint64 `json:"dropped_outside"`
		Others         uint64 `json:"others"`
	} `json:"ledger"`
	Findings []struct {
		Verdict  string            `json:"verdict"`
		Count    uint64            `json:"count"`
		Examples []json.RawMessage `json:"examples"`
	} `json:"findings"`
}

// audit waits until the bridge has published everything, and audits its topic
// against the ledger. The topic must be clean; see judge.
func audit(b *bridge, ledger string) verdict {
	b.t.Helper()
	v, wrong := judge(b, ledger)
	for _, w := range wrong {
		b.t.Errorf("audit: %s", w)
	}
	return v
}

// judge does what audit does, and returns what is wrong: something lost, doubled or
// out of order, or a hole that is no number that the sender dropped, or sent and
// got no good answer for.
func judge(b *bridge, ledger string) (verdict, []string) {
	b.t.Helper()
	b.drained()
	stdout, stderr, code := run(b.t, append([]string{"audit", "--json", "--ledger", ledger}, b.settings()...)...)
	var v verdict
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		b.t.Fatalf("audit: exit %d, report %q, %s: %v", code, stdout, stderr, err)
	}
	var wrong []string
	unless := func(good bool, format string, args ...any) {
		if !good {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	unless(code == 0 && v.Clean && len(v.Findings) == 0, "exit %d, clean %v: %s", code, v.Clean, stdout)
	unless(v.Messages == v.Records, "%d messages in %d records", v.Messages, v.Records)
	stored := v.Ledger.Stored + v.Ledger.Arrived
	unless(v.Messages == stored, "%d messages in the topic, %d were stored", v.Messages, stored)
	h := v.Holes
	unless(h.Skipped-h.Filled == h.Dropped+h.Unanswered, "%d numbers are missing, the sender dropped %d and got no answer for %d",
		h.Skipped-h.Filled, h.Dropped, h.Unanswered)
	dropped := v.Ledger.Dropped - v.Ledger.DroppedOutside
	unless(h.Dropped == dropped, "%d holes were dropped by the sender, who dropped %d where holes show", h.Dropped, dropped)
	unless(v.Ledger.OpenRuns == 0, "%d runs of the ledger have no end", v.Ledger.OpenRuns)
	return v, wrong
}

// found is how often audit found something of that verdict.
func (v verdict) found(name string) uint64 {
	for _, f := range v.Findings {
		if f.Verdict == name {
			return f.Count
		}
	}
	return 0
}

func (s sent) String() string {
	refused, unanswered := uint64(0), uint64(0)
	for _, n := range s.Refused {
		refused += n
	}
	for _, n := range s.Unanswered {
		unanswered += n
	}
	return fmt.Sprintf("sent %d messages in %d callbacks (%d overtaken, %d copies, %d numbers dropped): %d answered OK, %d refused, %d unanswered; %.0f/s",
		s.Messages, s.Callbacks, s.Overtaken, s.Copies, s.Dropped, s.OK, refused, unanswered, s.PerSecond)
}

func (v verdict) String() string {
	return fmt.Sprintf("audited %d messages of %d streams: clean %v; orders %v; %d numbers missing: %d dropped by the sender, %d without a good answer; %d arrived without one",
		v.Messages, v.Streams, v.Clean, v.Orders, v.Holes.Skipped-v.Holes.Filled, v.Holes.Dropped, v.Holes.Unanswered, v.Ledger.Arrived)
}
