package trace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

const testApp = 1400000000

// memory is a topic in memory. Its first offset is start.
type memory struct {
	partitions [][]publisher.Record
	start      int64
	read       int
}

func (m *memory) Partitions(context.Context) (int, error) { return len(m.partitions), nil }

func (m *memory) Offsets(_ context.Context, p int) (start, end int64, err error) {
	return m.start, m.start + int64(len(m.partitions[p])), nil
}

func (m *memory) OffsetAt(_ context.Context, p int, at time.Time) (int64, error) {
	for i, r := range m.partitions[p] {
		if !r.Time.Before(at) {
			return m.start + int64(i), nil
		}
	}
	return m.start + int64(len(m.partitions[p])), nil
}

func (m *memory) Read(_ context.Context, p int, from, to int64, fn func(*publisher.Record) error) error {
	for o := max(from, m.start); o < to; o++ {
		r := m.partitions[p][o-m.start]
		r.Offset = o
		m.read++
		if err := fn(&r); err != nil {
			return err
		}
	}
	return nil
}

// body is a message's callback.
func body(group, topicID string, seq, random int, sent time.Time) []byte {
	return fmt.Appendf(nil, `{"GroupId":%q,"TopicId":%q,"Random":%d,"MsgSeq":%d,"MsgTime":%d}`, group, topicID, random, seq, sent.Unix())
}

const testQuery = "SdkAppid=1400000000&CallbackCommand=Group.CallbackAfterSendMsg"

// record is a message in the topic.
func record(t *testing.T, group, topicID string, seq, random int, sent time.Time, order schema.Order, hole schema.Hole) publisher.Record {
	t.Helper()
	e, err := schema.Normalize(schema.Request{AppID: testApp, Command: schema.CommandAfterSend, ReceivedAt: sent.Add(time.Second)}, body(group, topicID, seq, random, sent))
	if err != nil {
		t.Fatal(err)
	}
	value, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := publisher.Record{Key: []byte(group), Value: value, Time: e.RecordTime()}
	for _, h := range e.Headers(order, hole) {
		r.Headers = append(r.Headers, publisher.Header(h))
	}
	return r
}

// delivery is a message in the spool.
func delivery(t *testing.T, q *Question, seq, random int, sent time.Time) Delivery {
	t.Helper()
	d, ok := q.Read(&Callback{Query: testQuery, Body: body(q.GroupID, q.TopicID, seq, random, sent), ReceivedAt: sent.Add(time.Second)})
	if !ok {
		t.Fatalf("%d is not what is asked for by %+v", seq, q)
	}
	return d
}

// answer searches a topic and judges; more evidence is added by with.
func answer(t *testing.T, m *memory, s Search, with func(*Evidence)) *Answer {
	t.Helper()
	f, err := s.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	e := Evidence{Question: s.Question, SpoolRead: true, Found: f, LettersRead: true}
	if with != nil {
		with(&e)
	}
	return e.Judge()
}

var began = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// TestASearchFromTheEndFindsWhatAWholeOneFinds: in topics of several steps, with
// holes, late ones and repeats, for each number; and it reads less.
func TestASearchFromTheEndFindsWhatAWholeOneFinds(t *testing.T) {
	t.Parallel()
	const group, records, every = "g", 5 * firstStep, 1000
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 3))
		m := &memory{partitions: make([][]publisher.Record, 1), start: int64(seed) * 77}
		next := 1
		var left []int // numbers that did not come
		for i := range records {
			at := began.Add(time.Duration(i) * time.Second)
			r := publisher.Record{Key: []byte("another"), Time: at}
			switch {
			case i%every != 0:
			case len(left) > 0 && rng.IntN(4) == 0:
				r = record(t, group, "", left[0], 1, at, schema.Late, schema.Hole{})
				left = left[1:]
			case rng.IntN(4) == 0 && next > 1:
				r = record(t, group, "", next+1, 1, at, schema.AfterHole, schema.Hole{From: uint64(next), To: uint64(next)})
				left = append(left, next)
				next += 2
			default:
				r = record(t, group, "", next, 1, at, schema.InOrder, schema.Hole{})
				next++
			}
			m.partitions[0] = append(m.partitions[0], r)
		}
		whole, steps := 0, 0
		earliest := topic.Earliest()
		for seq := 1; seq <= next; seq += 1 + rng.IntN(8) {
			q := Question{GroupID: group, Seq: uint64(seq)}
			m.read = 0
			want := answer(t, m, Search{Question: q, From: &earliest}, nil)
			whole += m.read
			m.read = 0
			got := answer(t, m, Search{Question: q}, nil)
			steps += m.read
			if got.State != want.State || got.Sentence != want.Sentence || len(got.Messages) != len(want.Messages) {
				t.Errorf("seed %d: number %d is %s (%s); the whole topic says %s (%s)", seed, seq, got.State, got.Sentence, want.State, want.Sentence)
			}
		}
		if steps >= whole*3/4 {
			t.Errorf("seed %d: searching from the end read %d records, reading all of them %d", seed, steps, whole)
		}
	}
}

