package trace

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// stream is a topic of one partition that has these numbers of g, in order; 0 is a
// message without a number.
func stream(t *testing.T, start int64, seqs ...int) *memory {
	t.Helper()
	m := &memory{partitions: make([][]publisher.Record, 1), start: start}
	for i, seq := range seqs {
		order, hole := schema.InOrder, schema.Hole{}
		switch {
		case seq == 0:
			order = schema.Unsequenced
		case i > 0 && seq > seqs[i-1]+1:
			order, hole = schema.AfterHole, schema.Hole{From: uint64(seqs[i-1] + 1), To: uint64(seq - 1)}
		}
		m.partitions[0] = append(m.partitions[0], record(t, "g", "", seq, 1+i, began, order, hole))
	}
	return m
}

// P1: a place that was not read is not said to be empty.
func TestWhatWasNotReadIsNotSaidToBeWithout(t *testing.T) {
	t.Parallel()
	noSpool := func(e *Evidence) { e.SpoolRead = false }
	noLetters := func(e *Evidence) { e.LettersRead = false }
	neither := func(e *Evidence) { e.SpoolRead, e.LettersRead = false, false }
	noKafka := func(e *Evidence) { e.Found, e.LettersRead = nil, false }
	settled := func(e *Evidence) {
		d := delivery(t, &e.Question, 5, 1, began)
		d.Settled = true
		e.Deliveries = []Delivery{d}
	}
	for name, c := range map[string]struct {
		topic *memory
		with  []func(*Evidence)
		says  string
		not   []Place
	}{
		"not come yet, no spool":     {stream(t, 0, 1), []func(*Evidence){noSpool}, "It is not in the topic: the stream is at 1. The spool, where it may be, was not read: run this as the bridge's user", []Place{InSpool}},
		"in a hole, no spool":        {stream(t, 0, 4, 8), []func(*Evidence){noSpool}, "It is not in the topic: 8 left without it", []Place{InSpool}},
		"never seen, no spool":       {stream(t, 0), []func(*Evidence){noSpool}, "The spool, where it may be", []Place{InSpool}},
		"begins later, no spool":     {stream(t, 0, 6), []func(*Evidence){noSpool}, "The spool, where it may be", []Place{InSpool}},
		"not come yet, no letters":   {stream(t, 0, 1), []func(*Evidence){noLetters}, "It is not in the topic: the stream is at 1. The dead-letter topic, where it may be, was not read; the notes say why.", []Place{InLetters}},
		"in a hole, no letters":      {stream(t, 0, 4, 8), []func(*Evidence){noLetters}, "The dead-letter topic, where it may be", []Place{InLetters}},
		"settled, no letters":        {stream(t, 0, 1), []func(*Evidence){settled, noLetters}, "It was settled, and the topic does not have it. The dead-letter topic, where it may be, was not read", []Place{InLetters}},
		"neither":                    {stream(t, 0, 1), []func(*Evidence){neither}, "The spool and the dead-letter topic, where it may be, were not read: run this", []Place{InSpool, InLetters}},
		"part of the topic, neither": {stream(t, 9, 6), []func(*Evidence){neither}, "It is not in the part of the topic that is there or was read: what is before that cannot be said. The spool and", []Place{InSpool, InLetters}},
		"no Kafka":                   {stream(t, 0), []func(*Evidence){noKafka}, "Nothing that was looked at has it. The topic and the dead-letter topic, where it may be, were not read; the notes say why.", []Place{InTopic, InLetters}},
		"nothing":                    {stream(t, 0), []func(*Evidence){noKafka, noSpool}, "The spool, the topic and the dead-letter topic, where it may be, were not read", []Place{InSpool, InTopic, InLetters}},
	} {
		a := answer(t, c.topic, Search{Question: Question{GroupID: "g", Seq: 5}}, func(e *Evidence) {
			for _, do := range c.with {
				do(e)
			}
		})
		if a.State != Unknown || a.State.Arrived() || !strings.Contains(a.Sentence, c.says) || !slices.Equal(a.NotRead, c.not) {
			t.Errorf("%s: %s: %s\nnot read %q\nwant %s: … %s …, %q", name, a.State, a.Sentence, a.NotRead, Unknown, c.says, c.not)
		}
	}
	// What is found needs no other place.
	a := answer(t, stream(t, 0, 5), Search{Question: Question{GroupID: "g", Seq: 5}}, neither)
	if a.State != Published || a.NotRead != nil {
		t.Errorf("published: %s, not read %q", a.State, a.NotRead)
	}
}

