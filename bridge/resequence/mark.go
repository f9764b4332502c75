package resequence

// maxSeq is the greatest number; beyond it there is no order to restore.
const maxSeq = 1 << 63

// left notes that a message left its stream: the only place where the mark and
// the windows move, the same for a live decision and a replayed one.
func (s *streams) left(i uint32, r *record, v Verdict, seq, h uint64, msgTime int64) {
	switch v {
	case InOrder, AfterHole:
		s.advance(i, r, seq, h, msgTime)
	case Reset:
		x := s.extraOf(r)
		x.epoch, x.before = max(msgTime, 0), r.newest
		x.former = uint32(r.seen.n)
		s.advance(i, r, seq, h, msgTime)
	case Late:
		s.rememberLate(i, r, seq, h, msgTime)
	case Unsequenced:
		s.extraOf(r)
		s.remember(i, unsequencedWindow, h)
	}
}

// advance sets the mark to seq.
func (s *streams) advance(i uint32, r *record, seq, h uint64, msgTime int64) {
	r.next = seq + 1
	r.newest = max(r.newest, msgTime)
	if s.remember(i, seenWindow, h) && r.extra != 0 {
		if x := s.extras.at(r.extra); x.former > 0 {
			x.former--
		}
	}
}

// rememberLate appends to the late window. A full one loses its oldest entry
// that lies further back than the window reaches in numbers, and only where
// there is none the oldest of all: so a flood of ancient messages does not
// drive out what rule 4 promises to recognize.
func (s *streams) rememberLate(i uint32, r *record, seq, h uint64, msgTime int64) {
	x := s.extraOf(r)
	x.lateTop = max(x.lateTop, seq)
	a := &s.arenas[lateWindow]
	var entries []uint64
	if int(x.late.n) < a.full {
		w := s.extend(i, lateWindow)
		entries = a.words(*w)[:int(w.n)*lateWords]
	} else {
		entries = a.words(x.late)
		out := 0
		for e := 0; e < len(entries); e += lateWords {
			if n := entries[e+1]; n < r.next && r.next-1-n >= uint64(a.full) {
				out = e
				break
			}
		}
		copy(entries[out:], entries[out+lateWords:])
	}
	e := entries[len(entries)-lateWords:]
	e[0], e[1], e[2] = h, seq, uint64(msgTime)
}

// lateEntries are the entries of the late window, lateWords words each.
func (s *streams) lateEntries(r *record) []uint64 {
	if r.extra == 0 {
		return nil
	}
	w := s.extras.at(r.extra).late
	return s.arenas[lateWindow].words(w)[:int(w.n)*lateWords]
}

// known reports whether a message is remembered to have left.
func (s *streams) known(r *record, seq, h uint64) bool {
	below := seq < r.next
	if r.extra == 0 {
		return below && s.arenas[seenWindow].holds(r.seen, h)
	}
	x := s.extras.at(r.extra)
	// At or above the mark nothing of this epoch has moved the mark, but an
	// earlier epoch may have had the number, and a late one may be there that
	// came before the numbers began again.
	if (below || x.former > 0) && s.arenas[seenWindow].holds(r.seen, h) {
		return true
	}
	if !below && seq > x.lateTop {
		return false
	}
	entries := s.lateEntries(r)
	for e := 0; e < len(entries); e += lateWords {
		if entries[e] == h {
			return true
		}
	}
	return false
}

// knownUnsequenced is known for a message without a number.
func (s *streams) knownUnsequenced(r *record, h uint64) bool {
	return r.extra != 0 &&
		s.arenas[unsequencedWindow].holds(s.extras.at(r.extra).unsequenced, h)
}

// former reports whether a number at or above the mark is a straggler of an
// earlier epoch: sent before the message that began this one. Within an epoch
// a greater number is never older than its first.
func (s *streams) former(r *record, msgTime int64) bool {
	return r.extra != 0 && msgTime > 0 && msgTime < s.extras.at(r.extra).epoch
}

// fresh reports whether msgTime is newer than the newest of the stream, both
// being known: what rule 5 asks of a number that may begin a new epoch.
func fresh(r *record, msgTime int64) bool {
	return r.newest > 0 && msgTime > r.newest
}

// freshLate reports whether number seq has left as late though it was fresh.
func (s *streams) freshLate(r *record, seq uint64) bool {
	entries := s.lateEntries(r)
	for e := 0; e < len(entries); e += lateWords {
		if entries[e+1] == seq && fresh(r, int64(entries[e+2])) {
			return true
		}
	}
	return false
}
