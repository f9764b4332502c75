package audit

import (
	"bufio"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"
)

const entryBytes = 6 * 8

// A sorter sorts any number of entries in bounded memory. Full parts go, sorted,
// to one temporary file; sorted merges them. Add may be called by many
// goroutines; after sorted has been called, no more.
type sorter struct {
	limit int    // entries in memory
	dir   string // for the temporary file; "" is the system's

	mu    sync.Mutex
	buf   []entry
	file  *os.File
	size  int64
	parts []part
}

// A part is one sorted run in the file.
type part struct{ offset, size int64 }

func newSorter(memory int64, dir string) *sorter {
	return &sorter{limit: max(1024, int(memory/entryBytes)), dir: dir}
}

// add takes entries in.
func (s *sorter) add(entries ...entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(entries) > 0 {
		if len(s.buf) == s.limit {
			if err := s.spill(); err != nil {
				return err
			}
		}
		n := min(len(entries), s.limit-len(s.buf))
		s.grow(n)
		s.buf = append(s.buf, entries[:n]...)
		entries = entries[n:]
	}
	return nil
}

// grow makes room for n more, and never for more than the limit.
func (s *sorter) grow(n int) {
	if need := len(s.buf) + n; need > cap(s.buf) {
		grown := make([]entry, len(s.buf), min(s.limit, max(need, 2*cap(s.buf), 1024)))
		copy(grown, s.buf)
		s.buf = grown
	}
}

// spill writes what is in memory as one part.
func (s *sorter) spill() error {
	if err := s.open(); err != nil {
		return err
	}
	slices.SortFunc(s.buf, compareEntries)
	out := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.size), 1<<20)
	var raw [entryBytes]byte
	for i := range s.buf {
		for w, word := range s.buf[i] {
			binary.LittleEndian.PutUint64(raw[8*w:], word)
		}
		if _, err := out.Write(raw[:]); err != nil {
			return fmt.Errorf("writing the audit's temporary file: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the audit's temporary file: %w", err)
	}
	size := int64(len(s.buf)) * entryBytes
	s.parts = append(s.parts, part{offset: s.size, size: size})
	s.size += size
	s.buf = s.buf[:0]
	return nil
}

// open makes the temporary file, without a name where the system allows it, so
// that nothing is left behind however the process ends.
func (s *sorter) open() error {
	if s.file != nil {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "chatbridge-audit-*")
	if err != nil {
		return fmt.Errorf("making a temporary file for the audit (--temp-dir names another place): %w", err)
	}
	s.file = f
	_ = os.Remove(f.Name()) // where an open file cannot be removed, close does it
	return nil
}

// close gives back memory and disk.
func (s *sorter) close() {
	s.buf = nil
	if s.file != nil {
		s.file.Close()
		_ = os.Remove(s.file.Name()) // gone already, but for systems that could not
		s.file = nil
	}
}

// sorted yields all entries in order, and an error where the temporary file
// cannot be read back; then it ends.
func (s *sorter) sorted() iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		m, err := s.runs()
		if err == nil {
			err = m.begin()
		}
		if err != nil {
			yield(entry{}, err)
			return
		}
		for len(m) > 0 {
			if !yield(m[0].head, nil) {
				return
			}
			if err := m.advance(); err != nil {
				yield(entry{}, err)
				return
			}
		}
	}
}

// runs returns what is to be merged. What was spilled is read back in pieces that
// together take no more memory than the entries did, which are then no longer
// there: however many parts a long topic has made.
func (s *sorter) runs() (merge, error) {
	if len(s.parts) == 0 {
		slices.SortFunc(s.buf, compareEntries)
		return merge{{rest: s.buf}}, nil
	}
	if err := s.spill(); err != nil {
		return nil, err
	}
	s.buf = nil
	piece := min(s.limit*entryBytes/len(s.parts), mostPiece)
	m := make(merge, len(s.parts))
	for i, p := range s.parts {
		section := io.NewSectionReader(s.file, p.offset, p.size)
		m[i] = &run{in: bufio.NewReaderSize(section, max(piece, leastPiece))}
	}
	return m, nil
}

// How much of a part is read back at a time.
const (
	leastPiece = 16 * entryBytes
	mostPiece  = 64 << 10
)

// A run is a sorted row of entries, in memory or in the file.
type run struct {
	head entry
	rest []entry
	in   *bufio.Reader // nil: rest is all
}

// next moves to the next entry; it returns false at the end.
func (r *run) next() (bool, error) {
	if r.in == nil {
		if len(r.rest) == 0 {
			return false, nil
		}
		r.head, r.rest = r.rest[0], r.rest[1:]
		return true, nil
	}
	var raw [entryBytes]byte
	switch _, err := io.ReadFull(r.in, raw[:]); {
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the audit's temporary file: %w", err)
	}
	for w := range r.head {
		r.head[w] = binary.LittleEndian.Uint64(raw[8*w:])
	}
	return true, nil
}

// A merge is a heap of runs by their heads.
type merge []*run

// begin moves every run to its first entry.
func (m *merge) begin() error {
	filled := (*m)[:0]
	for _, r := range *m {
		more, err := r.next()
		if err != nil {
			return err
		}
		if more {
			filled = append(filled, r)
		}
	}
	*m = filled
	heap.Init(m)
	return nil
}

// advance goes on to the next entry.
func (m *merge) advance() error {
	more, err := (*m)[0].next()
	if err != nil {
		return err
	}
	if more {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return nil
}

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return compareEntries(m[i].head, m[j].head) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*run)) } //nolint:forcetypeassert // nothing else is pushed
func (m *merge) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}