// spooled is what the spool has of the stream besides the message.
func spooled(t *testing.T, seqs ...int) func(*Evidence) {
	t.Helper()
	return func(e *Evidence) {
		for i, seq := range seqs {
			d, ok := e.Read(&Callback{Query: testQuery, Body: body("g", "", seq, 1, began), ReceivedAt: began})
			if ok {
				t.Fatalf("%d is the message itself", seq)
			}
			d.Position = uint64(1 + i)
			e.Spooled.Add(&e.Question, &d)
		}
		// Of others of the group.
		d, _ := e.Read(&Callback{Query: testQuery, Body: body("g", "news", 6, 1, began), ReceivedAt: began})
		e.Spooled.Add(&e.Question, &d)
	}
}

// What is there of the stream without being the message is named.
func TestOthersOfTheStreamAreNamed(t *testing.T) {
	t.Parallel()
	held := func(seqs ...uint64) func(*Evidence) {
		return func(e *Evidence) { e.Alive, e.Next, e.Ahead = true, 3, seqs }
	}
	for name, c := range map[string]struct {
		topic *memory
		with  func(*Evidence)
		state State
		says  string
	}{
		"records without a number":      {stream(t, 0, 0, 0), nil, Missing, "Not received: the topic has 2 records without a number of this stream, and none with one."},
		"callbacks without a number":    {stream(t, 0), spooled(t, 0), Missing, "nothing of this stream was published yet, and the spool has 1 callback without a number."},
		"both":                          {stream(t, 0, 0), spooled(t, 0, 0), Missing, "the topic has 1 record without a number of this stream, and none with one, and the spool has 2 callbacks without a number."},
		"a lower one is stored":         {stream(t, 0), spooled(t, 2, 1), Expected, "Not received yet: no number of this stream has been published yet, and 2 waits in the spool."},
		"a higher one is stored":        {stream(t, 0), spooled(t, 9, 7, 8), Expected, "Not received so far: no number of this stream has been published yet, and 7 waits in the spool."},
		"the topic is cut":              {stream(t, 9), spooled(t, 8), Unknown, "It is not in the part of the topic that is there or was read: no number of this stream is, and 8 waits in the spool."},
		"between those that are stored": {stream(t, 0, 1, 2), spooled(t, 4, 10), Expected, "Not received so far: the stream is at 2, and 10 waits in the spool."},
		"after those that are stored":   {stream(t, 0, 1, 2), spooled(t, 4), Expected, "Not received yet: the stream is at 2."},
		"between those that are held":   {stream(t, 0, 1, 2), held(6, 8), Expected, "Not received so far: the stream is at 2, and 6, 8 are held."},
		"before one that is held":       {stream(t, 0), held(6), Expected, "and 6 is held."},
	} {
		a := answer(t, c.topic, Search{Question: Question{GroupID: "g", Seq: 5}}, c.with)
		if a.State != c.state || !strings.Contains(a.Sentence, c.says) {
			t.Errorf("%s: %s: %s\nwant %s: … %s …", name, a.State, a.Sentence, c.state, c.says)
		}
	}
}

