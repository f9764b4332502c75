package bridge

import "sync"

// ring keeps the last size entries that were added.
type ring[T any] struct {
	size int

	mu      sync.Mutex
	entries []T
	next    int // where the next one goes, once it is full
}

func (r *ring[T]) add(entry T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) < r.size {
		r.entries = append(r.entries, entry)
		return
	}
	r.entries[r.next] = entry
	r.next = (r.next + 1) % r.size
}

// back walks from the latest entry to older ones as long as they are wanted, and
// returns the last of those; false: there is none.
func (r *ring[T]) back(wanted func(*T) bool) (last T, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.entries)
	for i := range n {
		e := &r.entries[(r.next+2*n-1-i)%n]
		if !wanted(e) {
			break
		}
		last, found = *e, true
	}
	return last, found
}

// all returns the entries, oldest first.
func (r *ring[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]T, 0, len(r.entries))
	out = append(out, r.entries[r.next:]...)
	return append(out, r.entries[:r.next]...)
}
