package relay

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/schema"
)

// GroupStats is a picture of one group's streams.
type GroupStats struct {
	// Partition is where the group's events go; -1 as long as Kafka has not told
	// how many partitions there are.
	Partition int
	// Backlog says that the lane has records of the spool before it, so that waits
	// go by their times of receipt and not by the clock.
	Backlog bool
	// Recovering says that the lane does not know yet what of the former run arrived.
	Recovering bool
	// Streams are those that are known, by their names, those without one last.
	// LeftOff is how many more there are.
	Streams []StreamStats
	LeftOff int
}

// StreamStats is a picture of one stream.
type StreamStats struct {
	// AppID and TopicID are its name, where Named; that of a stream which nobody
	// asked for by name and which was not used of late is not known.
	AppID   uint64
	TopicID string
	Named   bool

	Next  uint64            // the number that is expected; 0 = none has left yet
	Hold  time.Duration     // how long a number ahead would wait that came now
	Holes []resequence.Hole // the missing numbers that it waits for
	Held  []HeldStats       // what waits for them
	// Decided counts the events that wait for Kafka and for nothing else.
	Decided int

	// What follows is as of Since, and nothing where that is zero. See recent.
	Since            time.Time
	LastHoles        []RecentHole // given up, the last one first
	HoleCount        uint64
	Late, Duplicates Notice
	Published        *PublishedStats
}

// HeldStats is a picture of an event that waits for others.
type HeldStats struct {
	Seq        uint64
	ReceivedAt time.Time
	Leaves     time.Duration // how long from now, if nothing more comes
	// Below says that it waits to begin the numbers of its stream again.
	Below bool
}

// Notice counts something that happened in a stream, and says when it last did.
type Notice struct {
	Count uint64
	Seq   uint64
	At    time.Time
}

// PublishedStats is a record that Kafka has.
type PublishedStats struct {
	Seq       uint64
	Sequenced bool
	Partition int // it is not the group's, where the topic has had another number of partitions since
	Offset    int64
	At        time.Time
}

// mostStreams bounds how many streams Group shows.
const mostStreams = 256

// Group says what is known of a group's streams: of those that are remembered,
// and by name of those of apps without a topic, or with topicID. It may be called
// from any goroutine. The lane of the group is asked a little at a time, so that
// it goes on meanwhile; the answer is therefore not of one moment.
func (r *Relay) Group(ctx context.Context, groupID, topicID string, apps []uint64) GroupStats {
	r.mu.Lock()
	lanes := r.lanes
	r.mu.Unlock()
	if len(lanes) == 0 {
		return GroupStats{Partition: -1}
	}
	hash := groupHash([]byte(groupID))
	l := lanes[int(hash)%len(lanes)]
	q := groupQuery{lane: l, group: groupID, hash: hash, names: map[resequence.Key]schema.Stream{}}
	for _, app := range apps {
		q.name(schema.Stream{AppID: app, GroupID: groupID})
		q.name(schema.Stream{AppID: app, GroupID: groupID, TopicID: topicID})
	}
	l.mu.Lock()
	stats := GroupStats{Partition: l.id, Recovering: l.replay != nil}
	q.recall()
	q.count()
	l.mu.Unlock()
	var keys []resequence.Key
	keys, stats.LeftOff = q.keys(ctx)
	now, ticking := l.clock.look()
	q.now, stats.Backlog = now, !ticking
	for _, key := range keys {
		if s, known := q.stream(key); known {
			stats.Streams = append(stats.Streams, s)
		}
	}
	return stats
}

// groupQuery is one question after a group, to its lane.
type groupQuery struct {
	lane    *lane
	group   string
	hash    uint32
	names   map[resequence.Key]schema.Stream
	decided map[resequence.Key]int
	now     int64 // the lane's
}

func (q *groupQuery) name(s schema.Stream) { q.names[streamKey(s)] = s }