// TestATopicThatIsSearchedByTimeIsReadFromThere: what the spool knows makes the
// search short.
func TestATopicThatIsSearchedByTimeIsReadFromThere(t *testing.T) {
	t.Parallel()
	m := &memory{partitions: make([][]publisher.Record, 1)}
	for seq := 1; seq <= 3*firstStep; seq++ {
		m.partitions[0] = append(m.partitions[0], publisher.Record{Key: []byte("another"), Time: began.Add(time.Duration(seq) * time.Second)})
	}
	q := Question{GroupID: "g", Seq: 7}
	at := began.Add(firstStep * time.Second)
	m.partitions[0][firstStep] = record(t, "g", "", 7, 1, at, schema.InOrder, schema.Hole{})
	d := delivery(t, &q, 7, 1, at)
	a := answer(t, m, Search{Question: q, Since: d.Begin()}, func(e *Evidence) { d.Settled = true; e.Deliveries = []Delivery{d} })
	if a.State != Published || a.Messages[0].Deliveries[0].Skipped || m.read < 2*firstStep || m.read > 2*firstStep+100 {
		t.Errorf("%s after %d records: %+v", a.State, m.read, a)
	}
}

// Each state that there is, from what is known, and the words of it.
func TestJudge(t *testing.T) {
	t.Parallel()
	q := Question{GroupID: "g", Seq: 5}
	in := func(start int64, seqs ...int) *memory {
		m := &memory{partitions: make([][]publisher.Record, 1), start: start}
		for i, seq := range seqs {
			order, hole := schema.InOrder, schema.Hole{}
			if i > 0 && seq > seqs[i-1]+1 {
				order, hole = schema.AfterHole, schema.Hole{From: uint64(seqs[i-1] + 1), To: uint64(seq - 1)}
			}
			m.partitions[0] = append(m.partitions[0], record(t, "g", "", seq, 1, began, order, hole))
		}
		return m
	}
	stored := func(settled bool) func(*Evidence) {
		return func(e *Evidence) {
			d := delivery(t, &q, 5, 1, began)
			d.Position, d.Settled = 12, settled
			e.Deliveries = []Delivery{d}
		}
	}
	and := func(more ...func(*Evidence)) func(*Evidence) {
		return func(e *Evidence) {
			for _, do := range more {
				do(e)
			}
		}
	}
	alive := func(sink ...string) func(*Evidence) {
		return func(e *Evidence) { e.Alive, e.Sink, e.Next = true, sink, 3 }
	}
	held := func(holes ...Hole) func(*Evidence) {
		return func(e *Evidence) { e.Held = []Held{{LeavesIn: 0.25, WaitsFor: holes, AppID: testApp}} }
	}
	for name, c := range map[string]struct {
		topic *memory
		with  func(*Evidence)
		state State
		says  string
	}{
		"published":           {in(40, 4, 5), stored(true), Published, "Published at partition 0, offset 41, with the time 2026-03-04T05:06:07.000Z, in-order."},
		"published, hole":     {in(0, 2, 5), nil, Published, "after-hole (3-4 skipped before it)"},
		"published twice":     {in(0, 5, 5), nil, Published, "it is there 1 more times"},
		"published meanwhile": {in(0, 5), and(stored(false), held()), Published, "offset 0"},
		"held":                {in(0, 2), and(stored(false), alive(), held(Hole{3, 4})), Waiting, "Held for 250ms more at most: it waits for 3-4."},
		"held, no spool":      {in(0, 2), and(alive(), held(Hole{3, 3})), Waiting, "it waits for 3"},
		"to begin again":      {in(0, 9), and(stored(false), func(e *Evidence) { e.Held = []Held{{LeavesIn: 1, Restart: true}} }), Waiting, "made anew"},
		"stored":              {in(0, 2), and(stored(false), alive()), Stored, "Stored in the spool at position 12 since 2026-03-04T05:06:08.000Z, and not in the topic yet: it is on its way."},
		"waits for Kafka":     {in(0, 2), and(stored(false), alive("no leader")), Stored, "it waits for Kafka: no leader."},
		"nobody answers":      {in(0, 2), stored(false), Stored, "no bridge answers"},
		"gone":                {in(99, 7), stored(true), Gone, "retention"},
		"repeat of gone":      {in(99, 7), func(e *Evidence) { e.Repeat = &began }, Gone, "A repeat of it was skipped at 2026-03-04T05:06:07.000Z"},
		"in a hole":           {in(0, 4, 8), nil, Missing, "Not received: 8 left without it at partition 0, offset 1, marked with the hole 5-7."},
		"not come yet":        {in(0, 1, 2), nil, Expected, "the stream is at 2"},
		"not come yet, asked": {in(0, 1, 2), alive(), Expected, "the stream is at 2"},
		"before the first":    {in(0, 6), nil, Missing, "begins with 6"},
		"before what is left": {in(10, 6), nil, Unknown, "what is before that cannot be said"},
		"neighbours":          {in(0, 4, 6), nil, Missing, "the hole 5"},
		"never seen":          {in(0), nil, Missing, "nothing of this stream was ever published"},
		"an empty rest":       {in(10), nil, Unknown, "part of the topic"},
		"dead letter":         {in(0, 4), func(e *Evidence) { e.Letters = []Letter{{Reason: "too-large-for-topic", Detail: "no", Offset: 3}} }, DeadLetter, "It is in the dead-letter topic at partition 0, offset 3: too-large-for-topic (no)."},
		"likely":              {in(0, 4), func(e *Evidence) { e.Letters = []Letter{{Reason: "not-json", Likely: true}} }, DeadLetter, "It is most likely in"},
		"unreadable":          {in(0, 4), func(e *Evidence) { e.Deliveries = []Delivery{{Position: 3, Unreadable: "the body ends"}} }, Stored, "it cannot be read (the body ends) and goes to the dead-letter topic"},
	} {
		a := answer(t, c.topic, Search{Question: q}, c.with)
		if a.State != c.state || !strings.Contains(a.Sentence, c.says) {
			t.Errorf("%s: %s: %s\nwant %s: … %s …", name, a.State, a.Sentence, c.state, c.says)
		}
	}
	for name, c := range map[string]struct {
		with  func(*Evidence)
		state State
	}{"nothing": {nil, Unknown}, "settled": {stored(true), Unknown}, "stored": {stored(false), Stored}} {
		e := Evidence{Question: q}
		if c.with != nil {
			c.with(&e)
		}
		if a := e.Judge(); a.State != c.state {
			t.Errorf("without the topic, %s: %s: %s; want %s", name, a.State, a.Sentence, c.state)
		}
	}
}

