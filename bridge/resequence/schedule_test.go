package resequence

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The flag makes a long run of what is short by default.
var schedules = flag.Int("schedules", 10000, "random schedules to compare with the twin")

// player plays a schedule, given as bytes, on a Buffer and its twin, and fails
// at the first difference.
type player struct {
	t     *testing.T
	bytes []byte // what is left of the schedule

	cfg    Config
	b      *Buffer[int]
	twin   *twin
	now    int64
	pushed []Item[int] // all, for repeats
	in     int
	out    int // all decisions

	// For restarts from an older state and the facts since.
	saved map[Key][]byte
	order []Key
	facts []Fact
}

const second = int64(time.Second)

// play runs a schedule to its end and then lets everything leave.
func play(t *testing.T, schedule []byte) (*player, map[Verdict]int) {
	t.Helper()
	p := &player{t: t, bytes: schedule, now: 1000 * second}
	p.cfg = p.config()
	p.b, p.twin = New[int](p.cfg), newTwin(p.cfg)
	p.save()
	seen := make(map[Verdict]int)
	for len(p.bytes) > 0 {
		for _, d := range p.step() {
			seen[d.Verdict]++
		}
	}
	p.now += 10 * second
	for _, d := range p.expire() {
		seen[d.Verdict]++
	}
	if p.in != p.out {
		t.Fatalf("%d went in, %d came out", p.in, p.out)
	}
	if s := p.b.Stats(); s.Held != 0 || s.HeldBytes != 0 || p.b.cfg.Budget.Used() != 0 {
		t.Fatalf("something is held at the end: %+v, budget %d", s, p.b.cfg.Budget.Used())
	}
	return p, seen
}

func (p *player) next() int {
	if len(p.bytes) == 0 {
		return 0
	}
	v := p.bytes[0]
	p.bytes = p.bytes[1:]
	return int(v)
}

// config takes the bounds small, so that schedules come to them.
func (p *player) config() Config {
	c := Config{Hold: Fixed, Fixed: 100 * time.Millisecond, Window: 5, StreamItems: 6, StreamBytes: 60}
	a, b := p.next(), p.next()
	c.Hold = []HoldMode{Fixed, Fixed, Adaptive, Off}[a%4]
	c.Window = []int{5, 1, 64, 8}[a>>2%4]
	c.StateBytes = []int64{0, 0, 400, 1}[a>>4%4]
	c.Budget = NewBudget([]int64{1 << 20, 100, 20, 1 << 20}[a>>6%4])
	c.StreamItems = []int{6, 3, 100, 1}[b%4]
	c.StreamBytes = []int64{60, 1 << 20, 10, 1 << 20}[b>>2%4]
	return c
}

func (p *player) step() []Decision[int] {
	switch op := p.next(); op % 16 {
	default:
		return p.push(p.item(op >> 4))
	case 10:
		if n := len(p.pushed); n > 0 {
			it := p.pushed[n-1-p.next()%min(n, 20)]
			it.ReceivedAt = p.now
			return p.push(it)
		}
	case 11:
		return p.push(p.unsequenced())
	case 12:
		p.now += int64(p.next()%60) * int64(time.Millisecond)
	case 13:
		p.now += int64(p.next()%60) * int64(time.Millisecond)
		return p.expire()
	case 14:
		p.now += int64(p.next()) * 4 * int64(time.Millisecond)
		return p.expire()
	case 15:
		return p.restart(op >> 4)
	}
	return nil
}

