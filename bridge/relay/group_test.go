package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/schema"
)

// topicBody is a message in a topic of a community.
func topicBody(group, topic string, seq int) []byte {
	return fmt.Appendf(nil, `{"GroupId":%q,"TopicId":%q,"Type":"Community","Random":%d,"MsgSeq":%d,"MsgTime":1760000000}`,
		group, topic, seq, seq)
}

// group asks a relay after a group of the test's app.
func (run *running) group(t *testing.T, group, topic string) GroupStats {
	t.Helper()
	return run.Group(t.Context(), group, topic, []uint64{testApp})
}

// only is the one stream of a group.
func only(t *testing.T, g *GroupStats) StreamStats {
	t.Helper()
	if len(g.Streams) != 1 {
		t.Fatalf("the group has %d streams, not one: %+v", len(g.Streams), g)
	}
	return g.Streams[0]
}

// P3: what waits, for which numbers, and for how long.
func TestAGroupSaysWhatItWaitsFor(t *testing.T) {
	r := newRig(t, 3)
	r.hold = time.Hour
	run := r.start(r.relay())
	for _, seq := range []int{1, 2, 5, 6, 9} {
		r.append(body("g", seq, uint32(seq)))
	}
	var g GroupStats
	await(t, "three are held and two published", func() bool {
		g = run.group(t, "g", "")
		return !g.Backlog && len(g.Streams) == 1 && len(g.Streams[0].Held) == 3 && g.Streams[0].Published != nil && g.Streams[0].Published.Seq == 2
	})
	s := only(t, &g)
	if want := laneOfKey(streamKey(schema.Stream{GroupID: "g"}), 3); g.Partition != want || g.Recovering || g.LeftOff != 0 {
		t.Errorf("the group is %+v; want it in partition %d", g, want)
	}
	if s.Next != 3 || !s.Named || s.AppID != testApp || s.TopicID != "" || s.Hold != time.Hour || s.Decided != 0 {
		t.Errorf("the stream is %+v", s)
	}
	if diff := cmp.Diff([]resequence.Hole{{From: 3, To: 4}, {From: 7, To: 8}}, s.Holes); diff != "" {
		t.Errorf("holes (-want +got):\n%s", diff)
	}
	for i, seq := range []uint64{5, 6, 9} {
		h := s.Held[i]
		if age := time.Since(h.ReceivedAt); h.Seq != seq || h.Below || age < 0 || age > time.Hour/2 ||
			h.Leaves <= time.Hour/2 || h.Leaves > time.Hour {
			t.Errorf("held is %+v; want %d, for nearly an hour", h, seq)
		}
	}
	if p := s.Published; p.Offset != 1 || !p.Sequenced || time.Since(p.At) > time.Hour/2 {
		t.Errorf("published last is %+v; want offset 1, now", p)
	}
	if unknown := run.group(t, "another", ""); len(unknown.Streams) != 0 || unknown.Partition < 0 {
		t.Errorf("a group without a message is %+v", unknown)
	}
}

