package relay

import (
	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// positions is a set of the spool's positions, for what may be as long as the
// spool: dense numbers, of which a set takes two bytes each at most, and
// less the denser they lie. This file is the one door to the bitmap's library.
// The zero value is empty. Not safe for concurrent use.
type positions struct{ set roaring64.Bitmap }

func (s *positions) add(p spool.Position)      { s.set.Add(uint64(p)) }
func (s *positions) has(p spool.Position) bool { return s.set.Contains(uint64(p)) }
func (s *positions) count() int                { return int(s.set.GetCardinality()) }

// forgetBelow takes everything below p out.
func (s *positions) forgetBelow(p spool.Position) {
	if !s.set.IsEmpty() {
		s.set.RemoveRange(0, uint64(p))
	}
}

// merge adds what another set holds.
func (s *positions) merge(other *positions) { s.set.Or(&other.set) }

// each calls fn for each position, rising, until fn fails.
func (s *positions) each(fn func(spool.Position) error) error {
	for i := s.set.Iterator(); i.HasNext(); {
		if err := fn(spool.Position(i.Next())); err != nil {
			return err
		}
	}
	return nil
}
