package resequence

import "sync/atomic"

// Budget bounds the bytes that several Buffers hold together. It is the only
// thing that Buffers share, and safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64 // 0 ≤ used ≤ limit, always
}

// NewBudget returns a Budget of limit bytes; 0 or less is DefaultBudget.
func NewBudget(limit int64) *Budget {
	if limit <= 0 {
		limit = DefaultBudget
	}
	return &Budget{limit: limit}
}

// Limit is how many bytes there are in all.
func (b *Budget) Limit() int64 { return b.limit }

// Used is how many bytes are held now.
func (b *Budget) Used() int64 { return b.used.Load() }

// take takes n ≥ 0 bytes, or none and reports false. It never overshoots, not
// even for a moment, so that no other Buffer gives up for bytes that were
// only tried.
func (b *Budget) take(n int64) bool {
	for {
		used := b.used.Load()
		if n > b.limit-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// put gives back n bytes that were taken.
func (b *Budget) put(n int64) { b.used.Add(-n) }