// P4: of the deliveries of a message, the one that was published is told from the
// repeats; messages with one number are told apart by their Randoms and epochs.
func TestMessagesAndDeliveriesAreToldApart(t *testing.T) {
	t.Parallel()
	q := Question{GroupID: "g", Seq: 5}
	m := &memory{partitions: [][]publisher.Record{{
		record(t, "g", "", 5, 1, began, schema.InOrder, schema.Hole{}),
		record(t, "g", "", 5, 2, began, schema.Late, schema.Hole{}),
		record(t, "g", "", 5, 1, began.Add(time.Hour), schema.Reset, schema.Hole{}),
	}}}
	a := answer(t, m, Search{Question: q}, func(e *Evidence) {
		first, repeat, other := delivery(t, &q, 5, 1, began), delivery(t, &q, 5, 1, began), delivery(t, &q, 5, 3, began)
		first.Settled, repeat.Settled = true, true
		repeat.ReceivedAt = repeat.ReceivedAt.Add(time.Second)
		e.Deliveries = []Delivery{first, repeat, other}
	})
	if len(a.Messages) != 4 || a.Messages[3].State != Stored {
		t.Fatalf("there are %d messages: %+v", len(a.Messages), a.Messages)
	}
	for i, m := range a.Messages[:3] {
		if m.State != Published || m.Published[0].Offset != int64(i) {
			t.Errorf("message %d is %+v", i, m)
		}
	}
	if d := a.Messages[0].Deliveries; len(d) != 2 || d[0].Skipped || !d[1].Skipped {
		t.Errorf("the deliveries are %+v", d)
	}
	if len(a.Notes) == 0 || !strings.Contains(a.Notes[0], "4 messages") {
		t.Errorf("notes %q", a.Notes)
	}
}

