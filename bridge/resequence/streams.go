package resequence

import "unsafe"

// record is what is known of one stream. It has no pointers: a million of
// them are nothing to the garbage collector.
type record struct {
	key Key
	// next is the number expected next, the mark plus one. 0: no number has
	// left yet, the next one starts the stream.
	next uint64
	// newest is the newest MsgTime of what moved the mark, 0 unknown.
	newest int64
	// older and newer are the neighbours in the list of use; only while the
	// stream holds nothing (a stream that holds is in no list).
	older, newer uint32
	wait         uint32 // slot of its waiting, 0 = holds nothing
	extra        uint32 // slot of its extra, 0 = has none
	seen         window // the last that moved the mark
	// fills and misses are the evidence of this stream: see learner.
	fills, misses uint8
}

// extra is what only some streams need.
type extra struct {
	// epoch is the MsgTime of the message that re-based the stream, 0 where
	// its numbers never began again; before is the newest until then, which
	// is less.
	epoch, before int64
	// lateTop is not less than any number in late.
	lateTop uint64
	// former is how many entries at the old end of seen are of an earlier
	// epoch, whose numbers may be anything.
	former      uint32
	late        window
	unsequenced window
}

// recordBytes is what a stream costs besides its windows.
const recordBytes = int64(unsafe.Sizeof(record{})) + indexBytes

const extraBytes = int64(unsafe.Sizeof(extra{}))

// streams finds, keeps and forgets what is known of streams.
type streams struct {
	index   index
	records slab[record]
	extras  slab[extra]
	arenas  [windowKinds]arena
	// oldest and newest are the ends of the list of use.
	oldest, newest uint32
	bytes          int64 // memory of all this, estimated
}

func newStreams(full int) streams {
	s := streams{index: newIndex()}
	s.arenas[seenWindow] = newArena(1, full)
	s.arenas[lateWindow] = newArena(lateWords, full)
	s.arenas[unsequencedWindow] = newArena(1, full)
	return s
}

// use returns the stream of key, a new one if need be, as the most recently
// used.
func (s *streams) use(key Key) (uint32, *record) {
	i := s.index.find(&key, &s.records)
	if i == 0 {
		i = s.records.take()
		s.index.add(&key, i)
		s.bytes += recordBytes
		r := s.records.at(i)
		r.key = key
		s.link(i, r)
		return i, r
	}
	r := s.records.at(i)
	if r.wait == 0 && s.newest != i {
		s.unlink(i, r)
		s.link(i, r)
	}
	return i, r
}

// link puts a stream at the newest end of the list of use.
func (s *streams) link(i uint32, r *record) {
	r.older, r.newer = s.newest, 0
	if s.newest != 0 {
		s.records.at(s.newest).newer = i
	} else {
		s.oldest = i
	}
	s.newest = i
}

func (s *streams) unlink(i uint32, r *record) {
	if r.older != 0 {
		s.records.at(r.older).newer = r.newer
	} else {
		s.oldest = r.newer
	}
	if r.newer != 0 {
		s.records.at(r.newer).older = r.older
	} else {
		s.newest = r.older
	}
	r.older, r.newer = 0, 0
}

// forget drops a stream that holds nothing.
func (s *streams) forget(i uint32) {
	r := s.records.at(i)
	s.unlink(i, r)
	s.clear(i, r)
	s.index.remove(&r.key, i)
	s.records.drop(i)
	s.bytes -= recordBytes
}

// clear empties the windows of a stream and drops its extra.
func (s *streams) clear(i uint32, r *record) {
	s.discard(i, seenWindow)
	if r.extra != 0 {
		s.discard(i, lateWindow)
		s.discard(i, unsequencedWindow)
		s.extras.drop(r.extra)
		s.bytes -= extraBytes
		r.extra = 0
	}
}

// extraOf returns the extra of a stream, a new one if need be.
func (s *streams) extraOf(r *record) *extra {
	if r.extra == 0 {
		r.extra = s.extras.take()
		s.bytes += extraBytes
	}
	return s.extras.at(r.extra)
}

// window returns a window of stream i; it must have an extra for all kinds
// but seen.
func (s *streams) window(i uint32, kind int) *window {
	r := s.records.at(i)
	switch kind {
	case seenWindow:
		return &r.seen
	case lateWindow:
		return &s.extras.at(r.extra).late
	default:
		return &s.extras.at(r.extra).unsequenced
	}
}

// discard empties a window and gives its slot back.
func (s *streams) discard(i uint32, kind int) {
	w := s.window(i, kind)
	if w.n > 0 {
		s.release(kind, *w)
	}
	*w = window{}
}

func (s *streams) release(kind int, w window) {
	a := &s.arenas[kind]
	s.bytes -= a.bytes(int(w.n))
	if o, ok := a.classes[classOf(int(w.n))].drop(w.slot); ok {
		s.window(uint32(o)>>2, int(o&3)).slot = w.slot
	}
}

// extend makes room for one entry more in a window that is not full.
func (s *streams) extend(i uint32, kind int) *window {
	a, w := &s.arenas[kind], s.window(i, kind)
	if int(w.n) < a.room(int(w.n)) {
		w.n++
		return w
	}
	grown := window{n: w.n + 1}
	c := &a.classes[classOf(int(grown.n))]
	grown.slot = c.take(ownerOf(i, kind))
	s.bytes += a.bytes(int(grown.n))
	if w.n > 0 {
		copy(c.slot(grown.slot), a.words(*w))
		s.release(kind, *w)
	}
	*w = grown
	return w
}

// remember appends an identity to a window of one-word entries. A full one
// loses its oldest; it reports whether it did.
func (s *streams) remember(i uint32, kind int, h uint64) (lost bool) {
	a, w := &s.arenas[kind], s.window(i, kind)
	if int(w.n) == a.full {
		a.words(*w)[w.head] = h
		w.head++
		if int(w.head) == a.full {
			w.head = 0
		}
		return true
	}
	w = s.extend(i, kind)
	a.words(*w)[w.n-1] = h
	return false
}
