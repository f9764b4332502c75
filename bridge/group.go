package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
)

// Group is what is known of a group now, for the operator's listener. Any
// goroutine may ask.
func (b *Bridge) Group(ctx context.Context, q ops.GroupQuery) ops.Group {
	apps := make([]uint64, len(b.cfg.Apps))
	for i, app := range b.cfg.Apps {
		apps[i] = app.SDKAppID
	}
	stats := b.relay.Group(ctx, q.GroupID, q.TopicID, apps)
	paused := b.gate.since()
	g := ops.Group{GroupID: q.GroupID, Notes: groupNotes(&stats), Streams: make([]ops.Stream, len(stats.Streams)), LeftOff: stats.LeftOff}
	if stats.Partition >= 0 {
		g.Partition = &stats.Partition
	}
	if !paused.IsZero() {
		g.Notes = b.pausedNotes(paused, &stats)
	}
	for i := range stats.Streams {
		g.Streams[i] = stream(&stats.Streams[i], !paused.IsZero())
	}
	return g
}

// pausedNotes are groupNotes while publishing is paused: what the relay says is of
// the moment in which it was.
func (b *Bridge) pausedNotes(since time.Time, stats *relay.GroupStats) []string {
	note := "publishing is paused by the operator since " + since.UTC().Format("2006-01-02 15:04:05 UTC") + ": nothing is read from the spool, and nothing leaves"
	if stored := b.spool.Stat().Records; stored > 0 {
		note += "; " + count(stored, "stored callback") + " may be of this group, and not have been read"
	}
	return append([]string{note}, leftOffNote(stats)...)
}

// leftOffNote says how many streams are not shown.
func leftOffNote(stats *relay.GroupStats) []string {
	if stats.LeftOff == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d more streams of the group are known; ask for one of them with &topic=<TopicId>", stats.LeftOff)}
}

// groupNotes say what makes the answer less than it seems.
func groupNotes(stats *relay.GroupStats) (notes []string) {
	if stats.Partition < 0 {
		return []string{"Kafka has not told the topic's partitions since the start, so nothing is taken from the spool yet"}
	}
	if stats.Recovering {
		notes = append(notes, "what the last run left is being looked for in the partition; nothing leaves before that is known")
	}
	if stats.Backlog {
		notes = append(notes, "there are stored callbacks that have not been read yet; what is held waits by their times of receipt, not by the clock")
	}
	return append(notes, leftOffNote(stats)...)
}

// stream is what is known of one stream. While publishing is paused nothing leaves,
// however long that lasts.
func stream(s *relay.StreamStats, paused bool) ops.Stream {
	out := ops.Stream{
		AppID: s.AppID, TopicID: s.TopicID, Unnamed: !s.Named,
		NextExpected: s.Next, HoldSeconds: s.Hold.Seconds(), WaitForKafka: s.Decided,
		WaitsFor: make([]ops.Hole, len(s.Holes)), Held: make([]ops.Held, len(s.Held)),
		Since: timeOrNil(s.Since), Holes: s.HoleCount,
		Late:       ops.Notice{Count: s.Late.Count, Seq: s.Late.Seq, At: timeOrNil(s.Late.At)},
		Duplicates: ops.Notice{Count: s.Duplicates.Count, Seq: s.Duplicates.Seq, At: timeOrNil(s.Duplicates.At)},
	}
	for i, h := range s.Holes {
		out.WaitsFor[i] = ops.Hole{From: h.From, To: h.To}
	}
	for i, h := range s.Held {
		out.Held[i] = ops.Held{Seq: h.Seq, ReceivedAt: h.ReceivedAt, Restart: h.Below}
		if !paused {
			out.Held[i].LeavesIn = h.Leaves.Seconds()
		}
	}
	for _, h := range s.LastHoles {
		out.LastHoles = append(out.LastHoles, ops.Hole{From: h.From, To: h.To, At: timeOrNil(h.At())})
	}
	if p := s.Published; p != nil {
		out.Published = &ops.Published{Partition: p.Partition, Offset: p.Offset, At: p.At}
		if p.Sequenced {
			out.Published.Seq = &p.Seq
		}
	}
	return out
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
