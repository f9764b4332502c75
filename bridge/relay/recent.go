package relay

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"time"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/schema"
)

// recent is what a lane remembers of the streams that it worked on last, for
// whoever asks after a group: their names, what was odd of late, what was
// published last. Nothing depends on it. It is a table of a fixed size without
// pointers to follow: where a stream's bucket is full, the stream that was used
// longest ago makes room (P8). The next run's lanes take it over.
//
// Guarded by the lane's mutex.
type recent struct {
	keys    [][recentWays]resequence.Key
	streams [][recentWays]recentStream
}

const (
	recentWays = 4
	// recentStreams is how many streams all lanes together remember: 2 MiB.
	recentStreams = 8 << 10
	recentHoles   = 4
	// longestTopicID bounds what is kept of a name. A stream with a longer one is
	// remembered without it.
	longestTopicID = 256
)

// recentStream is what is remembered of one stream. Times are Unix nanoseconds;
// 0 is never.
type recentStream struct {
	used, since int64
	appID       uint64
	topicID     string

	late, duplicates    notice
	holes               [recentHoles]RecentHole // a ring: the next one goes to holeCount
	holeCount           uint64
	lastSeq, lastOffset int64 // of what was published last; the number is -1 where it had none
	lastPartition       int64 // where that is: another one than the lane's, once lanes were cut anew
	publishedAt         int64
}

// notice counts something, and keeps the last of it.
type notice struct {
	count uint64
	seq   uint64
	at    int64
}

func (n *notice) add(seq uint64, at int64) { n.count, n.seq, n.at = n.count+1, seq, at }

// RecentHole is a hole that was given up.
type RecentHole struct {
	resequence.Hole
	at int64
}

// At is when it was given up.
func (h *RecentHole) At() time.Time { return fromNano(h.at) }

// newRecent returns the part of one of so many lanes. It takes no memory yet.
func newRecent(lanes int) recent {
	buckets := max(recentStreams/recentWays/lanes, 1)
	buckets = 1 << (bits.Len(uint(buckets)) - 1) // a power of two
	return recent{keys: make([][recentWays]resequence.Key, buckets), streams: make([][recentWays]recentStream, buckets)}
}

// find returns what is remembered of a stream, nil where nothing is.
func (r *recent) find(key *resequence.Key) *recentStream {
	bucket := r.bucket(key)
	for way := range recentWays {
		if s := &r.streams[bucket][way]; r.keys[bucket][way] == *key && s.used != 0 {
			return s
		}
	}
	return nil
}

func (r *recent) bucket(key *resequence.Key) int {
	// Behind the group's hash: those of one lane may all be alike in it.
	return int(binary.LittleEndian.Uint32(key[4:8])) & (len(r.keys) - 1)
}

// use returns what is remembered of an event's stream, which is used at now.
func (r *recent) use(key *resequence.Key, e *schema.Event, now int64) *recentStream {
	s := r.find(key)
	if s == nil {
		s = r.take(key)
		*s = recentStream{since: now, appID: e.AppID}
		if id := e.Group.TopicID; id != "" && len(id) <= longestTopicID {
			s.topicID = strings.Clone(id) // not to keep the event's memory alive
		}
	}
	s.used = max(s.used, now)
	return s
}

// remind gives lanes that have not begun what those of the run before remember. A
// stream keeps its times: where more come to a place than there is room for, those
// that were used last stay.
func remind(lanes, former []*lane) {
	for _, l := range former {
		l.mu.Lock() // somebody may be asking it still
		for bucket := range l.recent.keys {
			for way, key := range l.recent.keys[bucket] {
				if s := &l.recent.streams[bucket][way]; s.used != 0 {
					lanes[laneOfKey(key, len(lanes))].recent.keep(&key, s)
				}
			}
		}
		l.mu.Unlock()
	}
}

// keep takes over one stream, unless all that are in its place were used later.
func (r *recent) keep(key *resequence.Key, s *recentStream) {
	bucket := r.bucket(key)
	if oldest := r.oldest(bucket); r.streams[bucket][oldest].used < s.used {
		r.keys[bucket][oldest], r.streams[bucket][oldest] = *key, *s
	}
}

// take makes room for a stream.
func (r *recent) take(key *resequence.Key) *recentStream {
	bucket := r.bucket(key)
	oldest := r.oldest(bucket)
	r.keys[bucket][oldest] = *key
	return &r.streams[bucket][oldest]
}

// oldest is the way of a bucket that was used longest ago.
func (r *recent) oldest(bucket int) int {
	oldest := 0
	for way := range recentWays {
		if r.streams[bucket][way].used < r.streams[bucket][oldest].used {
			oldest = way
		}
	}
	return oldest
}

// decided takes note of a decision.
func (r *recent) decided(d *verdict) {
	at := d.Item.Value.received + int64(d.Held)
	s := r.use(&d.Item.Key, d.Item.Value.event, at)
	switch d.Verdict {
	case resequence.AfterHole:
		s.holes[s.holeCount%recentHoles] = RecentHole{resequence.Hole{From: d.HoleFrom, To: d.HoleTo}, at}
		s.holeCount++
	case resequence.Late:
		s.late.add(d.Item.Seq, at)
	case resequence.Duplicate:
		s.duplicates.add(d.Item.Seq, at)
	}
}

// published takes note of a record that Kafka has in a partition.
func (r *recent) published(f *resequence.Fact, e *schema.Event, partition int, offset, now int64) {
	s := r.use(&f.Key, e, now)
	s.lastSeq, s.lastPartition, s.lastOffset, s.publishedAt = int64(f.Seq), int64(partition), offset, now
	if f.Verdict == resequence.Unsequenced {
		s.lastSeq = -1
	}
}

// lastHoles are the holes that are remembered, the last one first.
func (s *recentStream) lastHoles() []RecentHole {
	n := min(s.holeCount, recentHoles)
	list := make([]RecentHole, 0, n)
	for i := range n {
		list = append(list, s.holes[(s.holeCount-1-i)%recentHoles])
	}
	return list
}

func fromNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
