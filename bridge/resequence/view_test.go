package resequence

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// viewed is an item as it is recognized when it leaves.
type viewed struct {
	key Key
	n   int
}

// TestAViewSaysWhenEachLeaves: what a view says of each held item comes true if
// nothing more comes, whatever is held, above the mark and below it.
func TestAViewSaysWhenEachLeaves(t *testing.T) {
	t.Parallel()
	checked := 0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 5))
		b := New[int](Config{Hold: HoldMode(seed % 2), Fixed: 50 * time.Millisecond, Window: 64})
		now := int64(1e9)
		for n := range 2000 {
			now += rng.Int64N(10e6)
			b.Push(now, viewItem(rng, n, now), nil)
			if rng.IntN(3) > 0 {
				continue
			}
			leaves, below := viewAll(t, b)
			now += rng.Int64N(60e6)
			for _, d := range b.Expire(now, nil) {
				at, held := leaves[viewed{d.Item.Key, d.Item.Value}]
				if early := at > now && !below[viewed{d.Item.Key, d.Item.Value}]; !held || early {
					t.Fatalf("seed %d: item %d left by %d; its view said %d (held: %v)", seed, d.Item.Value, now, at, held)
				}
				delete(leaves, viewed{d.Item.Key, d.Item.Value})
				checked++
			}
			for what, at := range leaves {
				if at <= now {
					t.Fatalf("seed %d: item %d was to leave at %d, and at %d it has not", seed, what.n, at, now)
				}
			}
			checkInvariants(t, b)
		}
	}
	if checked < 1000 {
		t.Fatalf("only %d items left by their time: the run is too tame to mean anything", checked)
	}
}

// viewItem is a message somewhere around the marks of a few streams.
func viewItem(rng *rand.Rand, n int, now int64) Item[int] {
	key := Key{0: 1, 15: byte(rng.IntN(4))}
	it := Item[int]{
		Key: key, Sequenced: true, Seq: uint64(n/8 + rng.IntN(12)), MsgTime: int64(1000 + n/50),
		ReceivedAt: now - rng.Int64N(5e6), Value: n,
	}
	if rng.IntN(40) == 0 { // a group made anew
		it.Seq, it.MsgTime = uint64(1+rng.IntN(3)), int64(5000+n)
	}
	binary.BigEndian.PutUint64(it.ID[:], rng.Uint64())
	return it
}

// viewAll views each stream, checks what can be checked at once, and returns
// when each held item is to leave, and which of them lie below the mark.
func viewAll(t *testing.T, b *Buffer[int]) (leaves map[viewed]int64, below map[viewed]bool) {
	t.Helper()
	leaves, below = map[viewed]int64{}, map[viewed]bool{}
	for _, w := range b.deadlines {
		v, ok := b.View(w.key)
		if !ok || v.Next != b.streams.records.at(w.record).next {
			t.Fatalf("the view of %v is %+v, %v", w.key, v, ok)
		}
		missing := v.Next
		holes := v.Holes
		for _, h := range v.Held {
			leaves[viewed{w.key, h.Value}], below[viewed{w.key, h.Value}] = h.LeavesAt, h.Below
			switch {
			case h.Below != (h.Seq < v.Next):
				t.Fatalf("number %d at mark %d: below = %v", h.Seq, v.Next, h.Below)
			case h.Below || h.Seq < missing: // another message with the same number
			case h.Seq > missing:
				if len(holes) == 0 || holes[0] != (Hole{missing, h.Seq - 1}) {
					t.Fatalf("between %d and %d the view names the holes %v", missing, h.Seq, holes)
				}
				holes = holes[1:]
				missing = h.Seq + 1
			default:
				missing = h.Seq + 1
			}
		}
		if len(holes) > 0 {
			t.Fatalf("the view names holes that are none: %v", holes)
		}
	}
	if len(leaves) != b.stats.Held {
		t.Fatalf("the views show %d held items; held are %d", len(leaves), b.stats.Held)
	}
	return leaves, below
}

// P8: looking at a stream is no use of it, so that an operator who looks keeps
// nothing from being forgotten, and pushes nothing out.
func TestAViewIsNoUse(t *testing.T) {
	t.Parallel()
	b := New[int](Config{})
	keys := []Key{{1}, {2}, {3}}
	for _, key := range keys {
		b.Push(1, Item[int]{Key: key, Sequenced: true, Seq: 7}, nil)
	}
	for range 3 {
		if v, ok := b.View(keys[0]); !ok || v.Next != 8 {
			t.Fatalf("View = %+v, %v", v, ok)
		}
	}
	if oldest := b.streams.records.at(b.streams.oldest).key; oldest != keys[0] {
		t.Errorf("the stream that was looked at is not the one to be forgotten first, but %v", oldest)
	}
	if v, ok := b.View(Key{9}); ok || b.Stats().Streams != len(keys) {
		t.Errorf("the view of an unknown stream is %+v, and %d streams are known", v, b.Stats().Streams)
	}
}

// TestKeysAreAllThatIsKnown: in parts, with streams forgotten in between.
func TestKeysAreAllThatIsKnown(t *testing.T) {
	t.Parallel()
	b := New[int](Config{})
	key := func(n int) (k Key) { binary.BigEndian.PutUint32(k[4:], uint32(n+1)); return k }
	const streams = 5000
	for n := range streams {
		b.Push(1, Item[int]{Key: key(n), Sequenced: true, Seq: 1}, nil)
	}
	for n := 0; n < streams; n += 3 {
		i := b.streams.index.find(new(key(n)), &b.streams.records)
		b.streams.forget(i)
	}
	var got []Key
	parts := 0
	for from := uint32(0); ; parts++ {
		before := len(got)
		if from = b.Keys(from, func(k Key) { got = append(got, k) }); len(got)-before > keysAtOnce {
			t.Fatalf("a part has %d streams", len(got)-before)
		}
		if from == 0 {
			break
		}
	}
	slices.SortFunc(got, func(x, y Key) int { return slices.Compare(x[:], y[:]) })
	if got = slices.Compact(got); len(got) != b.Stats().Streams || parts < 2 {
		t.Errorf("%d keys in %d parts; %d streams are known", len(got), parts, b.Stats().Streams)
	}
	if next := New[int](Config{}).Keys(0, func(Key) { t.Error("an empty Buffer has a key") }); next != 0 {
		t.Errorf("an empty Buffer goes on at %d", next)
	}
}
