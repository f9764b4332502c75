package resequence

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// The constants of the adaptive hold; doc.go says what they are for.
const (
	sampleWeight = 16        // of one lateness, so that halving keeps single ones a while
	sampleLimit  = 16 * 1024 // weight at which all are halved
	shareLimit   = 1024      // fills and misses of all streams, likewise
	streamLimit  = 128       // fills and misses of one stream, likewise
	streamPrior  = 4         // waits that the share of all streams counts for in one stream
	nearZero     = 32        // a share below 1/nearZero is none

	latenessBuckets = 320 // up to 2^41 µs
	missSets        = 256
	missWays        = 4
)

// learner finds the adaptive hold from what it is told about holes.
type learner struct {
	floor, ceiling int64 // ns

	lateness [latenessBuckets]uint32 // weight by bucket
	weight   uint32                  // their sum
	fills    uint32
	misses   uint32
	usual    int64 // hold for lateness alone, ns

	// missed remembers the last holes that were given up, a few for each of
	// missSets groups of streams, to know their numbers when they come late.
	// nil until there is one.
	missed [][missWays]miss
}

// miss is a hole that was given up.
type miss struct {
	key      Key
	from, to uint64 // inclusive; to 0 = empty
	since    int64  // receipt of what waited for it
	filled   bool   // a number of it has come since
}

func newLearner(floor, ceiling time.Duration) learner {
	return learner{floor: int64(floor), ceiling: int64(ceiling), usual: int64(floor)}
}

// hold is the hold in force for a stream.
func (l *learner) hold(r *record) int64 {
	fills, all := uint64(l.fills), uint64(l.fills)+uint64(l.misses)
	if all == 0 {
		fills, all = 1, 1
	}
	own := uint64(r.fills) + uint64(r.misses)
	// (own fills + prior × share of all) / (own waits + prior) < 1/nearZero
	if nearZero*(uint64(r.fills)*all+streamPrior*fills) < (own+streamPrior)*all {
		return l.floor
	}
	return l.usual
}

// filled is told of a missing number that came while a message, received at
// since, waited for it.
func (l *learner) filled(r *record, since, receivedAt int64) {
	late := subSat(receivedAt, since)
	if late > l.ceiling {
		return // no hold would have been for it
	}
	l.sample(late)
	l.countFill(r)
}

// gaveUp is told of a hole that is no longer waited for.
func (l *learner) gaveUp(r *record, from, to uint64, since int64) {
	l.misses++
	r.misses++
	l.decay(r)
	if l.missed == nil {
		l.missed = make([][missWays]miss, missSets)
	}
	set := &l.missed[setOf(r.key)]
	copy(set[1:], set[:missWays-1])
	set[0] = miss{key: r.key, from: from, to: to, since: since}
}

// late is told of a number that came below the mark. One of a hole that was
// given up not long ago is evidence that a longer hold would have met it.
func (l *learner) late(r *record, seq uint64, receivedAt int64) {
	if l.missed == nil {
		return
	}
	set := &l.missed[setOf(r.key)]
	for w := range set {
		m := &set[w]
		if seq < m.from || seq > m.to || m.key != r.key {
			continue
		}
		late := subSat(receivedAt, m.since)
		if late > l.ceiling {
			return
		}
		l.sample(late)
		if !m.filled {
			m.filled = true
			l.misses -= min(l.misses, 1)
			r.misses -= min(r.misses, 1)
		}
		l.countFill(r)
		return
	}
}

func (l *learner) countFill(r *record) {
	l.fills++
	r.fills++
	l.decay(r)
}

func (l *learner) decay(r *record) {
	if l.fills+l.misses >= shareLimit {
		l.fills /= 2
		l.misses /= 2
	}
	if int(r.fills)+int(r.misses) >= streamLimit {
		r.fills /= 2
		r.misses /= 2
	}
}

// sample takes in one lateness, in ns.
func (l *learner) sample(late int64) {
	l.lateness[bucketOf(late)] += sampleWeight
	l.weight += sampleWeight
	if l.weight >= sampleLimit {
		l.weight = 0
		for b := range l.lateness {
			l.lateness[b] /= 2
			l.weight += l.lateness[b]
		}
	}
	l.learn()
}

// learn sets usual to one and a half times the 99th percentile of lateness.
func (l *learner) learn() {
	var sum uint64
	for b, weight := range l.lateness {
		sum += uint64(weight)
		if sum > 0 && sum*100 >= uint64(l.weight)*99 {
			edge := bucketEdge(b)
			l.usual = min(max(addSat(edge, edge/2), l.floor), l.ceiling)
			return
		}
	}
	l.usual = l.floor
}

// bucketOf is the bucket of a lateness in ns: eight to each doubling of
// microseconds, so that an edge is at most an eighth off.
func bucketOf(late int64) int {
	us := uint64(late) / 1000
	if us < 8 {
		return int(us)
	}
	e := bits.Len64(us)
	return min((e-3)*8+int(us>>(e-4))&7, latenessBuckets-1)
}

// bucketEdge is the upper edge of a bucket in ns.
func bucketEdge(b int) int64 {
	if b < 8 {
		return int64(b+1) * 1000
	}
	return int64(8+b%8+1) << (b/8 - 1) * 1000
}

// setOf spreads streams over the sets of missed.
func setOf(key Key) int {
	h := (binary.LittleEndian.Uint64(key[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(key[8:]), 32)) * 0x9e3779b97f4a7c15
	return int(h >> 56)
}
