package resequence

import (
	"cmp"
	"slices"
	"testing"
)

// checkInvariants looks through everything that a Buffer keeps.
func checkInvariants[T any](t *testing.T, b *Buffer[T]) {
	checkWaiting(t, b)
	checkStreams(t, b)
}

func checkWaiting[T any](t *testing.T, b *Buffer[T]) {
	items, bytes := 0, int64(0)
	for place, w := range b.deadlines {
		r := b.streams.records.at(w.record)
		if w.place != place || b.waits[r.wait] != w || r.key != w.key || w.deadline != w.earliest() {
			t.Fatalf("waiting %+v of %+v is not linked", w, r)
		}
		if place > 0 && b.deadlines.before(place, (place-1)/2) {
			t.Fatalf("the heap is out of order at %d", place)
		}
		if len(w.items) == 0 || len(w.items) > b.cfg.StreamItems || w.bytes > b.cfg.StreamBytes {
			t.Fatalf("%d items with %d bytes wait in a stream", len(w.items), w.bytes)
		}
		sum := int64(0)
		for at, h := range w.items {
			low := at < w.lows
			if h.gone || low != (h.item.Seq < r.next) || h.item.Seq == r.next || low && !fresh(r, h.item.MsgTime) {
				t.Fatalf("item %d (%d) should not wait at mark %d", at, h.item.Seq, r.next)
			}
			sum += h.size
		}
		if sum != w.bytes || !slices.IsSortedFunc(w.items, func(x, y *held[T]) int { return cmp.Compare(x.item.Seq, y.item.Seq) }) {
			t.Fatalf("items are not sorted or %d bytes are not %d", sum, w.bytes)
		}
		items += len(w.items)
		bytes += sum
	}
	if items != b.stats.Held || bytes != b.stats.HeldBytes || b.newcomer != nil {
		t.Fatalf("%d items with %d bytes are held, counted are %d and %d", items, bytes, b.stats.Held, b.stats.HeldBytes)
	}
	if len(b.waits) != 1+len(b.deadlines)+len(b.freeWaits) {
		t.Fatalf("%d waitings, %d in use, %d free", len(b.waits), len(b.deadlines), len(b.freeWaits))
	}
}

func checkStreams[T any](t *testing.T, b *Buffer[T]) {
	s := &b.streams
	listed, last := 0, uint32(0)
	for i := s.oldest; i != 0; i = s.records.at(i).newer {
		if r := s.records.at(i); r.older != last || r.wait != 0 || s.index.find(&r.key, &s.records) != i {
			t.Fatalf("stream %d is in the list of use but %+v", i, r)
		}
		last = i
		listed++
	}
	if last != s.newest || listed+len(b.deadlines) != s.index.n {
		t.Fatalf("%d streams are in the list of use and %d hold, of %d", listed, len(b.deadlines), s.index.n)
	}
	bytes, slots := int64(0), [windowKinds]int{}
	entries := 0
	for _, place := range s.index.places {
		if place == 0 {
			continue
		}
		entries++
		i := uint32(place)
		r := s.records.at(i)
		key := r.key
		if s.index.find(&key, &s.records) != i {
			t.Fatalf("stream %v is not found", key)
		}
		bytes += recordBytes
		kinds := 1
		if r.extra != 0 {
			bytes += extraBytes
			kinds = windowKinds
		}
		for kind := range kinds {
			w := s.window(i, kind)
			bytes += s.arenas[kind].bytes(int(w.n))
			if w.n == 0 {
				continue
			}
			slots[kind]++
			if o := s.arenas[kind].classes[classOf(int(w.n))].owners[w.slot]; o != ownerOf(i, kind) {
				t.Fatalf("window %d of %v belongs to %d", kind, key, o>>2)
			}
		}
	}
	if entries != s.index.n {
		t.Fatalf("%d entries in the index, counted are %d", entries, s.index.n)
	}
	for kind := range s.arenas {
		used := 0
		for _, c := range s.arenas[kind].classes {
			used += len(c.owners)
			if len(c.chunks)<<c.shift > len(c.owners)+2<<c.shift {
				t.Fatalf("%d chunks for %d slots", len(c.chunks), len(c.owners))
			}
		}
		if used != slots[kind] {
			t.Fatalf("%d slots for %d windows of kind %d", used, slots[kind], kind)
		}
	}
	if bytes != s.bytes {
		t.Fatalf("%d bytes of state, counted are %d", bytes, s.bytes)
	}
}
