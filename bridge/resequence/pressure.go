package resequence

// reason says why a wait ended without what it waited for.
type reason uint8

const (
	timeout reason = iota
	tooManyItems
	tooManyBytes
	outOfBudget
	restarted
)

// admit lets what is overdue in the stream leave and then accounts a newcomer
// that is still there, driving others out until there is room for it, or
// itself.
func (b *Buffer[T]) admit(now int64, r *record, w *waiting[T], h *held[T], out []Decision[T]) []Decision[T] {
	out = b.letOverdue(now, r, w, out)
	out = b.settle(now, r, w, out)
	size := int64(max(h.item.Size, 0))
	for !h.gone {
		switch {
		case len(w.items) > b.cfg.StreamItems:
			out = b.driveOut(now, w, tooManyItems, out)
		case size > b.cfg.StreamBytes-w.bytes:
			out = b.driveOut(now, w, tooManyBytes, out)
		case !b.cfg.Budget.take(size):
			// Whoever would leave first anyway loses least.
			out = b.driveOut(now, b.deadlines[0], outOfBudget, out)
		default:
			h.size = size
			w.bytes += size
			b.stats.HeldBytes += size
			b.newcomer = nil
			return out
		}
	}
	b.newcomer = nil
	return out
}

// driveOut ends the first wait of a stream under pressure: its lowest number
// below the mark leaves, or everything up to its second hole.
func (b *Buffer[T]) driveOut(now int64, w *waiting[T], why reason, out []Decision[T]) []Decision[T] {
	r := b.streams.records.at(w.record)
	if w.lows > 0 {
		b.countGivenUp(why)
		out = b.release(now, r, w, 0, 1, why, out)
	} else {
		out = b.release(now, r, w, 0, w.runEnd(0), why, out)
	}
	return b.settle(now, r, w, out)
}

func (b *Buffer[T]) countGivenUp(why reason) {
	g := &b.stats.GivenUp
	switch why {
	case timeout:
		g.Timeout++
	case tooManyItems:
		g.Items++
	case tooManyBytes:
		g.Bytes++
	case outOfBudget:
		g.Budget++
	case restarted:
		g.Restart++
	}
}
