package resequence

// restarts reports whether number seq, unseen and newer than the newest of the
// stream, is the second of two that re-base it: a neighbour waits that is as
// new, or the number before it was as new and has left as late.
func (b *Buffer[T]) restarts(r *record, w *waiting[T], seq uint64) bool {
	if w != nil && w.lows > 0 && (w.hasLow(seq-1) || w.hasLow(seq+1)) {
		return true
	}
	return b.streams.freshLate(r, seq-1)
}

// restart re-bases a stream on the newcomer it and the numbers below the mark
// that are held:
//
//  1. held numbers above the mark that were sent before the new epoch leave
//     first, as a hole that is given up;
//  2. the lowest held number of the new epoch leaves as reset. Where its
//     neighbour has already left as late, it is the newcomer instead, and what
//     is held below it leaves as late before;
//  3. what is held now belongs to the new epoch and leaves or waits in it, each
//     until its own deadline; but one that was sent before the message that
//     carries reset leaves as late rather than wait, as it would if it came now.
func (b *Buffer[T]) restart(now int64, i uint32, r *record, it Item[T], out []Decision[T]) []Decision[T] {
	hold := b.holdFor(r)
	w := b.waitingOf(i, r)
	paired := w.hasLow(it.Seq-1) || w.hasLow(it.Seq+1)
	h := b.enter(now, w, it, hold, true)
	base := w.items[0]
	if !paired {
		base = h
	}
	out = b.releaseFormer(now, r, w, base.item.MsgTime, out)
	out = b.demote(now, r, w, out)
	if at := w.indexOf(base); at > 0 {
		out = b.release(now, r, w, 0, at, restarted, out)
	}
	out = b.leave(i, r, &base.item, Reset, b.waited(now, base), out)
	b.remove(w, 0, 1)
	w.lows = 0
	out = b.drain(now, r, w, out)
	for at := 0; at < len(w.items); {
		if !b.streams.former(r, w.items[at].item.MsgTime) {
			at++
			continue
		}
		straggler := w.items[at]
		out = b.leave(i, r, &straggler.item, Late, b.waited(now, straggler), out)
		b.remove(w, at, at+1)
	}
	return b.admit(now, r, w, h, out)
}

// releaseFormer lets the numbers above the mark leave that were sent before
// epoch, or nobody knows when: they came before it did.
func (b *Buffer[T]) releaseFormer(now int64, r *record, w *waiting[T], epoch int64, out []Decision[T]) []Decision[T] {
	for at := w.lows; at < len(w.items); {
		if w.items[at].item.MsgTime >= epoch {
			at++
			continue
		}
		out = b.release(now, r, w, at, at+1, restarted, out)
	}
	return out
}

// indexOf is where h is among the items.
func (w *waiting[T]) indexOf(h *held[T]) int {
	for at, other := range w.items {
		if other == h {
			return at
		}
	}
	return len(w.items)
}
