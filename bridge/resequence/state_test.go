package resequence

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestStateKeepsItsForm: what version 1 saved is read for ever, and saved so.
func TestStateKeepsItsForm(t *testing.T) {
	t.Parallel()
	const stream = "11 05 40 40 3e 02 0700" + // next 5, newest 64, epoch 64, 62 before, 2 seen before, 7 fills
		"03 0807060504030201 1817161514131211 2827262524232221" + // seen
		"01 3837363534333231 8008 64" + // late: number 1024 at 50
		"02 4847464544434241 5857565554535251" // unsequenced
	const learner = "21 0a 05 02 39 b001 8101 10"
	b := New[int](Config{})
	for _, text := range []string{learner, stream} {
		state, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Load(Key{9}, state); err != nil {
			t.Fatal(err)
		}
	}
	checkInvariants(t, b)
	got := strings.Join(savedState(t, b), "\n")
	want := strings.ReplaceAll(strings.Repeat("0", 32)+"+"+learner+"\n09"+strings.Repeat("0", 30)+"+"+stream, " ", "")
	if got != strings.ReplaceAll(want, "+", " ") {
		t.Errorf("saved as\n%s\nnot\n%s", got, want)
	}
	if hold := b.Stats().Hold; hold < 400*time.Millisecond {
		t.Errorf("the hold in force is %v", hold)
	}
}

func TestUnusableStateIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":                     "",
		"unknown version":           "12",
		"unknown kind":              "31",
		"cut":                       "110540",
		"cut window":                "1105400000000000" + "02ffffffffffffffff",
		"bytes at the end":          "1105400000000000" + "010101010101010101" + "0000" + "00",
		"a mark and nothing seen":   "1105000000000000" + "000000",
		"a mark beyond all numbers": "11ffffffffffffffffff010000000000" + "00" + "010101010101010101" + "0000",
		"a window beyond all":       "1105400000000000" + "ffff7f",
		"a late number beyond all":  "1105400000000000" + "010101010101010101" + "010101010101010101" + "ffffffffffffffffff01" + "02" + "00",
		"former without an epoch":   "1105400000010000" + "010101010101010101" + "0000",
		"an epoch after the newest": "1105404100000000" + "010101010101010101" + "0000",
		"nothing before an epoch":   "1105404040000000" + "010101010101010101" + "0000",
		"too much evidence":         "1105400000004040" + "010101010101010101" + "0000",
		"learner cut":               "2101",
		"learner bucket":            "21000001c00201",
		"learner weight":            "2100000101ffff01",
		"learner share":             "21ff07ff0700",
	} {
		b := New[int](Config{})
		b.Push(0, numbered(1, 7, 0), nil)
		before := strings.Join(savedState(t, b), "\n")
		state, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Load(Key{1}, state); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
		if after := strings.Join(savedState(t, b), "\n"); before != after {
			t.Errorf("%s: the state was\n%s\nand is\n%s", name, before, after)
		}
	}
}

// TestLoadNeverTouchesWhatIsHeld: a stream that holds items is not replaced.
func TestLoadNeverTouchesWhatIsHeld(t *testing.T) {
	t.Parallel()
	b := New[int](Config{Hold: Fixed, Fixed: time.Second})
	b.Push(0, numbered(1, 1, 0), nil)
	b.Push(0, numbered(1, 3, 0), nil)
	if err := b.Save(b.Load); !errors.Is(err, ErrState) {
		t.Errorf("loading over a stream that holds: %v", err)
	}
	if out := b.Push(0, numbered(1, 2, 0), nil); len(out) != 2 {
		t.Errorf("%+v", out)
	}
}

func TestSaveEndsWithTheErrorOfEmit(t *testing.T) {
	t.Parallel()
	b := New[int](Config{Hold: Adaptive})
	for _, seq := range []uint64{1, 3} { // one stream that holds, one that does not
		b.Push(0, numbered(1, seq, 0), nil)
		b.Push(0, numbered(2, 1, 0), nil)
	}
	full := errors.New("full")
	for n := range 3 {
		calls := 0
		err := b.Save(func(Key, []byte) error {
			if calls++; calls > n {
				return full
			}
			return nil
		})
		if !errors.Is(err, full) || calls != n+1 {
			t.Errorf("after %d calls: %v", calls, err)
		}
	}
}

// TestSmallerWindowKeepsTheNewest: a smaller Window after a restart.
func TestSmallerWindowKeepsTheNewest(t *testing.T) {
	t.Parallel()
	large, small := New[int](Config{}), New[int](Config{Window: 10})
	push := func(b *Buffer[int], seq uint64, msgTime int64) Verdict {
		it := numbered(1, seq, 0)
		it.MsgTime = msgTime
		out := b.Push(0, it, nil)
		return out[len(out)-1].Verdict
	}
	for seq := uint64(50); seq <= 100; seq++ {
		push(large, seq, 10)
	}
	for seq := uint64(1); seq <= 5; seq++ {
		// The first is held: it leaves with the second.
		it := numbered(1, seq, 0)
		it.MsgTime = 20
		large.Push(0, it, nil)
	}
	if err := large.Save(small.Load); err != nil {
		t.Fatal(err)
	}
	checkInvariants(t, small)
	// Ten are known: five of this epoch, and five of the former.
	for _, seq := range []uint64{96, 100} {
		if v := push(small, seq, 10); v != Duplicate {
			t.Errorf("a repeat of %d of the former epoch is %v", seq, v)
		}
	}
	if v := push(small, 95, 10); v != Late {
		t.Errorf("one that is no longer known is %v", v)
	}
	if v := push(small, 5, 20); v != Duplicate {
		t.Errorf("a repeat of 5 is %v", v)
	}
	if v := push(small, 6, 20); v != InOrder {
		t.Errorf("the next is %v", v)
	}
}

