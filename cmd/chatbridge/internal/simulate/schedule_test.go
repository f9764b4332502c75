package simulate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEveryNumberIsSentOnceOrDropped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{
			Groups: rapid.IntRange(1, 20).Draw(rt, "groups"), Topics: rapid.IntRange(0, 3).Draw(rt, "topics"),
			Count: rapid.Uint64Range(1, 300).Draw(rt, "count"), Seed: rapid.Uint64().Draw(rt, "seed"),
			Disorder: rapid.SampledFrom([]float64{0, 0.2, 1}).Draw(rt, "disorder"),
			Drop:     rapid.SampledFrom([]float64{0, 0.2, 1}).Draw(rt, "drop"),
		}
		o.Duplicate = rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(rt, "duplicate")
		o.OnlineOnly = rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(rt, "online-only")
		s, _ := newSchedule(t, o)
		taken := map[*stream][]uint64{}
		s.dropped = func(s *stream, seq uint64) { taken[s] = append(taken[s], seq) }
		var messages, copies uint64
		begun := map[uint32]bool{}
		for _, d := range deliveries(t, s) {
			if d.copies > 0 {
				copies++
				if !begun[d.msg.random] {
					rt.Fatalf("a copy of number %d came before it", d.msg.seq)
				}
				continue
			}
			messages++
			begun[d.msg.random] = true
			if d.msg.seq > 0 {
				taken[d.msg.stream] = append(taken[d.msg.stream], d.msg.seq)
			}
		}
		if messages != o.Count || (o.Duplicate == 1 && copies != o.Count) || (o.Duplicate == 0 && copies > 0) {
			rt.Fatalf("%d messages and %d copies of %d", messages, copies, o.Count)
		}
		for s, numbers := range taken {
			slices.Sort(numbers)
			for i, n := range numbers {
				if n != uint64(i+1) {
					rt.Fatalf("%v took %v", s.id, numbers)
				}
			}
		}
	})
}

func TestSameSeedSendsTheSame(t *testing.T) {
	t.Parallel()
	type sent struct {
		Group, Topic, Body string
		Slot               uint64
	}
	record := func(seed uint64) []sent {
		s, _ := newSchedule(t, Options{Groups: 10, Topics: 2, Count: 300, Disorder: 0.3, Duplicate: 0.2, Drop: 0.1, Seed: seed})
		var all []sent
		var w bodyWriter
		for _, d := range deliveries(t, s) {
			all = append(all, sent{d.msg.stream.id.GroupID, d.msg.stream.id.TopicID, string(w.write(&d.msg, d.copies, 1)), d.slot})
		}
		return all
	}
	if diff := cmp.Diff(record(7), record(7)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(record(7), record(8)) {
		t.Error("another seed sends the same")
	}
}

// Disorder is what it says: the asked share of messages is overtaken in its own
// stream, by a bounded number of callbacks, however busy the groups are.
func TestDisorderIsTheShareAndBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		groups int
		rate   float64
		places int
	}{
		{"one group", 1, 0, 4},
		{"many quiet groups", 1000, 100, 0},
		{"a fast rate", 50, 10_000, 0},
	} {
		o := Options{Groups: c.groups, Rate: c.rate, Places: c.places, Count: 5000, Disorder: 0.2, Seed: 3, Window: 100e6}
		s, _ := newSchedule(t, o)
		// Each overtaken message may be delayed by its own share of slots, by the
		// message that is made to overtake it, and by others due at its slot.
		bound := int64(2*s.opt.places() + 20)
		highest, overtaken := map[*stream]uint64{}, 0
		for _, d := range deliveries(t, s) {
			isOvertaken := highest[d.msg.stream] > d.msg.seq
			if isOvertaken != d.overtaken {
				t.Fatalf("%s: number %d after %d is called overtaken: %v", c.name, d.msg.seq, highest[d.msg.stream], d.overtaken)
			}
			if isOvertaken {
				overtaken++
			}
			highest[d.msg.stream] = max(highest[d.msg.stream], d.msg.seq)
			// The test's clock goes on by 1 ms a message.
			if made := d.msg.madeAt - 1760000000001; int64(d.slot)-made > bound {
				t.Fatalf("%s: number %d was the message %d and is sent at slot %d", c.name, d.msg.seq, made, d.slot)
			}
		}
		if overtaken < 800 || overtaken > 1200 {
			t.Errorf("%s: %d of 5000 were overtaken, want about 1000", c.name, overtaken)
		}
	}
}

func TestWithoutDisorderNothingIsOvertaken(t *testing.T) {
	t.Parallel()
	s, dropped := newSchedule(t, Options{Groups: 5, Count: 1000, Duplicate: 0.3, Drop: 0.1, Seed: 5})
	highest := map[*stream]uint64{}
	next := uint64(0)
	for _, d := range deliveries(t, s) {
		if d.slot < next {
			t.Fatalf("slot %d comes after %d", d.slot, next-1)
		}
		next = d.slot + 1
		if d.copies == 0 && d.msg.seq <= highest[d.msg.stream] {
			t.Fatalf("number %d comes after %d", d.msg.seq, highest[d.msg.stream])
		}
		highest[d.msg.stream] = max(highest[d.msg.stream], d.msg.seq)
	}
	if n := len(*dropped); n < 60 || n > 140 {
		t.Errorf("%d numbers were dropped, want about 100", n)
	}
}

// A later number is never older: the bridge takes a fresh low number for a group
// that was made anew.
func TestTimeRisesWithTheNumber(t *testing.T) {
	t.Parallel()
	s, _ := newSchedule(t, Options{Groups: 3, Count: 1000, Disorder: 0.5, Seed: 5})
	at := map[*stream]map[uint64]int64{}
	for _, d := range deliveries(t, s) {
		if at[d.msg.stream] == nil {
			at[d.msg.stream] = map[uint64]int64{}
		}
		at[d.msg.stream][d.msg.seq] = d.msg.madeAt
	}
	for _, times := range at {
		for seq := uint64(2); times[seq] > 0; seq++ {
			if times[seq] < times[seq-1] {
				t.Fatalf("number %d is older than %d", seq, seq-1)
			}
		}
	}
}
