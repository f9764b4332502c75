package resequence

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIndexFindsWhatIsThere compares the table with a map under random adding
// and removing.
func TestIndexFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	s := newStreams(4)
	want := make(map[Key]uint32)
	for range 30000 {
		var key Key
		binary.BigEndian.PutUint32(key[3:], rng.Uint32N(700))
		if rng.IntN(9) < 5 {
			i, _ := s.use(key)
			if old, ok := want[key]; ok && old != i {
				t.Fatalf("stream %v was %d and is %d", key, old, i)
			}
			want[key] = i
		} else if i, ok := want[key]; ok {
			s.forget(i)
			delete(want, key)
		}
		if s.index.n != len(want) || s.index.find(&key, &s.records) != want[key] {
			t.Fatalf("stream %v is not %d", key, want[key])
		}
	}
	for key, i := range want {
		if s.index.find(&key, &s.records) != i {
			t.Fatalf("stream %v is not %d", key, i)
		}
	}
}

// TestWindowsKeepTheLast compares windows of many streams, growing, turning
// and given back, with plain slices.
func TestWindowsKeepTheLast(t *testing.T) {
	t.Parallel()
	for _, full := range []int{1, 5, 64, 100} {
		rng := rand.New(rand.NewPCG(uint64(full), 2))
		b := New[int](Config{Window: full, Hold: Off})
		s := &b.streams
		want := make(map[Key]*[windowKinds][]uint64)
		for n := range 40000 {
			key := Key{byte(rng.IntN(60))}
			i, r := s.use(key)
			w := want[key]
			if w == nil {
				w = new([windowKinds][]uint64)
				want[key] = w
			}
			if rng.IntN(400) == 0 {
				s.forget(i)
				delete(want, key)
				continue
			}
			kind, h := rng.IntN(windowKinds), rng.Uint64()
			switch kind {
			case seenWindow:
				s.left(i, r, InOrder, uint64(n), h, 0)
			case lateWindow:
				s.left(i, r, Late, 1<<50, h, 0)
			case unsequencedWindow:
				s.left(i, r, Unsequenced, 0, h, 0)
			}
			if w[kind] = append(w[kind], h); len(w[kind]) > full {
				w[kind] = w[kind][1:]
			}
			if got := windowOf(s, i, r, kind); !slices.Equal(got, w[kind]) {
				t.Fatalf("window of %d: %x, want %x", full, got, w[kind])
			}
		}
		checkInvariants(t, b)
		for key, w := range want {
			i := s.index.find(&key, &s.records)
			for kind := range w {
				if got := windowOf(s, i, s.records.at(i), kind); !slices.Equal(got, w[kind]) {
					t.Fatalf("window of %d: %x, want %x", full, got, w[kind])
				}
			}
		}
		for s.oldest != 0 {
			s.forget(s.oldest)
		}
		if s.bytes != 0 {
			t.Fatalf("%d bytes of nothing", s.bytes)
		}
		checkInvariants(t, b)
	}
}

// windowOf are the identities in a window, the oldest first.
func windowOf(s *streams, i uint32, r *record, kind int) []uint64 {
	if kind != seenWindow && r.extra == 0 {
		return nil
	}
	if kind == lateWindow {
		var all []uint64
		entries := s.lateEntries(r)
		for e := 0; e < len(entries); e += lateWords {
			all = append(all, entries[e])
		}
		return all
	}
	older, newer := s.arenas[kind].inOrder(*s.window(i, kind))
	return append(slices.Clone(older), newer...)
}

// TestStateBytesBoundsTheMemory (P8): any number of streams, but for those
// that hold items and the one in use.
func TestStateBytesBoundsTheMemory(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	b := New[int](Config{StateBytes: limit})
	for n := range uint64(50_000) {
		it := numbered(0, n%50+1, int64(n))
		binary.BigEndian.PutUint64(it.Key[4:], n/7)
		b.Push(int64(n), it, b.Expire(int64(n), nil))
		if got := b.Stats().StateBytes; got > limit {
			t.Fatalf("%d bytes after %d streams", got, n)
		}
	}
	if s := b.Stats(); s.Evicted == 0 || s.Streams == 0 {
		t.Fatalf("%+v", s)
	}
	checkInvariants(t, b)
}
