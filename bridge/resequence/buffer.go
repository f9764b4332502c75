package resequence

// Buffer restores the order of any number of streams. It is pure: time comes
// in as a value, decisions come out as values. It is not safe for concurrent
// use; only its Budget is shared.
type Buffer[T any] struct {
	cfg     Config
	streams streams
	learner learner

	// What is held. waits[record.wait] is a stream's waiting; slot 0 is none.
	waits     []*waiting[T]
	freeWaits []uint32
	deadlines deadlines[T]
	spare     []*held[T] // to be used again
	newcomer  *held[T]   // the item of the push under way, where it was held

	stats Stats // counters, Held and HeldBytes
}

// New returns an empty Buffer. It takes no memory to speak of until it is used.
func New[T any](cfg Config) *Buffer[T] {
	cfg = cfg.withDefaults()
	return &Buffer[T]{
		cfg:     cfg,
		streams: newStreams(cfg.Window),
		learner: newLearner(cfg.Floor, cfg.Ceiling),
		waits:   make([]*waiting[T], 1),
	}
}

// Push takes an item in and appends to out what leaves because of it: the item
// itself, items that waited for it, items that pressure drives out, or
// nothing. Each item pushed leaves exactly once, from this call or a later
// Push or Expire. now is in Unix nanoseconds and never goes back; Push does
// not do the work of Expire for other streams.
//
//	state of the stream    number                     what happens
//	-------------------    ------                     ------------
//	new                    any                        in-order; the stream starts here
//	started                expected                   in-order, and what is held behind it
//	                       ahead                      held
//	                       seen, or held              duplicate
//	                       below, older or unknown    late
//	                       below, newer than all      held; with its neighbour: reset
func (b *Buffer[T]) Push(now int64, it Item[T], out []Decision[T]) []Decision[T] {
	i, r := b.streams.use(it.Key)
	switch {
	case !it.Sequenced || it.Seq > maxSeq:
		out = b.unsequenced(i, r, it, out)
	case it.Seq == r.next && r.next != 0 && r.wait == 0 && r.extra == 0:
		// The path of nearly all: nothing held, no window to search.
		b.stats.InOrder++
		b.streams.advance(i, r, it.Seq, identity(it.Seq, it.ID), it.MsgTime)
		out = append(out, Decision[T]{Item: it, Verdict: InOrder})
	default:
		out = b.place(now, i, r, it, out)
	}
	b.evict(i)
	return out
}

// place decides about a number that may be anything.
func (b *Buffer[T]) place(now int64, i uint32, r *record, it Item[T], out []Decision[T]) []Decision[T] {
	w := b.waits[r.wait]
	switch {
	case b.streams.known(r, it.Seq, identity(it.Seq, it.ID)) || w != nil && w.has(it.Seq, it.ID):
		b.stats.Duplicates++
		return append(out, Decision[T]{Item: it, Verdict: Duplicate})
	case r.next == 0:
		return b.leave(i, r, &it, InOrder, 0, out)
	case b.streams.former(r, it.MsgTime):
		return b.leave(i, r, &it, Late, 0, out)
	case it.Seq > r.next:
		return b.hold(now, i, r, it, out)
	case fresh(r, it.MsgTime) && b.restarts(r, w, it.Seq):
		return b.restart(now, i, r, it, out)
	case it.Seq == r.next:
		return b.fill(now, i, r, it, out)
	case fresh(r, it.MsgTime):
		return b.hold(now, i, r, it, out)
	}
	if b.cfg.Hold == Adaptive {
		b.learner.late(r, it.Seq, it.ReceivedAt)
	}
	return b.leave(i, r, &it, Late, 0, out)
}

// unsequenced lets a message without a number leave, or drops it as known.
func (b *Buffer[T]) unsequenced(i uint32, r *record, it Item[T], out []Decision[T]) []Decision[T] {
	h := identity(0, it.ID)
	if b.streams.knownUnsequenced(r, h) {
		b.stats.Duplicates++
		return append(out, Decision[T]{Item: it, Verdict: Duplicate})
	}
	b.stats.Unsequenced++
	b.streams.left(i, r, Unsequenced, 0, h, it.MsgTime)
	return append(out, Decision[T]{Item: it, Verdict: Unsequenced})
}

// fill lets the expected number leave, and what was held behind it.
func (b *Buffer[T]) fill(now int64, i uint32, r *record, it Item[T], out []Decision[T]) []Decision[T] {
	w := b.waits[r.wait]
	if w == nil {
		return b.leave(i, r, &it, InOrder, 0, out)
	}
	b.noteFill(r, w, &it)
	out = b.leave(i, r, &it, InOrder, 0, out)
	out = b.drain(now, r, w, out)
	return b.settle(now, r, w, out)
}

// noteFill takes evidence from a number at or above the mark that others,
// above it, wait for.
func (b *Buffer[T]) noteFill(r *record, w *waiting[T], it *Item[T]) {
	at := w.search(it.Seq)
	repeated := at > 0 && w.items[at-1].item.Seq == it.Seq
	if at == len(w.items) || at < w.lows || repeated {
		return
	}
	b.stats.Filled++
	if b.cfg.Hold == Adaptive {
		w.noteSince(at)
		b.learner.filled(r, w.items[at].since, it.ReceivedAt)
	}
}

// leave lets one item leave and moves the mark: with Late below it, with
// InOrder at it, with AfterHole beyond it.
func (b *Buffer[T]) leave(i uint32, r *record, it *Item[T], v Verdict, waited int64, out []Decision[T]) []Decision[T] {
	d := Decision[T]{Item: *it, Verdict: v, Held: duration(waited)}
	switch v {
	case InOrder:
		b.stats.InOrder++
	case AfterHole:
		b.stats.AfterHole++
		d.HoleFrom, d.HoleTo = r.next, it.Seq-1
		b.stats.Missing = addMissing(b.stats.Missing, it.Seq-r.next)
	case Late:
		b.stats.Late++
	case Reset:
		b.stats.Resets++
	}
	b.streams.left(i, r, v, it.Seq, identity(it.Seq, it.ID), it.MsgTime)
	return append(out, d)
}

// Expire appends to out what has waited long enough at now, stream by stream
// in the order of their deadlines.
func (b *Buffer[T]) Expire(now int64, out []Decision[T]) []Decision[T] {
	for len(b.deadlines) > 0 && b.deadlines[0].deadline <= now {
		w := b.deadlines[0]
		r := b.streams.records.at(w.record)
		out = b.letOverdue(now, r, w, out)
		out = b.settle(now, r, w, out)
	}
	b.evict(0)
	return out
}

// NextDeadline is when Expire has something to do next, in Unix nanoseconds;
// ok is false where nothing is held.
func (b *Buffer[T]) NextDeadline() (at int64, ok bool) {
	if len(b.deadlines) == 0 {
		return 0, false
	}
	return b.deadlines[0].deadline, true
}

// evict forgets the least recently used streams until the rest fits, but
// never the one in slot keep, and none that holds items.
func (b *Buffer[T]) evict(keep uint32) {
	for b.streams.bytes > b.cfg.StateBytes {
		i := b.streams.oldest
		if i == 0 || i == keep {
			return
		}
		b.streams.forget(i)
		b.stats.Evicted++
	}
}

// Stats is a picture of the Buffer at this moment.
func (b *Buffer[T]) Stats() Stats {
	s := b.stats
	s.Waiting = len(b.deadlines)
	s.Streams = b.streams.index.n
	s.StateBytes = b.streams.bytes
	s.Hold = duration(b.holdFor(&record{}))
	return s
}