// A community's topics are streams of their own.
func TestATopicOfACommunityIsAskedForByName(t *testing.T) {
	t.Parallel()
	m := &memory{partitions: [][]publisher.Record{{record(t, "g", "news", 5, 1, began, schema.InOrder, schema.Hole{})}}}
	if a := answer(t, m, Search{Question: Question{GroupID: "g", Seq: 5}}, nil); a.State != Missing || !strings.Contains(a.Sentence, "--topic-id") {
		t.Errorf("without the topic: %s: %s", a.State, a.Sentence)
	}
	if a := answer(t, m, Search{Question: Question{GroupID: "g", Seq: 5, TopicID: "news"}}, nil); a.State != Published {
		t.Errorf("with the topic: %s: %s", a.State, a.Sentence)
	}
	if a := answer(t, m, Search{Question: Question{GroupID: "g", Seq: 5, TopicID: "news", AppID: 1}}, nil); a.State != Missing {
		t.Errorf("of another app: %s: %s", a.State, a.Sentence)
	}
}

// A topic that was given partitions has a group's past elsewhere.
func TestATopicThatHasGrownIsSearchedWhereItWas(t *testing.T) {
	t.Parallel()
	m := &memory{partitions: make([][]publisher.Record, 7)}
	was := publisher.PartitionFor([]byte("group"), 3)
	if was == publisher.PartitionFor([]byte("group"), 7) {
		t.Fatal("the group has not moved")
	}
	m.partitions[was] = []publisher.Record{record(t, "group", "", 5, 1, began, schema.InOrder, schema.Hole{})}
	s := Search{Question: Question{GroupID: "group", Seq: 5}}
	if a := answer(t, m, s, nil); a.State != Missing {
		t.Errorf("where it is now: %s: %s", a.State, a.Sentence)
	}
	s.GrownFrom = []int{3}
	if a := answer(t, m, s, nil); a.State != Published || a.Messages[0].Published[0].Partition != was {
		t.Errorf("where it was: %s: %s", a.State, a.Sentence)
	}
}

// P6: dead letters that can be read are told by what they are, others by the
// group and the number that they name.
func TestDeadLettersAreFound(t *testing.T) {
	t.Parallel()
	letter := func(key, query, value string) publisher.Record {
		r := publisher.Record{Key: []byte(key), Value: []byte(value), Time: began}
		for _, h := range schema.DeadLetterHeaders("a-reason", "a detail", query, began) {
			r.Headers = append(r.Headers, publisher.Header(h))
		}
		return r
	}
	mine := string(body("g", "", 5, 1, began))
	m := &memory{partitions: [][]publisher.Record{
		{letter("g", testQuery, mine), letter("g", "SdkAppid=1", mine), letter("g", testQuery, string(body("g", "", 55, 1, began)))},
		{letter("", testQuery, mine[:len(mine)-3]), letter("", testQuery, `{"GroupId":"h","MsgSeq":5`), letter("", testQuery, `{"GroupId":"g","MsgSeq":51`)},
	}}
	for app, want := range map[uint64][]bool{0: {false, false, true}, testApp: {false, true}} {
		l := Letters{Question: Question{GroupID: "g", Seq: 5, AppID: app}}
		found, err := l.Run(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		var likely []bool
		for _, l := range found {
			likely = append(likely, l.Likely)
			if l.Reason != "a-reason" || l.Detail != "a detail" || l.ReceivedAt == "" {
				t.Errorf("the letter is %+v", l)
			}
		}
		if !slices.Equal(likely, want) {
			t.Errorf("app %d: found (likely) %v, want %v: %+v", app, likely, want, found)
		}
	}
}
