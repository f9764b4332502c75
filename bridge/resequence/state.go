package resequence

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// ErrState is in every error of Load.
var ErrState = errors.New("saved resequencer state is unusable")

// The first byte of a state: what it is of, and in which version.
const (
	streamState  = 0x11
	learnerState = 0x21
)

// Save emits the state of each stream, the least recently used first, those
// that hold items last; and before them, in mode Adaptive, what the hold was
// learned from, under the zero Key. Held items are no part of it: they are
// pushed again after a restart, in the order in which they came. The bytes are
// good only during the call of emit, whose error ends Save.
//
//	stream:  0x11
//	         next, newest, epoch, before       uvarints
//	         former                            uvarint
//	         fills, misses                     bytes
//	         n, n × identity                   seen, oldest first, 8 bytes each, little-endian
//	         n, n × (identity, number, time)   late; number a uvarint, time a varint
//	         n, n × identity                   unsequenced
//	learner: 0x21
//	         fills, misses                     uvarints
//	         n, n × (bucket, weight)           uvarints
func (b *Buffer[T]) Save(emit func(key Key, state []byte) error) error {
	var buf []byte
	if b.cfg.Hold == Adaptive {
		buf = b.learner.appendState(buf)
		if err := emit(Key{}, buf); err != nil {
			return err
		}
	}
	for i := b.streams.oldest; i != 0; {
		r := b.streams.records.at(i)
		newer := r.newer
		buf = b.streams.appendState(buf[:0], r)
		if err := emit(r.key, buf); err != nil {
			return err
		}
		i = newer
	}
	holding := slices.Clone(b.deadlines)
	slices.SortFunc(holding, func(x, y *waiting[T]) int { return bytes.Compare(x.key[:], y.key[:]) })
	for _, w := range holding {
		buf = b.streams.appendState(buf[:0], b.streams.records.at(w.record))
		if err := emit(w.key, buf); err != nil {
			return err
		}
	}
	return nil
}

// Load takes in what Save emitted, in that order, before anything is pushed.
// A stream that is known already is replaced. On an error, which is an
// ErrState, nothing has changed; the caller may go on without this state, and
// the stream starts anew.
func (b *Buffer[T]) Load(key Key, state []byte) error {
	d := decoder{rest: state}
	switch kind := d.byte(); {
	case d.bad:
		return fmt.Errorf("%w: it is empty", ErrState)
	case kind == learnerState:
		l, err := d.learner(b.learner)
		if err != nil {
			return err
		}
		b.learner = l
		return nil
	case kind == streamState:
		return b.loadStream(key, &d)
	default:
		return fmt.Errorf("%w: kind and version %#x are not known here, which is version 1", ErrState, kind)
	}
}

func (b *Buffer[T]) loadStream(key Key, d *decoder) error {
	l, err := d.stream()
	if err != nil {
		return err
	}
	if i := b.streams.index.find(&key, &b.streams.records); i != 0 && b.streams.records.at(i).wait != 0 {
		return fmt.Errorf("%w: its stream holds items; load before pushing", ErrState)
	}
	b.evict(b.streams.restore(key, l))
	return nil
}

// loaded is a stream's state as it was saved.
type loaded struct {
	next, former      uint64
	newest            int64
	epoch, before     int64
	fills, misses     uint8
	seen, unsequenced []uint64
	late              []uint64 // lateWords an entry
}

// restore puts a loaded stream in place of what is known of key, and returns
// its slot. Windows that are larger than the ones in use lose their oldest
// entries.
func (s *streams) restore(key Key, l loaded) uint32 {
	i, r := s.use(key)
	s.clear(i, r)
	r.fills, r.misses = l.fills, l.misses
	r.newest = l.newest
	full := s.arenas[seenWindow].full
	for _, h := range l.seen[max(len(l.seen)-full, 0):] {
		s.remember(i, seenWindow, h)
	}
	r.next = l.next
	if l.epoch > 0 {
		x := s.extraOf(r)
		x.epoch, x.before = l.epoch, l.before
		lost := uint64(len(l.seen)) - uint64(r.seen.n)
		x.former = uint32(l.former - min(l.former, lost))
	}
	for e := 0; e < len(l.late); e += lateWords {
		s.rememberLate(i, r, l.late[e+1], l.late[e], int64(l.late[e+2]))
	}
	for _, h := range l.unsequenced {
		s.extraOf(r)
		s.remember(i, unsequencedWindow, h)
	}
	return i
}