// P4, P5: what was odd of late.
func TestAGroupSaysWhatWasOdd(t *testing.T) {
	r := newRig(t, 1)
	r.hold = 0
	run := r.start(r.relay())
	for _, seq := range []int{1, 4, 5, 3, 5, 9, 11, 13, 15, 17} {
		r.append(body("g", seq, uint32(seq)))
	}
	r.append(fmt.Appendf(nil, `{"GroupId":"g","Random":7,"MsgTime":1760000000,"MsgId":"m"}`)) // unsequenced
	await(t, "all is published", func() bool { return r.inPartition(0) == 10 && run.left((*lane).open) == 0 })
	g := run.group(t, "g", "")
	s := only(t, &g)
	if s.Next != 18 || len(s.Held) != 0 || len(s.Holes) != 0 {
		t.Errorf("the stream is %+v", s)
	}
	var holes []resequence.Hole
	for _, h := range s.LastHoles {
		holes = append(holes, h.Hole)
		if age := time.Since(h.At()); age < 0 || age > time.Hour {
			t.Errorf("the hole %v was given up %s ago", h.Hole, age)
		}
	}
	if diff := cmp.Diff([]resequence.Hole{{From: 16, To: 16}, {From: 14, To: 14}, {From: 12, To: 12}, {From: 10, To: 10}}, holes); diff != "" || s.HoleCount != 6 {
		t.Errorf("%d holes, the last ones (-want +got):\n%s", s.HoleCount, diff)
	}
	ignoreTime := cmpopts.IgnoreTypes(time.Time{})
	if diff := cmp.Diff([]Notice{{Count: 1, Seq: 3}, {Count: 1, Seq: 5}}, []Notice{s.Late, s.Duplicates}, ignoreTime); diff != "" {
		t.Errorf("late and duplicates (-want +got):\n%s", diff)
	}
	if p := s.Published; p == nil || p.Sequenced || p.Offset != 9 {
		t.Errorf("published last is %+v; want the unsequenced one at 9", p)
	}
	if time.Since(s.Since) > time.Hour || time.Since(s.Late.At) > time.Hour || time.Since(s.Duplicates.At) > time.Hour {
		t.Errorf("the times are %v, %v, %v", s.Since, s.Late.At, s.Duplicates.At)
	}
}

// The streams of a community: by name as long as they are remembered, and after
// a restart those that are asked for by name.
func TestAGroupHasTheStreamsOfItsTopics(t *testing.T) {
	r := newRig(t, 2)
	run := r.start(r.relay())
	long := strings.Repeat("x", longestTopicID+1)
	r.append(body("g", 1, 1))
	for _, topic := range []string{"b", "a", long} {
		r.append(topicBody("g", topic, 5))
	}
	names := func(g GroupStats) (list []string) {
		for _, s := range g.Streams {
			if s.Named {
				list = append(list, s.TopicID)
			} else {
				list = append(list, "?")
			}
		}
		return list
	}
	await(t, "all is published", func() bool { return r.inPartition(0)+r.inPartition(1) == 4 && run.left((*lane).open) == 0 })
	if diff := cmp.Diff([]string{"", "a", "b", "?"}, names(run.group(t, "g", ""))); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	run = r.start(r.relay())
	await(t, "the lanes are there", func() bool { return run.group(t, "g", "").Partition >= 0 })
	if diff := cmp.Diff([]string{"", "b", "?", "?"}, names(run.group(t, "g", "b"))); diff != "" {
		t.Errorf("streams after a restart (-want +got):\n%s", diff)
	}
	if s := run.group(t, "g", "b").Streams[1]; s.Next != 6 || !s.Since.IsZero() || s.Published != nil {
		t.Errorf("after a restart the stream is %+v", s)
	}
}

// P2: what waits for Kafka and for nothing else.
func TestAGroupSaysWhatWaitsForKafka(t *testing.T) {
	r := newRig(t, 1)
	release := make(chan struct{})
	r.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.kafka.SleepControl(func() { <-release })
		return nil, nil, false
	})
	run := r.start(r.relay())
	if g := New(Options{Spool: r.spool}).Group(t.Context(), "g", "", nil); g.Partition != -1 || len(g.Streams) != 0 {
		t.Errorf("before Kafka has told its partitions the group is %+v", g)
	}
	for _, group := range []string{"g", "other"} {
		for seq := 1; seq <= 3; seq++ {
			r.append(body(group, seq, uint32(seq)))
		}
	}
	await(t, "three wait for Kafka", func() bool {
		g := run.group(t, "g", "")
		return len(g.Streams) == 1 && g.Streams[0].Decided == 3 && g.Streams[0].Published == nil
	})
	close(release)
	await(t, "they are published", func() bool {
		g := run.group(t, "g", "")
		s := only(t, &g)
		return s.Decided == 0 && s.Published != nil && s.Published.Seq == 3
	})
}