// TestStaleFactsMoveNothing: facts are read from further back than the state
// was saved, and further than its windows reach.
func TestStaleFactsMoveNothing(t *testing.T) {
	t.Parallel()
	b := New[int](Config{Window: 4})
	var facts []Fact
	now := int64(0)
	push := func(seq uint64, msgTime int64) {
		now++
		it := numbered(1, seq, now)
		it.MsgTime = msgTime
		for _, d := range b.Push(now, it, nil) {
			facts = append(facts, Fact{Key: d.Item.Key, ID: d.Item.ID, Seq: d.Item.Seq, MsgTime: d.Item.MsgTime, Verdict: d.Verdict})
		}
	}
	for seq := uint64(50); seq < 60; seq++ {
		push(seq, 10)
	}
	for seq := uint64(1); seq < 20; seq++ {
		push(seq, 20)
	}
	for _, f := range facts[:len(facts)-8] { // up to number 12, and the windows reach back to 16
		b.Observe(f)
	}
	now++
	it := numbered(1, 20, now)
	it.MsgTime = 20
	if out := b.Push(now, it, nil); len(out) != 1 || out[0].Verdict != InOrder {
		t.Errorf("the next is %+v", out)
	}
	checkInvariants(t, b)
}

// TestFactLeavesTheMarkOfAStreamThatHolds: what is held must still leave.
func TestFactLeavesTheMarkOfAStreamThatHolds(t *testing.T) {
	t.Parallel()
	b := New[int](Config{Hold: Fixed, Fixed: time.Second})
	b.Push(0, numbered(1, 1, 0), nil)
	b.Push(0, numbered(1, 5, 0), nil)
	f := numbered(1, 9, 0)
	b.Observe(Fact{Key: f.Key, ID: f.ID, Seq: 9, MsgTime: 90, Verdict: AfterHole})
	checkInvariants(t, b)
	out := b.Expire(int64(time.Second), nil)
	if len(out) != 1 || out[0].Verdict != AfterHole || out[0].HoleFrom != 2 || out[0].HoleTo != 4 {
		t.Errorf("%+v", out)
	}
	if out = b.Push(0, f, nil); out[0].Verdict != Duplicate {
		t.Errorf("the item of the fact is %v", out[0].Verdict)
	}
}

// TestStreamInUseIsNotForgotten, even where it alone is too large.
func TestStreamInUseIsNotForgotten(t *testing.T) {
	t.Parallel()
	b := New[int](Config{StateBytes: 1})
	for seq := uint64(1); seq < 10; seq++ {
		b.Push(0, numbered(1, seq, 0), nil)
	}
	if s := b.Stats(); s.Streams != 1 || s.Evicted != 0 {
		t.Errorf("%+v", s)
	}
	if out := b.Push(0, numbered(1, 5, 0), nil); out[0].Verdict != Duplicate {
		t.Errorf("%+v", out)
	}
}

// FuzzLoad: any bytes are refused, or are a state that works and that is saved
// as one that loads to the same.
func FuzzLoad(f *testing.F) {
	b := New[int](Config{})
	for _, seq := range []uint64{1, 2, 5, 3, 3} {
		it := numbered(1, seq, int64(seq)*ms)
		b.Push(it.ReceivedAt, it, b.Expire(it.ReceivedAt+int64(time.Second), nil))
		f.Add([]byte(nil))
	}
	b.Push(0, Item[int]{Key: Key{1}, ID: ID{5}}, nil)
	if err := b.Save(func(_ Key, state []byte) error { f.Add(append([]byte(nil), state...)); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		a := New[int](Config{Window: 6})
		if err := a.Load(Key{1}, state); err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatal(err)
			}
			return
		}
		checkInvariants(t, a)
		b := New[int](Config{Window: 6})
		if err := a.Save(b.Load); err != nil {
			t.Fatalf("what was saved of it: %v", err)
		}
		if x, y := strings.Join(savedState(t, a), "\n"), strings.Join(savedState(t, b), "\n"); x != y {
			t.Fatalf("saved as\n%s\nand then as\n%s", x, y)
		}
		out := 0
		for n := range 30 {
			it := numbered(1, uint64(n*7%11+1), int64(n)*50*ms)
			it.MsgTime += int64(n)
			out += len(a.Push(it.ReceivedAt, it, a.Expire(it.ReceivedAt, nil)))
			checkInvariants(t, a)
		}
		if out += len(a.Expire(1<<60, nil)); out != 30 {
			t.Fatalf("30 went in, %d came out", out)
		}
	})
}
