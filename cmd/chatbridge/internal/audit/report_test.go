package audit

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

func TestReportCountsWhatIsNoViolation(t *testing.T) {
	t.Parallel()
	m := healthy(t, 3)
	m.write(t, alpha, "17- 18:16-17 16- 19?")
	r := mustAudit(t, m, Options{Ledger: m.ledgerFile(t, true)})
	// alpha 5-6, 10 (late), 16-17; general 4; others 10-19 (19 late). Random begins at 3.
	want := Holes{Ranges: 5, Skipped: 2 + 1 + 2 + 1 + 10, Filled: 2, Dropped: 4, Unanswered: 1}
	if diff := cmp.Diff(want, r.Holes); diff != "" {
		t.Error(diff)
	}
	if r.Holes.Missing() != 14 {
		t.Errorf("missing: %d", r.Holes.Missing())
	}
	wantLedger := &Ledger{
		Lines: r.Ledger.Lines, Runs: 1, OK: 38, NotOK: 3, Stored: 38, Dropped: 7, DroppedOutside: 3, Others: 10,
	}
	if diff := cmp.Diff(wantLedger, r.Ledger); diff != "" {
		t.Error(diff)
	}
	if r.Messages != 48 || r.Records != 48 || r.Streams != 5 {
		t.Errorf("%d messages, %d records, %d streams", r.Messages, r.Records, r.Streams)
	}
	wantLine := "audit: clean: 48 messages, 0 lost, 0 doubled, 0 out of order, 14 holes (4 dropped by the sender, 1 not answered OK, 9 in streams of others)"
	if !r.Clean || r.LastLine() != wantLine {
		t.Errorf("%s\n%+v", r.LastLine(), r.Findings)
	}
}