// P8: what is remembered of streams beside the resequencer's state is of a fixed
// size, however many streams there are, and the ones used last are kept.
func TestWhatIsRememberedOfStreamsIsOfAFixedSize(t *testing.T) {
	for _, lanes := range []int{1, 12, 100_000} {
		r := newRecent(lanes)
		if n := len(r.keys) * recentWays; n&(n-1) != 0 || n > max(recentStreams/lanes, recentWays) {
			t.Errorf("one of %d lanes remembers %d streams", lanes, n)
		}
	}
	r := newRecent(1)
	if size := len(r.keys) * int(unsafe.Sizeof(r.keys[0])+unsafe.Sizeof(r.streams[0])); size > 2<<20 {
		t.Errorf("what is remembered takes %d bytes; doc.go says 2 MiB", size)
	}
	key := func(n int) resequence.Key { return streamKey(schema.Stream{GroupID: fmt.Sprint(n)}) }
	push := func(n int, at int64) {
		r.decided(&verdict{
			Item:    resequence.Item[*outgoing]{Key: key(n), Seq: 7, Value: &outgoing{received: at, event: &schema.Event{}}},
			Verdict: resequence.Late,
		})
	}
	const streams = 10 * recentStreams
	for n := range streams {
		push(n, int64(n+1))
		push(0, int64(n+1)) // one that is always in use
	}
	if s := r.find(new(key(0))); s == nil || s.late.count != streams+1 {
		t.Errorf("the stream that is in use all the time is %+v; want %d late ones", s, streams+1)
	}
	kept := 0
	for n := range streams {
		if r.find(new(key(n))) == nil {
			continue
		}
		if kept++; n < streams-4*recentStreams && n != 0 {
			t.Errorf("stream %d of %d is remembered still", n, streams)
		}
	}
	if kept < recentStreams*9/10 {
		t.Errorf("%d streams are remembered; there is room for %d", kept, recentStreams)
	}
}