// While nothing can leave, what is held leaves no sooner.
func TestWhatIsHeldWaitsForPublishingToo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sink []string
		held Held
		says string
	}{
		"paused":        {[]string{"publishing is paused"}, Held{WaitsFor: []Hole{{3, 4}}}, "Held until publishing goes on (publishing is paused): it waits for 3-4."},
		"Kafka is away": {[]string{"no leader", "no disk"}, Held{LeavesIn: 0.25, WaitsFor: []Hole{{3, 3}}}, "Held for 250ms more, and until publishing goes on (no leader; no disk): it waits for 3."},
		"to begin anew": {[]string{"publishing is paused"}, Held{Restart: true}, "Held until publishing goes on (publishing is paused): its number is below the mark"},
		"no hole":       {[]string{"publishing is paused"}, Held{}, "Held for its order, until publishing goes on (publishing is paused)."},
		"well":          {nil, Held{LeavesIn: 1}, "Held for its order, for 1s more at most."},
	} {
		a := answer(t, stream(t, 0, 2), Search{Question: Question{GroupID: "g", Seq: 5}}, func(e *Evidence) {
			e.Alive, e.Sink, e.Held = true, c.sink, []Held{c.held}
		})
		if a.State != Waiting || !strings.Contains(a.Sentence, c.says) {
			t.Errorf("%s: %s: %s\nwant … %s …", name, a.State, a.Sentence, c.says)
		}
	}
}

// What the bridge knows stands where Kafka is away.
func TestWhatTheBridgeKnowsIsUsed(t *testing.T) {
	t.Parallel()
	last := func(e *Evidence) {
		e.Alive, e.Next, e.Last = true, 6, &Last{Partition: 2, Offset: 41, At: began}
	}
	givenUp := func(e *Evidence) { e.Alive, e.Next, e.GivenUp = true, 9, &GivenUp{Hole{4, 5}, began} }
	stored := func(settled bool) func(*Evidence) {
		return func(e *Evidence) {
			last(e)
			d := delivery(t, &e.Question, 5, 1, began)
			d.Settled = settled
			e.Deliveries = []Delivery{d}
		}
	}
	const at = "The bridge published it at partition 2, offset 41, at 2026-03-04T05:06:07.000Z; the topic "
	for name, c := range map[string]struct {
		kafka bool
		with  func(*Evidence)
		state State
		says  string
	}{
		"published":              {false, last, Published, at + "was not read."},
		"published and stored":   {false, stored(false), Published, at + "was not read."},
		"published and settled":  {false, stored(true), Published, at + "was not read."},
		"published and gone":     {true, last, Gone, at + "does not have it where was looked."},
		"given up":               {false, givenUp, Unknown, "Nothing that was looked at has it: the bridge gave it up at 2026-03-04T05:06:07.000Z, with the hole 4-5. The topic and"},
		"given up and not there": {true, givenUp, Missing, "Not received: the bridge gave it up at 2026-03-04T05:06:07.000Z, with the hole 4-5."},
		"a repeat":               {false, func(e *Evidence) { e.Next, e.Repeat = 9, &began }, Unknown, "a repeat of it was skipped at 2026-03-04T05:06:07.000Z, so it had been published before"},
		"its number has come up": {false, func(e *Evidence) { e.Next = 9 }, Unknown, "the stream is past it, at 8"},
		"not come yet":           {false, func(e *Evidence) { e.Next = 3 }, Unknown, "the stream is at 2"},
		"refused the password": {true, func(e *Evidence) { stored(false)(e); e.Alive, e.Last, e.Refused = false, nil, "401 Unauthorized" }, Stored,
			"whether the bridge publishes is not known, for it did not tell: 401 Unauthorized."},
	} {
		a := answer(t, stream(t, 0, 1), Search{Question: Question{GroupID: "g", Seq: 5}}, func(e *Evidence) {
			if !c.kafka {
				e.Found, e.LettersRead = nil, false
			}
			c.with(e)
		})
		if a.State != c.state || !strings.Contains(a.Sentence, c.says) {
			t.Errorf("%s: %s: %s\nwant %s: … %s …", name, a.State, a.Sentence, c.state, c.says)
		}
	}
	// The last number of the stream does not tell which of two messages it was.
	e := Evidence{Question: Question{GroupID: "g", Seq: 5}, SpoolRead: true}
	last(&e)
	e.Deliveries = []Delivery{delivery(t, &e.Question, 5, 1, began), delivery(t, &e.Question, 5, 2, began)}
	if a := e.Judge(); a.State != Stored || a.Messages[1].State != Stored {
		t.Errorf("two messages: %+v", a.Messages)
	}
}

