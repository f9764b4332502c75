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
// longest ago makes room (P8).
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

// take makes room for a stream.
func (r *recent) take(key *resequence.Key) *recentStream {
	bucket := r.bucket(key)
	oldest := 0
	for way := range recentWays {
		if r.streams[bucket][way].used < r.streams[bucket][oldest].used {
			oldest = way
		}
	}
	r.keys[bucket][oldest] = *key
	return &r.streams[bucket][oldest]
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

// published takes note of a record that Kafka has.
func (r *recent) published(o *outgoing, offset, now int64) {
	s := r.use(&o.fact.Key, o.event, now)
	s.lastSeq, s.lastOffset, s.publishedAt = int64(o.fact.Seq), offset, now
	if o.fact.Verdict == resequence.Unsequenced {
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
