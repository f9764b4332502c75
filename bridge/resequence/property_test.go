package resequence

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = int64(time.Millisecond)

// numbered is message seq of a stream, received at a time.
func numbered(stream byte, seq uint64, receivedAt int64) Item[int] {
	it := Item[int]{Key: Key{stream}, Seq: seq, Sequenced: true, MsgTime: 50, ReceivedAt: receivedAt, Size: 1}
	binary.BigEndian.PutUint64(it.ID[:], seq)
	return it
}

// TestPermutationWithinTheHoldComesOutSorted (P3): whatever the order of
// arrival, within the hold the stream comes out as it was sent.
func TestPermutationWithinTheHoldComesOutSorted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "messages")
		start := rapid.Uint64Range(1, 1<<62).Draw(t, "start")
		numbers := make([]uint64, n)
		for i := range numbers {
			numbers[i] = start + 1 + uint64(i)
		}
		b := New[int](Config{Hold: Fixed, Fixed: time.Second})
		out := b.Push(0, numbered(1, start, 0), nil)
		for i, seq := range rapid.Permutation(numbers).Draw(t, "arrival") {
			now := int64(i) * int64(time.Second) / int64(n)
			out = b.Expire(now, out)
			out = b.Push(now, numbered(1, seq, now), out)
		}
		for i, d := range out {
			if d.Verdict != InOrder || d.Item.Seq != start+uint64(i) || d.HoleFrom != 0 {
				t.Fatalf("decision %d is %+v", i, d)
			}
		}
		if _, waits := b.NextDeadline(); waits || len(out) != n+1 {
			t.Fatalf("%d of %d came out", len(out), n+1)
		}
	})
}

// TestInOrderWaitsForNothing (P3): no timer, nothing held, in every mode.
func TestInOrderWaitsForNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []HoldMode{Adaptive, Fixed, Off} {
		b := New[int](Config{Hold: mode, Fixed: time.Second})
		for i := range 3000 {
			stream, seq := byte(i%3), uint64(i/3+7)
			out := b.Push(int64(i), numbered(stream, seq, int64(i)), nil)
			if len(out) != 1 || out[0].Verdict != InOrder || out[0].Item.Seq != seq || out[0].Held != 0 {
				t.Fatalf("%v: %+v", mode, out)
			}
			if at, ok := b.NextDeadline(); ok {
				t.Fatalf("%v: a timer at %d", mode, at)
			}
		}
	}
}

// TestEachItemLeavesOnceWithinTheHold (P3, P5, P8): whatever comes, each item
// leaves exactly once, not later than the hold after its receipt, and the holes
// said are the numbers that did not leave before in their turn.
func TestEachItemLeavesOnceWithinTheHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]HoldMode{Adaptive, Fixed, Off}).Draw(t, "mode")
		longest := map[HoldMode]int64{Adaptive: int64(DefaultCeiling), Fixed: 300 * ms, Off: 0}[mode]
		b := New[int](Config{Hold: mode, Fixed: 300 * time.Millisecond})
		left := make(map[int]int)
		next := map[Key]uint64{}
		check := func(now int64, out []Decision[int]) {
			for _, d := range out {
				left[d.Item.Value]++
				if now-d.Item.ReceivedAt > longest {
					t.Fatalf("%+v left at %d", d, now)
				}
				if key := d.Item.Key; d.Verdict == AfterHole && (d.HoleFrom != next[key] || d.HoleTo != d.Item.Seq-1) ||
					d.Verdict == InOrder && next[key] != 0 && d.Item.Seq != next[key] {
					t.Fatalf("%+v when %d was expected", d, next[key])
				}
				if movesMark(d.Verdict) {
					next[d.Item.Key] = d.Item.Seq + 1
				}
			}
		}
		now, n := int64(0), rapid.IntRange(1, 150).Draw(t, "arrivals")
		advance := func(to int64) {
			for at, ok := b.NextDeadline(); ok && at <= to; at, ok = b.NextDeadline() {
				check(at, b.Expire(at, nil))
			}
			now = to
		}
		for i := range n {
			advance(now + rapid.Int64Range(0, 50).Draw(t, "pause")*ms)
			it := numbered(rapid.Byte().Draw(t, "stream")%3, rapid.Uint64Range(1, 40).Draw(t, "number"), now)
			it.MsgTime = rapid.Int64Range(0, 100).Draw(t, "time")
			it.ID[15] = byte(it.MsgTime)
			it.Value = i
			check(now, b.Push(now, it, nil))
		}
		advance(now + longest)
		for i := range n {
			if left[i] != 1 {
				t.Fatalf("item %d left %d times", i, left[i])
			}
		}
	})
}

// TestBudgetIsNeverExceeded (P8): many Buffers at once under one Budget.
func TestBudgetIsNeverExceeded(t *testing.T) {
	t.Parallel()
	budget := NewBudget(1000)
	var wg sync.WaitGroup
	for lane := range 4 {
		wg.Go(func() {
			b := New[int](Config{Hold: Fixed, Fixed: time.Second, Budget: budget})
			in, out := 0, []Decision[int](nil)
			for i := range 3000 {
				it := numbered(byte(i%7), uint64(i/7*2+1), int64(i)*ms)
				it.Size = 1 + (i*lane)%90
				out = b.Push(it.ReceivedAt, it, out)
				in++
				if i%11 == 0 {
					out = b.Expire(it.ReceivedAt, out)
				}
				if used := budget.Used(); used > budget.Limit() || used < 0 {
					t.Errorf("%d bytes of %d are used", used, budget.Limit())
					return
				}
			}
			if out = b.Expire(1<<60, out); len(out) != in {
				t.Errorf("%d went in, %d came out", in, len(out))
			}
		})
	}
	wg.Wait()
	if budget.Used() != 0 {
		t.Errorf("%d bytes are never given back", budget.Used())
	}
}