// What is remembered of a group goes on over a pause, which is a run that is
// stopped and another one, and goes with the group to another partition.
func TestWhatIsRememberedOfAGroupGoesOnFromRunToRun(t *testing.T) {
	r := newRig(t, 2)
	r.hold = 0
	relay := r.relay()
	relay.watchEach = 20 * time.Millisecond
	run := r.start(relay)
	const group = "moves" // from partition 1 of 2 to another of 5
	for _, seq := range []int{1, 4, 2, 4} {
		r.append(body(group, seq, uint32(seq)))
	}
	run.settle(t)
	before := run.group(t, group, "")
	was := only(t, &before)
	if was.Late.Count != 1 || was.Duplicates.Count != 1 || was.HoleCount != 1 || was.Published == nil || was.Published.Partition != before.Partition {
		t.Fatalf("the group is %+v", before)
	}
	same := func(when string, g GroupStats) {
		t.Helper()
		is := only(t, &g)
		if diff := cmp.Diff(was, is, cmp.AllowUnexported(RecentHole{})); diff != "" {
			t.Errorf("%s (-before +after):\n%s", when, diff)
		}
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	same("while nothing runs", run.group(t, group, ""))
	lanes := relay.lanes
	run = r.start(relay)
	await(t, "the lanes of the next run", func() bool {
		relay.mu.Lock()
		defer relay.mu.Unlock()
		return &relay.lanes[0] != &lanes[0]
	})
	same("in the next run", run.group(t, group, ""))

	r.grow(run, 5)
	after := run.group(t, group, "")
	if after.Partition == before.Partition {
		t.Fatalf("the group stays in partition %d", after.Partition)
	}
	same("in another partition", after)
	if kept := only(t, &after); kept.Published.Partition != before.Partition {
		t.Errorf("what was published last is in partition %d; want %d, where it is", kept.Published.Partition, before.Partition)
	}
}

// unsettledLog is the log of a process that dies between Kafka's answer and it.
type unsettledLog struct{ deadLog }

func (u *unsettledLog) Append(entry []byte) error {
	if entryKind(entry[0]) == entrySettled {
		u.dead.Store(true)
	}
	return u.deadLog.Append(entry)
}

// A batch that Kafka has, and of which the run before did not learn it, is what was
// published last.
func TestWhatIsFoundInTheTailWasPublishedLast(t *testing.T) {
	r := newRig(t, 1)
	relay := r.relay()
	log := &unsettledLog{}
	log.Log, relay.journal.log = relay.journal.log, log
	run := r.start(relay)
	r.append(body("g", 7, 7))
	if err := run.wait(); !errors.Is(err, errCrash) {
		t.Fatalf("the first run ended with %v", err)
	}
	r.reopen()
	run = r.start(r.relay())
	await(t, "the tail is read", func() bool {
		g := run.group(t, "g", "")
		return g.Partition >= 0 && len(g.Streams) == 1 && !g.Recovering
	})
	g := run.group(t, "g", "")
	if p := only(t, &g).Published; p == nil || p.Offset != 0 || p.Seq != 7 || r.inPartition(0) != 1 {
		t.Errorf("published last is %+v; want number 7 at offset 0, which is there once", p)
	}
}

// P8: streams that come together from many lanes take no more room than there is,
// and those that were used last are kept.
func TestOfRememberedStreamsThatComeTogetherTheLastOnesStay(t *testing.T) {
	const former = 4
	var lanes []*lane
	for n := range former {
		l := &lane{recent: newRecent(1)}
		for i := range recentStreams {
			at := int64(n*recentStreams + i + 1)
			key := streamKey(schema.Stream{GroupID: fmt.Sprint(at)})
			l.recent.use(&key, &schema.Event{}, at)
		}
		lanes = append(lanes, l)
	}
	one := &lane{recent: newRecent(1)}
	remind([]*lane{one}, lanes)
	kept := 0
	for at := int64(1); at <= former*recentStreams; at++ {
		key := streamKey(schema.Stream{GroupID: fmt.Sprint(at)})
		s := one.recent.find(&key)
		if s == nil {
			continue
		}
		if kept++; s.since != at {
			t.Fatalf("stream %d is remembered as %+v", at, s)
		}
	}
	if kept < recentStreams*9/10 || kept > recentStreams {
		t.Errorf("%d streams are remembered; there is room for %d", kept, recentStreams)
	}
	key := streamKey(schema.Stream{GroupID: fmt.Sprint(former * recentStreams)})
	if one.recent.find(&key) == nil {
		t.Error("the stream that was used last is forgotten")
	}
}

// P8: a group with more streams than can be shown, and a lane with many others.
func TestAGroupShowsABoundedNumberOfStreams(t *testing.T) {
	l := &lane{buffer: resequence.New[*outgoing](resequence.Config{}), recent: newRecent(1)}
	l.clock.now = time.Now
	relay := &Relay{lanes: []*lane{l}}
	const streams = 3 * mostStreams
	for n := range streams {
		for _, group := range []string{"g", fmt.Sprint("other", n)} {
			key := streamKey(schema.Stream{AppID: testApp, GroupID: group, TopicID: fmt.Sprint(n)})
			l.buffer.Push(1, resequence.Item[*outgoing]{Key: key, Sequenced: true, Seq: 1}, nil)
		}
	}
	g := relay.Group(t.Context(), "g", fmt.Sprint(streams-1), []uint64{testApp})
	if len(g.Streams) != mostStreams || g.LeftOff != streams-mostStreams {
		t.Errorf("%d streams are shown and %d left off; there are %d", len(g.Streams), g.LeftOff, streams)
	}
	if s := g.Streams[0]; !s.Named || s.TopicID != fmt.Sprint(streams-1) {
		t.Errorf("the stream that was asked for by name is not the first, but %+v", s)
	}
}

// BenchmarkRecent is what remembering costs a record on its way, with many streams.
func BenchmarkRecent(b *testing.B) {
	r := newRecent(1)
	events := make([]verdict, 1<<16)
	for n := range events {
		o := &outgoing{event: &schema.Event{AppID: testApp}}
		binary.LittleEndian.PutUint64(o.fact.Key[4:], uint64(n)*math.MaxUint64/3)
		events[n] = verdict{Item: resequence.Item[*outgoing]{Key: o.fact.Key, Value: o}}
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		d := &events[n%len(events)]
		r.decided(d)
		r.published(&d.Item.Value.fact, d.Item.Value.event, 0, int64(n), int64(n))
	}
}