// mine reports whether a stream may be one of the group: another one has the
// same hash once in two billion times.
func (q *groupQuery) mine(key *resequence.Key) bool {
	return binary.BigEndian.Uint32(key[:4]) == q.hash
}

// recall finds the names that are remembered. Called with the lane's mutex.
func (q *groupQuery) recall() {
	recent := &q.lane.recent
	for bucket := range recent.keys {
		for way, key := range recent.keys[bucket] {
			s := &recent.streams[bucket][way]
			if s.used == 0 || !q.mine(&key) {
				continue
			}
			if name := (schema.Stream{AppID: s.appID, GroupID: q.group, TopicID: s.topicID}); streamKey(name) == key {
				q.names[key] = name
			}
		}
	}
}

// count counts what waits for Kafka only. Called with the lane's mutex.
func (q *groupQuery) count() {
	q.decided = map[resequence.Key]int{}
	for _, list := range [][]*outgoing{q.lane.inflight, q.lane.out} {
		for _, o := range list {
			if q.mine(&o.fact.Key) {
				q.decided[o.fact.Key]++
			}
		}
	}
}

// keys lists the streams that are known and to be shown: those with a name first.
// leftOff is how many more there are.
func (q *groupQuery) keys(ctx context.Context) (list []resequence.Key, leftOff int) {
	var named, others []resequence.Key
	for from, more := uint32(0), true; more && ctx.Err() == nil; more = from != 0 {
		q.lane.mu.Lock()
		from = q.lane.buffer.Keys(from, func(key resequence.Key) {
			switch _, known := q.names[key]; {
			case !q.mine(&key):
			case known:
				named = append(named, key)
			case len(others) < mostStreams:
				others = append(others, key)
			default:
				leftOff++
			}
		})
		q.lane.mu.Unlock()
	}
	slices.SortFunc(named, q.compare)
	list = append(named, others...)
	if n := len(list); n > mostStreams {
		list, leftOff = list[:mostStreams], leftOff+n-mostStreams
	}
	return list, leftOff
}

// compare orders streams by their names.
func (q *groupQuery) compare(x, y resequence.Key) int {
	a, b := q.names[x], q.names[y]
	return cmp.Or(cmp.Compare(a.AppID, b.AppID), cmp.Compare(a.TopicID, b.TopicID))
}

// stream says what is known of one stream.
func (q *groupQuery) stream(key resequence.Key) (s StreamStats, known bool) {
	q.lane.mu.Lock()
	defer q.lane.mu.Unlock()
	v, known := q.lane.buffer.View(key)
	if !known {
		return s, false
	}
	s = StreamStats{Next: v.Next, Hold: v.Hold, Holes: v.Holes, Decided: q.decided[key]}
	name, named := q.names[key]
	for _, w := range v.Held {
		name, named = w.Value.event.Stream(), true
		s.Held = append(s.Held, HeldStats{
			Seq: w.Seq, ReceivedAt: fromNano(w.Value.received), Below: w.Below,
			Leaves: time.Duration(max(w.LeavesAt-q.now, 0)),
		})
	}
	s.AppID, s.TopicID, s.Named = name.AppID, name.TopicID, named
	if r := q.lane.recent.find(&key); r != nil {
		r.describe(&s)
	}
	return s, true
}

// describe adds what is remembered of a stream.
func (r *recentStream) describe(s *StreamStats) {
	s.Since = fromNano(r.since)
	s.LastHoles, s.HoleCount = r.lastHoles(), r.holeCount
	s.Late = Notice{Count: r.late.count, Seq: r.late.seq, At: fromNano(r.late.at)}
	s.Duplicates = Notice{Count: r.duplicates.count, Seq: r.duplicates.seq, At: fromNano(r.duplicates.at)}
	if r.publishedAt != 0 {
		s.Published = &PublishedStats{
			Seq: uint64(max(r.lastSeq, 0)), Sequenced: r.lastSeq >= 0,
			Partition: int(r.lastPartition), Offset: r.lastOffset, At: fromNano(r.publishedAt),
		}
	}
}