// TestRepeatIsRecognizedAmongTheLastNumbers (P4): of the last Window numbers
// each repeat is known, in whatever order they came, also after a restart.
func TestRepeatIsRecognizedAmongTheLastNumbers(t *testing.T) {
	t.Parallel()
	b := New[int](Config{Hold: Off})
	const top = 4 * DefaultWindow
	for seq := uint64(2); seq <= top; seq += 2 {
		b.Push(0, numbered(1, seq, 0), nil)
	}
	for seq := uint64(top - 1); seq < top; seq -= 2 { // downwards: the oldest come last
		if out := b.Push(0, numbered(1, seq, 0), nil); out[0].Verdict != Late {
			t.Fatalf("%+v", out)
		}
	}
	next := New[int](Config{Hold: Off})
	if err := b.Save(next.Load); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(top - DefaultWindow + 1); seq <= top; seq++ {
		for _, b := range []*Buffer[int]{b, next} {
			if out := b.Push(0, numbered(1, seq, 0), nil); out[0].Verdict != Duplicate {
				t.Fatalf("a repeat of %d is %v", seq, out[0].Verdict)
			}
		}
	}
}

// savedState is all that Save emits, readable in a difference.
func savedState[T any](t interface{ Fatal(...any) }, b *Buffer[T]) []string {
	var all []string
	err := b.Save(func(key Key, state []byte) error {
		all = append(all, fmt.Sprintf("%x %x", key, state))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// randomPush is one push of a schedule that comes to all rules.
func randomPush(t *rapid.T, now int64) Item[int] {
	it := numbered(rapid.Byte().Draw(t, "stream")%4, rapid.Uint64Range(1, 20).Draw(t, "number"), now)
	it.MsgTime = rapid.Int64Range(0, 5).Draw(t, "time") + now/ms/20
	it.Sequenced = rapid.IntRange(0, 9).Draw(t, "unsequenced") > 0
	it.ID[15] = byte(it.MsgTime)
	return it
}

// TestRestartChangesNothing (P3, P4): a Buffer that goes on from saved state,
// with what was held pushed again, decides as the one that never stopped.
func TestRestartChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Hold:   rapid.SampledFrom([]HoldMode{Fixed, Off, Adaptive}).Draw(t, "mode"),
			Fixed:  50 * time.Millisecond,
			Window: rapid.IntRange(1, 20).Draw(t, "window"),
		}
		a := New[int](cfg)
		now := int64(1000) * ms
		held := []Item[int]{}
		for range rapid.IntRange(0, 80).Draw(t, "before") {
			now += rapid.Int64Range(0, 20).Draw(t, "pause") * ms
			it := randomPush(t, now)
			it.Value = len(held)
			held = append(held, it)
			out := a.Expire(now, nil)
			for _, d := range a.Push(now, it, out) {
				held[d.Item.Value].Value = -1
			}
		}
		held = slices.DeleteFunc(held, func(it Item[int]) bool { return it.Value < 0 })
		b := New[int](cfg)
		if err := a.Save(b.Load); err != nil {
			t.Fatal(err)
		}
		if a.Stats().Hold != b.Stats().Hold {
			t.Fatalf("the hold in force was %v and is %v", a.Stats().Hold, b.Stats().Hold)
		}
		if diff := cmp.Diff(savedState(t, a), savedState(t, b)); diff != "" {
			t.Fatalf("saved again it is different:\n%s", diff)
		}
		if cfg.Hold == Adaptive {
			return // what was given up lately is not saved: see doc.go
		}
		for _, it := range held {
			if out := b.Push(now, it, nil); len(out) != 0 {
				t.Fatalf("what was held leaves: %+v", out)
			}
		}
		for range rapid.IntRange(0, 80).Draw(t, "after") {
			now += rapid.Int64Range(0, 20).Draw(t, "pause") * ms
			it := randomPush(t, now)
			it.Value = 1000
			outA, outB := a.Push(now, it, a.Expire(now, nil)), b.Push(now, it, b.Expire(now, nil))
			if diff := cmp.Diff(outA, outB); diff != "" {
				t.Fatalf("without and with a restart (-without +with):\n%s", diff)
			}
		}
	})
}

// TestFactsRebuildTheState (P3, P4): from the decisions that were published,
// wherever the state was saved among them, and read again from any earlier
// point, comes the state that made them.
func TestFactsRebuildTheState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Hold: Fixed, Fixed: 50 * time.Millisecond}
		live := New[int](cfg)
		now := int64(1000) * ms
		var facts []Fact
		saved := New[int](cfg)
		at := rapid.IntRange(0, 99).Draw(t, "saved at")
		for i := range 100 {
			if i == at {
				if err := live.Save(saved.Load); err != nil {
					t.Fatal(err)
				}
			}
			now += rapid.Int64Range(0, 20).Draw(t, "pause") * ms
			for _, d := range live.Push(now, randomPush(t, now), live.Expire(now, nil)) {
				if d.Verdict != Duplicate {
					facts = append(facts, Fact{Key: d.Item.Key, ID: d.Item.ID, Seq: d.Item.Seq, MsgTime: d.Item.MsgTime, Verdict: d.Verdict})
				}
			}
		}
		for _, f := range facts {
			saved.Observe(f)
		}
		want, got := savedState(t, live), savedState(t, saved)
		slices.Sort(want) // a push that published nothing is use, too, and has no fact
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("the state and what the facts give (-state +facts):\n%s", diff)
		}
	})
}