// A group that began again is searched in its earlier numbering too, and an end of
// the search is told.
func TestASearchGoesOnBeforeAReset(t *testing.T) {
	t.Parallel()
	m := &memory{partitions: make([][]publisher.Record, 1)}
	fill := func(n int) {
		for range n {
			m.partitions[0] = append(m.partitions[0], publisher.Record{Key: []byte("another"), Time: began})
		}
	}
	put := func(seq int, order schema.Order, hole schema.Hole) {
		m.partitions[0] = append(m.partitions[0], record(t, "g", "", seq, seq, began.Add(time.Duration(len(m.partitions[0]))*time.Second), order, hole))
	}
	fill(firstStep)
	put(1, schema.InOrder, schema.Hole{})
	fill(firstStep)
	put(8, schema.AfterHole, schema.Hole{From: 2, To: 7}) // 3 came after all, and 9 did not
	put(3, schema.Late, schema.Hole{})
	put(10, schema.AfterHole, schema.Hole{From: 9, To: 9})
	fill(2 * firstStep)
	put(1, schema.Reset, schema.Hole{})
	put(2, schema.InOrder, schema.Hole{})
	end := len(m.partitions[0])
	earliest := topic.Earliest()
	for seq, state := range map[uint64]State{1: Published, 2: Published, 3: Published, 4: Expected, 8: Published, 9: Expected, 10: Published, 11: Expected} {
		q := Question{GroupID: "g", Seq: seq}
		a := answer(t, m, Search{Question: q}, nil)
		want := answer(t, m, Search{Question: q, From: &earliest}, nil)
		if a.State != state || a.Sentence != want.Sentence || len(a.Messages) != len(want.Messages) {
			t.Errorf("%d: %s: %s; want %s, and as the whole topic has it: %s", seq, a.State, a.Sentence, state, want.Sentence)
		}
		r, hint := a.Searched[0], strings.Contains(strings.Join(a.Notes, " "), "--from earliest")
		if r.Complete != (r.From == 0) || hint != (r.From > 0) || r.To != int64(end) {
			t.Errorf("%d: searched %+v, notes %q", seq, r, a.Notes)
		}
		if !want.Searched[0].Complete || strings.Contains(strings.Join(want.Notes, " "), "--from") {
			t.Errorf("%d, all of the topic: searched %+v, notes %q", seq, want.Searched, want.Notes)
		}
	}
}

// Dead letters are looked for unless each message that is known of is published.
func TestAMessageBesideOneThatIsPublishedIsLookedFor(t *testing.T) {
	t.Parallel()
	q := Question{GroupID: "g", Seq: 5}
	mine, other := delivery(t, &q, 5, 1, began), delivery(t, &q, 5, 2, began)
	found, err := (&Search{Question: q}).Run(t.Context(), stream(t, 0, 5))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		e    Evidence
		want bool
	}{
		"no topic":     {Evidence{}, false},
		"nothing":      {Evidence{Found: &Found{}}, false},
		"published":    {Evidence{Found: found}, true},
		"its delivery": {Evidence{Found: found, Deliveries: []Delivery{mine}}, true},
		"another":      {Evidence{Found: found, Deliveries: []Delivery{mine, other}}, false},
	} {
		if got := c.e.Placed(); got != c.want {
			t.Errorf("%s: placed %v, want %v", name, got, c.want)
		}
	}
}