func TestLastLineSaysWhetherTheTopicIsClean(t *testing.T) {
	t.Parallel()
	m := newTopicModel(2)
	m.line(ledger.Reserved, room, 1, 64)
	m.write(t, room, "1 2 3- 4:3-3 5 6- 7- 8:6-7")
	for _, c := range []struct {
		ledger bool
		damage func()
		want   string
	}{
		{true, func() {}, "audit: clean: 5 messages, 0 lost, 0 doubled, 0 out of order, 3 holes (all dropped by the sender)"},
		{false, func() {}, "audit: clean: 5 messages, 0 doubled, 0 out of order, 3 holes"},
		{true, func() { m.remove(t, room, 2) }, "audit: 2 violations in 4 messages: 1 lost, 1 unmarked-gap"},
	} {
		c.damage()
		o := Options{}
		if c.ledger {
			o.Ledger = m.ledgerFile(t, true)
		}
		if got := mustAudit(t, m, o).LastLine(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := mustAudit(t, newTopicModel(1), Options{}).LastLine(); got != "audit: clean: 0 messages, 0 doubled, 0 out of order, 0 holes" {
		t.Errorf("an empty topic: %q", got)
	}
}

// A killed sender does not know what became of its last numbers; they are not
// held against the bridge, in whichever way they went.
func TestWhatAKilledSenderReservedIsNotJudged(t *testing.T) {
	t.Parallel()
	m := newTopicModel(2)
	m.line(ledger.Reserved, room, 1, 10)
	m.write(t, room, "1 2 3 7:4-6 0 12:8-11")
	// Of all that, the ledger got only the first two answers.
	m.lines = m.lines[:3]
	killed := mustAudit(t, m, Options{Ledger: m.ledgerFile(t, false)})
	want := map[Verdict]uint64{Invented: 1, UnexplainedHole: 1} // 12 and 11 lie above what was reserved
	if diff := cmp.Diff(want, verdicts(killed)); diff != "" {
		t.Errorf("killed: %s\n%+v", diff, killed.Findings)
	}
	if killed.Ledger.OpenRuns != 1 || killed.Ledger.Arrived != 3 || !strings.Contains(strings.Join(killed.Hints, " "), "did not end") {
		t.Errorf("%+v, %v", killed.Ledger, killed.Hints)
	}
	ended := mustAudit(t, m, Options{Ledger: m.ledgerFile(t, true)})
	want = map[Verdict]uint64{Invented: 4, UnexplainedHole: 7}
	if diff := cmp.Diff(want, verdicts(ended)); diff != "" {
		t.Errorf("ended: %s\n%+v", diff, ended.Findings)
	}
}

// A stream that the bridge had forgotten comes back as it begins: in-order, with
// no word of what was skipped (design 6.5, 6.6). It is said what that may be, and
// with a ledger that nothing is lost (P5, P9).
func TestAForgottenStreamIsTold(t *testing.T) {
	t.Parallel()
	m := newTopicModel(1)
	m.line(ledger.Reserved, room, 1, 16)
	m.write(t, room, "1 2 3- 4- 5 6")
	report := mustAudit(t, m, Options{Ledger: m.ledgerFile(t, true)})
	if diff := cmp.Diff(found{UnmarkedGap: 1}, verdicts(report)); diff != "" || report.Holes.Dropped != 2 {
		t.Errorf("%s\nholes %+v", diff, report.Holes)
	}
	if !strings.Contains(strings.Join(report.Hints, "\n"), "had forgotten") {
		t.Errorf("hints %q", report.Hints)
	}
}

// A sender that goes on while the audit runs is not held against the topic:
// neither what arrives and is in no ledger line yet, nor what is answered and
// lies behind the end of what is read (P9).
func TestASenderMayGoOnMeanwhile(t *testing.T) {
	t.Parallel()
	m := newTopicModel(1)
	m.line(ledger.Reserved, room, 1, 4)
	m.write(t, room, "1 2 3 4")
	path := m.ledgerFile(t, false)
	source := &busyTopic{topicModel: m, meanwhile: func() {
		m.line(ledger.Reserved, room, 5, 8)
		m.write(t, room, "5 6- 8:6-7") // 7 is on its way, its line is not written yet
		m.stored(m.event(t, room, 9))  // behind the end
		m.writeLedger(t, path, false)
	}}
	report := mustAudit(t, source, Options{Ledger: path})
	if !report.Clean {
		t.Errorf("with a sender that went on: %+v", report.Findings)
	}
	if report.Messages != 6 || report.Ledger.Arrived != 2 || report.Holes.Dropped != 1 || report.Holes.Unanswered != 1 {
		t.Errorf("messages %d, ledger %+v, holes %+v", report.Messages, *report.Ledger, report.Holes)
	}
}

// busyTopic is a topic whose sender goes on when the audit first asks for it.
type busyTopic struct {
	*topicModel
	meanwhile func()
}

func (b *busyTopic) Partitions(ctx context.Context) (int, error) {
	b.meanwhile()
	return b.topicModel.Partitions(ctx)
}

func TestExamplesAreTheFirstOnesAndNamed(t *testing.T) {
	t.Parallel()
	m := newTopicModel(1)
	m.write(t, general, "1 3 5 7 9 11")
	m.remove(t, general, 9)
	r := mustAudit(t, m, Options{Examples: 2, Ledger: m.ledgerFile(t, true)})
	var lost, gaps Finding
	for _, f := range r.Findings {
		switch f.Verdict {
		case Lost:
			lost = f
		case UnmarkedGap:
			gaps = f
		}
	}
	if gaps.Count != 4 || len(gaps.Examples) != 2 || gaps.Examples[0].Offset != 1 || gaps.Examples[1].Offset != 2 {
		t.Errorf("%+v", gaps)
	}
	for _, e := range append(gaps.Examples, lost.Examples...) {
		if e.App != testApp || e.Group != general.GroupID || e.Topic != general.TopicID || e.Seq == 0 || e.ID == "" {
			t.Errorf("%+v", e)
		}
	}
	if len(lost.Examples) != 1 || lost.Examples[0].Seq != 9 || lost.Examples[0].Partition != -1 {
		t.Errorf("%+v", lost)
	}
}

func TestOnlyTheRangeIsAudited(t *testing.T) {
	t.Parallel()
	m := newTopicModel(1)
	m.write(t, room, "1 2 3 4 5 6 7 8") // second n of the clock each
	m.insert(0, 6, *m.record(t, room, 5))
	m.insert(0, 2, *m.record(t, room, 1))
	// Now: 1 2 1 3 4 5 6 5 7 8
	first := m.partitions[0][0].Time
	for _, c := range []struct {
		from, to topic.Bound
		records  uint64
		doubled  uint64
	}{
		{topic.Earliest(), topic.Bound{}, 10, 2},
		{topic.Offset(3), topic.Bound{}, 7, 1},
		{topic.Offset(3), topic.Offset(7), 4, 0},
		{topic.Offset(7), topic.Offset(3), 0, 0},
		{topic.At(first.Add(3 * time.Second)), topic.Latest(), 6, 1},
		{topic.Earliest(), topic.At(first.Add(time.Second)), 1, 0},
		{topic.Offset(1000), topic.Bound{}, 0, 0},
	} {
		r := mustAudit(t, m, Options{From: c.from, To: c.to})
		if r.Records != c.records || r.Count(Doubled) != c.doubled {
			t.Errorf("%+v to %+v: %d records, %+v", c.from, c.to, r.Records, r.Findings)
		}
	}
}

// A topic that got more partitions has its old records where they were.
func TestAGrownTopicIsRecognized(t *testing.T) {
	t.Parallel()
	var streams []schema.Stream
	for i := range 30 {
		streams = append(streams, schema.Stream{AppID: testApp, GroupID: "group " + strconv.Itoa(i)})
	}
	m := newTopicModel(3)
	for _, s := range streams {
		m.write(t, s, "1 2 3 4 6:5-5")
	}
	m.partitions = append(m.partitions, nil, nil, nil, nil)
	for _, s := range streams {
		m.write(t, s, "7 8 9")
	}
	r := mustAudit(t, m, Options{})
	if r.Clean || r.Count(WrongPartition) == 0 || len(r.Findings) != 1 {
		t.Errorf("%+v", r.Findings)
	}
	if hints := strings.Join(r.Hints, " "); !strings.Contains(hints, "--grown-from 3.") {
		t.Errorf("hints: %q", hints)
	}
	if r := mustAudit(t, m, Options{GrownFrom: []int{3}}); !r.Clean || r.Grown == 0 {
		t.Errorf("%+v, %d grown", r.Findings, r.Grown)
	}
}

// One that got more partitions twice needs both numbers.
func TestATopicThatGrewTwiceIsRecognized(t *testing.T) {
	t.Parallel()
	m := newTopicModel(2)
	for step, partitions := range []int{2, 3, 7} {
		m.partitions = append(m.partitions, make([][]publisher.Record, partitions-len(m.partitions))...)
		for i := range 30 {
			m.write(t, schema.Stream{AppID: testApp, GroupID: "group " + strconv.Itoa(i)}, strconv.Itoa(step+1))
		}
	}
	r := mustAudit(t, m, Options{})
	if hints := strings.Join(r.Hints, " "); r.Clean || !strings.Contains(hints, "--grown-from and all the numbers") {
		t.Errorf("clean %t, hints: %q", r.Clean, hints)
	}
	if r := mustAudit(t, m, Options{GrownFrom: []int{2, 3}, Ledger: m.ledgerFile(t, true)}); !r.Clean || r.Grown == 0 {
		t.Errorf("%+v, %d grown", r.Findings, r.Grown)
	}
}

// changingSource has another number of partitions each time that it is asked.
type changingSource struct {
	*topicModel
	step, extra int
}

func (c *changingSource) Partitions(ctx context.Context) (int, error) {
	n, err := c.topicModel.Partitions(ctx)
	c.extra += c.step
	return n + c.extra - c.step, err
}

// A topic that changes while it is read gives no verdict: neither all that is in it
// nor where it belongs was seen.
func TestATopicThatChangesMeanwhileHasNoVerdict(t *testing.T) {
	t.Parallel()
	for step, words := range map[int]string{2: "--grown-from 3", -1: "made anew with 2 partitions"} {
		r, err := New(&changingSource{healthy(t, 3), step, 0}, Options{TempDir: t.TempDir()}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v, %v; want an error with %q", r, err, words)
		}
	}
}

func TestAnAuditThatCannotReadHasNoVerdict(t *testing.T) {
	t.Parallel()
	m := healthy(t, 3)
	for name, o := range map[string]Options{
		"no ledger":        {Ledger: t.TempDir() + "/missing"},
		"nowhere to spill": {TempDir: t.TempDir() + "/missing", Memory: 1},
	} {
		a := New(m, o)
		a.byID.limit = 3
		if r, err := a.Run(context.Background()); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := New(m, Options{}).Run(ctx); err == nil {
		t.Errorf("ended: %+v", r)
	}
	if r, err := New(&brokenSource{m}, Options{}).Run(context.Background()); err == nil {
		t.Errorf("broken: %+v", r)
	}
}

// brokenSource cannot read one of its partitions.
type brokenSource struct{ *topicModel }

func (b *brokenSource) Read(ctx context.Context, p int, from, to int64, fn func(*publisher.Record) error) error {
	if p == 1 {
		return context.DeadlineExceeded
	}
	return b.topicModel.Read(ctx, p, from, to, fn)
}
