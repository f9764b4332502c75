package resequence

// Observe replays a decision that an earlier run published: afterwards the
// same item is a Duplicate and the mark is where it was. It never emits. Facts
// come in the order of the topic, after Load and before anything is pushed;
// those that the loaded state contains already change nothing.
//
// The mark of a stream that holds items is left alone, since what it holds
// could not leave; such a fact is only remembered.
func (b *Buffer[T]) Observe(f Fact) {
	i, r := b.streams.use(f.Key)
	v, seq := f.Verdict, f.Seq
	if v == Unsequenced || seq > maxSeq {
		v, seq = Unsequenced, 0
	}
	h := identity(seq, f.ID)
	switch v {
	case Unsequenced:
		if !b.streams.knownUnsequenced(r, h) {
			b.streams.left(i, r, Unsequenced, 0, h, f.MsgTime)
		}
	case InOrder, AfterHole, Late, Reset:
		if !b.streams.known(r, seq, h) {
			b.observe(i, r, v, seq, h, f.MsgTime)
		}
	}
	b.evict(i)
}

// observe replays a fact about a number that is not known.
func (b *Buffer[T]) observe(i uint32, r *record, v Verdict, seq, h uint64, msgTime int64) {
	switch {
	case v == Late:
	case r.wait != 0:
		v, msgTime = Late, 0
	case v == Reset && (fresh(r, msgTime) || r.next == 0):
	case v != Reset && seq >= r.next && !b.streams.before(r, msgTime):
	default:
		// Older than the state that was loaded: the mark has passed it.
		v, msgTime = Late, 0
	}
	b.streams.left(i, r, v, seq, h, msgTime)
}

// before reports whether a number that moved the mark did so before the stream
// was re-based last.
func (s *streams) before(r *record, msgTime int64) bool {
	return r.extra != 0 && msgTime > 0 && msgTime <= s.extras.at(r.extra).before
}