// item is a number near the mark, or near the beginning, of one of three
// streams. What it makes twice may be the same message.
func (p *player) item(kind int) Item[int] {
	which, how := p.next(), p.next()
	key := Key{byte(which % 3)}
	next := p.twin.stream(key).next()
	it := Item[int]{Key: key, Sequenced: true, ReceivedAt: p.now, Size: how >> 3, Value: p.in}
	switch near := uint64(which / 3 % 8); {
	case kind < 6 && next > 0:
		it.Seq = next
	case kind < 9:
		it.Seq = next + near
	case kind < 12:
		it.Seq = next - min(next, near)
	case kind < 15:
		it.Seq = near
	default:
		it.Seq = []uint64{1 << 62, maxSeq - 1, maxSeq, maxSeq + 1, 1 << 40, 0, ^uint64(0), 1 << 63}[near]
	}
	// Mostly the time goes with the clock; sometimes it is old or unknown.
	it.MsgTime = p.now / (second / 8)
	switch how & 7 {
	case 0:
		it.MsgTime = 0
	case 1:
		it.MsgTime -= int64(which / 24)
	case 2:
		it.MsgTime = int64(which / 24)
	case 3:
		it.ReceivedAt -= int64(which/24) * 10 * int64(time.Millisecond)
	case 4:
		it.ReceivedAt += int64(which/24) * 10 * int64(time.Millisecond)
	}
	p.identify(&it)
	return it
}

func (p *player) unsequenced() Item[int] {
	which := p.next()
	it := Item[int]{Key: Key{byte(which % 3)}, ReceivedAt: p.now, Seq: uint64(which % 2), Value: p.in}
	binary.BigEndian.PutUint64(it.ID[8:], uint64(which/3%16))
	return it
}

// identify gives an item an ID that follows from what it is.
func (p *player) identify(it *Item[int]) {
	binary.BigEndian.PutUint64(it.ID[:8], it.Seq)
	binary.BigEndian.PutUint64(it.ID[8:], uint64(it.MsgTime)+1<<40)
}

func (p *player) push(it Item[int]) []Decision[int] {
	p.in++
	p.pushed = append(p.pushed, it)
	hold := p.holdFor(it.Key)
	got := p.b.Push(p.now, it, nil)
	p.compare(got, p.twin.push(p.now, it, hold))
	return got
}

// holdFor is the hold in force for a stream, which the twin is told.
func (p *player) holdFor(key Key) int64 {
	r := &record{}
	if i := p.find(key); i != 0 {
		r = p.b.streams.records.at(i)
	}
	return p.b.holdFor(r)
}

func (p *player) find(key Key) uint32 {
	return p.b.streams.index.find(&key, &p.b.streams.records)
}

func (p *player) expire() []Decision[int] {
	got := p.b.Expire(p.now, nil)
	p.compare(got, p.twin.expire(p.now))
	if at, ok := p.b.NextDeadline(); ok && at <= p.now {
		p.t.Fatalf("after Expire(%d) something is due at %d", p.now, at)
	}
	return got
}

// compare fails where the two differ, and checks what must be true always.
func (p *player) compare(got, want []Decision[int]) {
	if !slices.Equal(got, want) {
		p.t.Fatalf("%+v\nthe twin decides otherwise (-twin +buffer):\n%s", p.cfg, cmp.Diff(want, got))
	}
	p.out += len(got)
	for _, d := range got {
		if d.Verdict != Duplicate {
			it := d.Item
			p.facts = append(p.facts, Fact{Key: it.Key, ID: it.ID, Seq: it.Seq, MsgTime: it.MsgTime, Verdict: d.Verdict, HoleFrom: d.HoleFrom, HoleTo: d.HoleTo})
		}
	}
	p.forgotten()
	checkInvariants(p.t, p.b)
	held, deadline := 0, int64(0)
	if s := p.twin.earliest(); s != nil {
		deadline = s.deadline()
	}
	for _, s := range p.twin.streams {
		held += len(s.held)
	}
	s := p.b.Stats()
	at, _ := p.b.NextDeadline()
	if s.Held != held || at != deadline || s.HeldBytes != p.twin.accounted() {
		p.t.Fatalf("%d held until %d with %d bytes, the twin says %d, %d and %d", s.Held, at, s.HeldBytes, held, deadline, p.twin.accounted())
	}
	if held > p.b.cfg.StreamItems*3 || p.b.cfg.Budget.Used() > p.b.cfg.Budget.Limit() || p.b.cfg.Budget.Used() != s.HeldBytes {
		p.t.Fatalf("out of bounds: %+v with budget %d", s, p.b.cfg.Budget.Used())
	}
}

