package resequence

import (
	"encoding/binary"
	"fmt"
	"math"
)

// inOrder are the words of a window of one-word entries, oldest first.
func (a *arena) inOrder(w window) (older, newer []uint64) {
	words := a.words(w)[:w.n]
	return words[w.head:], words[:w.head]
}

func (s *streams) appendState(buf []byte, r *record) []byte {
	var x extra
	if r.extra != 0 {
		x = *s.extras.at(r.extra)
	}
	buf = append(buf, streamState)
	buf = binary.AppendUvarint(buf, r.next)
	buf = binary.AppendUvarint(buf, uint64(r.newest))
	buf = binary.AppendUvarint(buf, uint64(x.epoch))
	buf = binary.AppendUvarint(buf, uint64(x.before))
	buf = binary.AppendUvarint(buf, uint64(x.former))
	buf = append(buf, r.fills, r.misses)
	buf = s.arenas[seenWindow].appendState(buf, r.seen)
	buf = binary.AppendUvarint(buf, uint64(x.late.n))
	entries := s.lateEntries(r)
	for e := 0; e < len(entries); e += lateWords {
		buf = binary.LittleEndian.AppendUint64(buf, entries[e])
		buf = binary.AppendUvarint(buf, entries[e+1])
		buf = binary.AppendVarint(buf, int64(entries[e+2]))
	}
	return s.arenas[unsequencedWindow].appendState(buf, x.unsequenced)
}

func (a *arena) appendState(buf []byte, w window) []byte {
	buf = binary.AppendUvarint(buf, uint64(w.n))
	older, newer := a.inOrder(w)
	for _, h := range older {
		buf = binary.LittleEndian.AppendUint64(buf, h)
	}
	for _, h := range newer {
		buf = binary.LittleEndian.AppendUint64(buf, h)
	}
	return buf
}

func (l *learner) appendState(buf []byte) []byte {
	buf = append(buf, learnerState)
	buf = binary.AppendUvarint(buf, uint64(l.fills))
	buf = binary.AppendUvarint(buf, uint64(l.misses))
	n := 0
	for _, weight := range l.lateness {
		if weight > 0 {
			n++
		}
	}
	buf = binary.AppendUvarint(buf, uint64(n))
	for b, weight := range l.lateness {
		if weight > 0 {
			buf = binary.AppendUvarint(buf, uint64(b))
			buf = binary.AppendUvarint(buf, uint64(weight))
		}
	}
	return buf
}

// decoder reads a state. After the first thing that is not there, bad is set
// and all reads give 0.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.bad = true
		return 0
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uint64() uint64 {
	if len(d.rest) < 8 {
		d.bad, d.rest = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return v
}

// count reads a number of entries of at least least bytes each, which the rest
// must have room for: so a state never asks for more memory than its length.
func (d *decoder) count(least int) int {
	n := d.uvarint()
	if n > MaxWindow || n > uint64(len(d.rest)/least) {
		d.bad = true
		return 0
	}
	return int(n)
}

// time reads a MsgTime that is never negative.
func (d *decoder) time() int64 {
	v := d.uvarint()
	if v > math.MaxInt64 {
		d.bad = true
		return 0
	}
	return int64(v)
}

func (d *decoder) identities() []uint64 {
	all := make([]uint64, d.count(8))
	for n := range all {
		all[n] = d.uint64()
	}
	return all
}

func (d *decoder) stream() (loaded, error) {
	var l loaded
	l.next, l.newest, l.epoch, l.before = d.uvarint(), d.time(), d.time(), d.time()
	l.former = d.uvarint()
	l.fills, l.misses = d.byte(), d.byte()
	l.seen = d.identities()
	for n := d.count(10); n > 0; n-- {
		l.late = append(l.late, d.uint64(), d.uvarint(), uint64(d.varint()))
		if !d.bad && l.late[len(l.late)-2] > maxSeq {
			return l, fmt.Errorf("%w: a late number is out of range", ErrState)
		}
	}
	l.unsequenced = d.identities()
	switch {
	case d.bad:
		return l, fmt.Errorf("%w: it is cut or damaged", ErrState)
	case len(d.rest) > 0:
		return l, fmt.Errorf("%w: %d bytes follow its end", ErrState, len(d.rest))
	case l.next > maxSeq+1 || (l.next == 0) != (len(l.seen) == 0):
		return l, fmt.Errorf("%w: its mark is not possible", ErrState)
	case l.former > uint64(len(l.seen)) || l.former > 0 && l.epoch == 0 ||
		l.epoch > l.newest || l.epoch > 0 && l.before >= l.epoch || l.epoch == 0 && l.before > 0:
		return l, fmt.Errorf("%w: its epoch is not possible", ErrState)
	case int(l.fills)+int(l.misses) >= streamLimit:
		return l, fmt.Errorf("%w: its evidence is not possible", ErrState)
	}
	return l, nil
}

// learner reads what was learned into a copy of l.
func (d *decoder) learner(l learner) (learner, error) {
	fills, misses := d.uvarint(), d.uvarint()
	l.lateness, l.weight = [latenessBuckets]uint32{}, 0
	for n := d.count(2); n > 0; n-- {
		bucket, weight := d.uvarint(), d.uvarint()
		if bucket >= latenessBuckets || weight >= sampleLimit || l.lateness[bucket] > 0 {
			return l, fmt.Errorf("%w: a lateness is not possible", ErrState)
		}
		l.lateness[bucket] = uint32(weight)
		l.weight += uint32(weight)
		if l.weight >= sampleLimit {
			return l, fmt.Errorf("%w: its latenesses are too many", ErrState)
		}
	}
	if d.bad || len(d.rest) > 0 {
		return l, fmt.Errorf("%w: it is cut or damaged", ErrState)
	}
	if fills >= shareLimit || misses >= shareLimit || fills+misses >= shareLimit {
		return l, fmt.Errorf("%w: its evidence is not possible", ErrState)
	}
	l.fills, l.misses = uint32(fills), uint32(misses)
	l.learn()
	return l, nil
}
