package resequence

// slabShift makes 128 slots a chunk.
const slabShift = 7

// slab hands out numbered slots of R. Slots stay where they are, so a pointer
// from at is good until drop; slot 0 is never handed out and means "none".
// Growing costs one chunk, never a copy of what is there.
type slab[R any] struct {
	chunks [][]R
	free   []uint32 // dropped slots, zeroed
	next   uint32   // lowest slot never handed out; 0 before the first take
}

func (s *slab[R]) at(i uint32) *R {
	return &s.chunks[i>>slabShift][i&(1<<slabShift-1)]
}

// take returns a zeroed slot.
func (s *slab[R]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	s.next = max(s.next, 1)
	i := s.next
	if int(i>>slabShift) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]R, 1<<slabShift))
	}
	s.next++
	return i
}

func (s *slab[R]) drop(i uint32) {
	var zero R
	*s.at(i) = zero
	s.free = append(s.free, i)
}