// forgotten tells the twin which streams are gone.
func (p *player) forgotten() {
	for key, s := range p.twin.streams {
		if p.find(key) != 0 {
			continue
		}
		if len(s.held) > 0 {
			p.t.Fatalf("stream %v was forgotten though it holds items", key)
		}
		delete(p.twin.streams, key)
	}
}

func (p *player) save() {
	p.saved, p.order, p.facts = make(map[Key][]byte), nil, nil
	err := p.b.Save(func(key Key, state []byte) error {
		if state[0] == learnerState {
			return nil
		}
		p.saved[key] = slices.Clone(state)
		p.order = append(p.order, key)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// restart stops the buffer and goes on with another one from what was saved:
// now, or earlier and then the facts since. What was held is pushed again.
func (p *player) restart(how int) []Decision[int] {
	evicts := p.b.cfg.StateBytes < DefaultStateBytes
	if how%4 == 0 {
		p.save()
		return nil
	}
	if how%4 == 1 || evicts {
		p.save()
	}
	learner := p.b.learner
	cfg := p.b.cfg
	cfg.Budget = NewBudget(cfg.Budget.Limit())
	p.b = New[int](cfg)
	p.b.learner = learner
	for _, key := range p.order {
		if err := p.b.Load(key, p.saved[key]); err != nil {
			p.t.Fatalf("loading what was saved: %v", err)
		}
	}
	for _, f := range p.facts {
		p.b.Observe(f)
	}
	again := p.twin.takeHeld()
	p.in -= len(again)
	p.forgotten()
	var out []Decision[int]
	for _, it := range again {
		out = append(out, p.push(it)...)
	}
	return out
}

// TestTwin compares Buffer and twin on random schedules of arrivals, holes,
// duplicates, late ones, restarts of the numbers and of the process, and
// evictions, under random small bounds (P3, P4, P5, P8).
func TestTwin(t *testing.T) {
	t.Parallel()
	seen := make(map[Verdict]int)
	var sum Stats
	for seed := range *schedules {
		rng := rand.New(rand.NewPCG(uint64(seed), 6))
		schedule := make([]byte, 20+rng.IntN(300))
		for i := range schedule {
			schedule[i] = byte(rng.Uint32())
		}
		p, verdicts := play(t, schedule)
		if t.Failed() {
			t.Fatalf("schedule %d", seed)
		}
		for v, n := range verdicts {
			seen[v] += n
		}
		s := p.b.Stats()
		sum.Evicted += s.Evicted
		sum.GivenUp.Items += s.GivenUp.Items
		sum.GivenUp.Bytes += s.GivenUp.Bytes
		sum.GivenUp.Budget += s.GivenUp.Budget
		sum.GivenUp.Restart += s.GivenUp.Restart
		sum.GivenUp.Timeout += s.GivenUp.Timeout
	}
	t.Logf("decisions %v, evicted %d, given up %+v", seen, sum.Evicted, sum.GivenUp)
	// A comparison that never comes to a rule proves nothing about it.
	for v := InOrder; v <= Duplicate; v++ {
		if seen[v] < *schedules/10 {
			t.Errorf("only %d decisions were %v", seen[v], v)
		}
	}
	g := sum.GivenUp
	if min(g.Timeout, g.Items, g.Bytes, g.Budget, g.Restart, sum.Evicted) == 0 {
		t.Errorf("a bound was never reached: %+v, evicted %d", g, sum.Evicted)
	}
}

// FuzzTwin is TestTwin with schedules that somebody looks for.
func FuzzTwin(f *testing.F) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 7))
		schedule := make([]byte, 200)
		for i := range schedule {
			schedule[i] = byte(rng.Uint32())
		}
		f.Add(schedule)
	}
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 2000 {
			return // the twin is slow
		}
		play(t, schedule)
	})
}
