package audit

import (
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSorterSortsWhateverFitsIntoMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.Uint64Range(0, 9), 0, 400).Draw(rt, "words")
		var all []entry
		for i := 0; i+2 < len(words); i += 3 {
			all = append(all, entry{words[i], 0, words[i+1], 1 << 63, 0, words[i+2]})
		}
		s := newSorter(0, dir)
		s.limit = rapid.IntRange(1, 200).Draw(rt, "limit")
		defer s.close()
		for batch := range slices.Chunk(all, rapid.IntRange(1, 50).Draw(rt, "batch")) {
			if err := s.add(batch...); err != nil {
				rt.Fatal(err)
			}
			if cap(s.buf) > s.limit {
				rt.Fatalf("room for %d entries, where %d are allowed", cap(s.buf), s.limit)
			}
		}
		var got []entry
		for e, err := range s.sorted() {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, e)
		}
		slices.SortFunc(all, compareEntries)
		if diff := cmp.Diff(all, got); diff != "" {
			rt.Fatal(diff)
		}
	})
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// P8: a topic that is a hundred times as long makes a hundred times as many parts,
// and takes no more memory to merge them.
func TestSorterReadsBackInTheMemoryThatItSortsIn(t *testing.T) {
	t.Parallel()
	const parts = 500
	s := newSorter(0, t.TempDir())
	defer s.close()
	for i := range uint64(parts * s.limit) {
		if err := s.add(entry{i % 977, i}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := s.runs()
	if err != nil {
		t.Fatal(err)
	}
	room := cap(s.buf) * entryBytes
	for _, r := range m {
		room += cap(r.rest)*entryBytes + r.in.Size()
	}
	if most := max(s.limit*entryBytes, parts*leastPiece); len(m) != parts || room > most {
		t.Errorf("%d parts are merged in %d bytes; want %d parts and at most %d bytes", len(m), room, parts, most)
	}
}

func TestSorterTakesEntriesFromManyGoroutines(t *testing.T) {
	t.Parallel()
	s := newSorter(0, t.TempDir())
	s.limit = 64
	defer s.close()
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(200) {
				if err := s.add(entry{i, g}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	n := uint64(0)
	for e, err := range s.sorted() {
		if err != nil || e[0] != n/8 || e[1] != n%8 {
			t.Fatalf("entry %d is %v, %v", n, e, err)
		}
		n++
	}
	if n != 1600 {
		t.Errorf("%d entries", n)
	}
}

func TestSorterEndsEarlyWhenNoMoreIsWanted(t *testing.T) {
	t.Parallel()
	s := newSorter(0, t.TempDir())
	s.limit = 2
	defer s.close()
	if err := s.add(entry{3}, entry{1}, entry{2}, entry{5}, entry{4}); err != nil {
		t.Fatal(err)
	}
	for e := range s.sorted() {
		if e[0] == 2 {
			break
		}
	}
}

func TestSorterSaysWhereItCouldNotWrite(t *testing.T) {
	t.Parallel()
	s := newSorter(0, t.TempDir()+"/missing")
	s.limit = 1
	err := s.add(entry{1}, entry{2})
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
}

func TestPlacesKeepPartitionAndOffset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		partition int
		offset    int64
	}{{0, 0}, {1, 1}, {65534, 1<<offsetBits - 1}, {11, 123456789012}} {
		p := placeOf(c.partition, c.offset)
		if p.partition() != c.partition || p.offset() != c.offset || !p.inTopic() || place(1<<62).inTopic() {
			t.Errorf("%d/%d became %d/%d", c.partition, c.offset, p.partition(), p.offset())
		}
	}
	if placeOf(1, 0) < placeOf(0, 1<<40) {
		t.Error("a later partition comes before an earlier one")
	}
}
