package ledger

import "github.com/chatbridge/chatbridge/schema"

// History is what an existing ledger says to the run that continues it. Its
// memory grows with the number of the sender's streams.
type History struct {
	Runs int    // runs so far, ended or not
	Seed uint64 // of the first run

	used     map[schema.Stream]uint64
	reserved map[schema.Stream]uint64 // by the run being read
}

// Next returns the lowest number of a stream that no run has used or, where a
// run was killed, may have used. It is 1 for a stream not seen before.
func (h *History) Next(s schema.Stream) uint64 { return h.used[s] + 1 }

// add takes in one line.
func (h *History) add(l *Line) {
	switch l.Kind {
	case Run:
		h.settle()
		if h.Runs == 0 {
			h.Seed = l.Seed
		}
		h.Runs++
	case Reserved:
		h.reserved[l.Stream()] = max(h.reserved[l.Stream()], l.To)
	case End:
		// Everything that this run used has a line of its own.
		clear(h.reserved)
	case OK, Copy, Refused, Unanswered, Dropped:
		h.used[l.Stream()] = max(h.used[l.Stream()], l.Seq)
	}
}

// settle counts what a run without an end line had reserved as used.
func (h *History) settle() {
	for s, to := range h.reserved {
		h.used[s] = max(h.used[s], to)
	}
	clear(h.reserved)
}

// readHistory reads the ledger at path from its beginning.
func readHistory(path string) (*History, error) {
	h := &History{used: map[schema.Stream]uint64{}, reserved: map[schema.Stream]uint64{}}
	err := Read(path, func(_ int64, l *Line) error {
		h.add(l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.settle()
	return h, nil
}
