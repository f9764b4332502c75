package resequence

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"
)

// twin is the rules of doc.go once more, written to be obviously right and
// slow: it keeps everything that ever left, and finds out each time what it
// needs by looking through it. It shares no code with Buffer but the types. It
// is told the hold in force and which streams were forgotten.
type twin struct {
	cfg     Config
	streams map[Key]*twinStream
	arrival int
	now     int64
	out     []Decision[int]
}

type twinStream struct {
	key  Key
	past []Decision[int] // all that left, in order
	held []*twinHeld     // in order of arrival
}

type twinHeld struct {
	item      Item[int]
	deadline  int64
	low       bool // below the mark: may begin a new epoch
	accounted bool
	arrival   int
	newcomer  bool
}

func newTwin(cfg Config) *twin {
	return &twin{cfg: cfg.withDefaults(), streams: make(map[Key]*twinStream)}
}

func (t *twin) stream(key Key) *twinStream {
	if t.streams[key] == nil {
		t.streams[key] = &twinStream{key: key}
	}
	return t.streams[key]
}

func movesMark(v Verdict) bool { return v == InOrder || v == AfterHole || v == Reset }

// next is one more than what moved the mark last, 0 where nothing did.
func (s *twinStream) next() uint64 {
	for _, d := range slices.Backward(s.past) {
		if movesMark(d.Verdict) {
			return d.Item.Seq + 1
		}
	}
	return 0
}

func (s *twinStream) newest() int64 {
	newest := int64(0)
	for _, d := range s.past {
		if movesMark(d.Verdict) {
			newest = max(newest, d.Item.MsgTime)
		}
	}
	return newest
}

func (s *twinStream) epoch() int64 {
	for _, d := range slices.Backward(s.past) {
		if d.Verdict == Reset {
			return d.Item.MsgTime
		}
	}
	return 0
}

func (s *twinStream) fresh(it Item[int]) bool {
	return s.newest() > 0 && it.MsgTime > s.newest()
}

// remembered is what of the past is in the windows: the last that moved the
// mark, the last unsequenced, and of the late ones as many, those below the
// window being forgotten first.
func (s *twinStream) remembered(window int) (late, all []Item[int]) {
	var moved, unsequenced []Item[int]
	next := uint64(0)
	for _, d := range s.past {
		switch d.Verdict {
		case Unsequenced:
			unsequenced = append(unsequenced, d.Item)
		case Late:
			if len(late) == window {
				out := max(slices.IndexFunc(late, func(it Item[int]) bool {
					return it.Seq < next && it.Seq+uint64(window) < next
				}), 0)
				late = slices.Delete(late, out, out+1)
			}
			late = append(late, d.Item)
		default:
			moved = append(moved, d.Item)
			next = d.Item.Seq + 1
		}
	}
	all = append(all, moved[max(len(moved)-window, 0):]...)
	all = append(all, unsequenced[max(len(unsequenced)-window, 0):]...)
	return late, append(all, late...)
}

func same(a, b Item[int]) bool {
	return a.ID == b.ID && a.Sequenced == b.Sequenced && (!a.Sequenced || a.Seq == b.Seq)
}

// sorted is what is held on one side of the mark, by number and arrival.
func (s *twinStream) sorted(low bool) []*twinHeld {
	var side []*twinHeld
	for _, h := range s.held {
		if h.low == low {
			side = append(side, h)
		}
	}
	slices.SortFunc(side, func(a, b *twinHeld) int {
		return cmp.Or(cmp.Compare(a.item.Seq, b.item.Seq), cmp.Compare(a.arrival, b.arrival))
	})
	return side
}

func (s *twinStream) remove(h *twinHeld) {
	s.held = slices.DeleteFunc(s.held, func(other *twinHeld) bool { return other == h })
}

// emit lets an item leave with the verdict that its place against the mark
// gives it.
func (t *twin) emit(s *twinStream, it Item[int], held time.Duration) {
	next := s.next()
	d := Decision[int]{Item: it, Held: held}
	switch {
	case next == 0 || it.Seq == next:
		d.Verdict = InOrder
	case it.Seq < next:
		d.Verdict = Late
	default:
		d.Verdict, d.HoleFrom, d.HoleTo = AfterHole, next, it.Seq-1
	}
	t.record(s, d)
}

func (t *twin) record(s *twinStream, d Decision[int]) {
	if d.Verdict != Duplicate {
		s.past = append(s.past, d)
	}
	t.out = append(t.out, d)
}

func (t *twin) emitHeld(s *twinStream, h *twinHeld) {
	s.remove(h)
	t.emit(s, h.item, t.waited(h))
}

func (t *twin) waited(h *twinHeld) time.Duration {
	if h.newcomer {
		return 0
	}
	return time.Duration(max(t.now-h.item.ReceivedAt, 0))
}

func (t *twin) push(now int64, it Item[int], hold int64) []Decision[int] {
	t.now, t.out = now, nil
	s := t.stream(it.Key)
	it0 := it
	if it.Seq > 1<<63 {
		it.Sequenced = false
	}
	late, known := s.remembered(t.cfg.Window)
	for _, h := range s.held {
		known = append(known, h.item)
	}
	next := s.next()
	low := func(seq uint64) bool {
		return slices.ContainsFunc(s.sorted(true), func(h *twinHeld) bool { return h.item.Seq == seq })
	}
	paired := low(it.Seq-1) || low(it.Seq+1)
	lateBefore := slices.ContainsFunc(late, func(l Item[int]) bool { return l.Seq == it.Seq-1 && s.fresh(l) })
	switch {
	case slices.ContainsFunc(known, func(k Item[int]) bool { return same(k, it) }):
		t.record(s, Decision[int]{Item: it0, Verdict: Duplicate})
	case !it.Sequenced:
		t.record(s, Decision[int]{Item: it0, Verdict: Unsequenced})
		s.past[len(s.past)-1].Item.Sequenced = false
	case next == 0:
		t.emit(s, it, 0)
	case it.Seq >= next && it.MsgTime > 0 && it.MsgTime < s.epoch():
		t.record(s, Decision[int]{Item: it, Verdict: Late})
	case it.Seq > next:
		t.hold(s, it, hold, false)
	case s.fresh(it) && (paired || lateBefore):
		t.restart(s, it, hold, paired)
	case it.Seq == next:
		t.emit(s, it, 0)
		t.settle(s)
	case s.fresh(it):
		t.hold(s, it, hold, true)
	default:
		t.emit(s, it, 0)
	}
	for _, h := range s.held {
		h.newcomer = false
	}
	return t.out
}

func (t *twin) enter(s *twinStream, it Item[int], hold int64, low bool) *twinHeld {
	t.arrival++
	deadline := min(it.ReceivedAt, t.now)
	if deadline > math.MaxInt64-hold {
		deadline = math.MaxInt64
	} else {
		deadline += hold
	}
	h := &twinHeld{item: it, deadline: deadline, low: low, arrival: t.arrival, newcomer: true}
	s.held = append(s.held, h)
	return h
}

func (t *twin) hold(s *twinStream, it Item[int], hold int64, low bool) {
	t.admit(s, t.enter(s, it, hold, low))
}

func (t *twin) admit(s *twinStream, h *twinHeld) {
	t.expireStream(s)
	for slices.Contains(s.held, h) {
		size := int64(max(h.item.Size, 0))
		victim := s
		switch {
		case len(s.held) > t.cfg.StreamItems, s.accounted()+size > t.cfg.StreamBytes:
		case t.accounted()+size > t.cfg.Budget.Limit():
			victim = t.earliest()
		default:
			h.accounted = true
			return
		}
		if lows := victim.sorted(true); len(lows) > 0 {
			t.emitHeld(victim, lows[0])
		} else {
			t.giveUp(victim, 0)
		}
		t.settle(victim)
	}
}

// giveUp lets all above the mark leave up to the end of the run that number at
// is in.
func (t *twin) giveUp(s *twinStream, at int) {
	above := s.sorted(false)
	for at+1 < len(above) && above[at+1].item.Seq-above[at].item.Seq <= 1 {
		at++
	}
	for _, h := range above[:at+1] {
		t.emitHeld(s, h)
	}
}

// settle lets leave what the mark has reached, and what waited below it and
// turned out not to be newer than the newest.
func (t *twin) settle(s *twinStream) {
	for {
		above := s.sorted(false)
		if len(above) == 0 || above[0].item.Seq > s.next() {
			break
		}
		t.emitHeld(s, above[0])
	}
	for _, h := range s.sorted(true) {
		if !s.fresh(h.item) {
			t.emitHeld(s, h)
		}
	}
}

func (t *twin) expire(now int64) []Decision[int] {
	t.now, t.out = now, nil
	for s := t.earliest(); s != nil && s.deadline() <= now; s = t.earliest() {
		t.expireStream(s)
	}
	return t.out
}

func (t *twin) expireStream(s *twinStream) {
	for _, h := range s.sorted(true) {
		if h.deadline <= t.now {
			t.emitHeld(s, h)
		}
	}
	for at, h := range slices.Backward(s.sorted(false)) {
		if h.deadline <= t.now {
			t.giveUp(s, at)
			break
		}
	}
	t.settle(s)
}

func (t *twin) restart(s *twinStream, it Item[int], hold int64, paired bool) {
	newcomer := t.enter(s, it, hold, true)
	base := newcomer
	if paired {
		base = s.sorted(true)[0]
	}
	for _, h := range s.sorted(false) {
		if h.item.MsgTime < base.item.MsgTime {
			t.emitHeld(s, h)
		}
	}
	for _, h := range s.sorted(true) {
		if !s.fresh(h.item) {
			t.emitHeld(s, h)
		}
	}
	for _, h := range s.sorted(true) {
		if h == base {
			break
		}
		t.emitHeld(s, h)
	}
	s.remove(base)
	t.record(s, Decision[int]{Item: base.item, Verdict: Reset, Held: t.waited(base)})
	for _, h := range s.held {
		h.low = false
	}
	t.settle(s)
	for _, h := range s.sorted(false) {
		if h.item.MsgTime < s.epoch() {
			s.remove(h)
			t.record(s, Decision[int]{Item: h.item, Verdict: Late, Held: t.waited(h)})
		}
	}
	t.admit(s, newcomer)
}

func (s *twinStream) accounted() (sum int64) {
	for _, h := range s.held {
		if h.accounted {
			sum += int64(max(h.item.Size, 0))
		}
	}
	return sum
}

func (t *twin) accounted() (sum int64) {
	for _, s := range t.streams {
		sum += s.accounted()
	}
	return sum
}

func (s *twinStream) deadline() int64 {
	at := int64(math.MaxInt64)
	for _, h := range s.held {
		at = min(at, h.deadline)
	}
	return at
}

// earliest is the stream that would leave first, nil where nothing is held.
func (t *twin) earliest() (first *twinStream) {
	for _, s := range t.streams {
		if len(s.held) == 0 {
			continue
		}
		if first == nil || s.deadline() < first.deadline() ||
			s.deadline() == first.deadline() && bytes.Compare(s.key[:], first.key[:]) < 0 {
			first = s
		}
	}
	return first
}

// takeHeld empties what is held, as a stop does, and returns it by arrival.
func (t *twin) takeHeld() []Item[int] {
	var all []*twinHeld
	for _, s := range t.streams {
		all = append(all, s.held...)
		s.held = nil
	}
	slices.SortFunc(all, func(a, b *twinHeld) int { return cmp.Compare(a.arrival, b.arrival) })
	items := make([]Item[int], len(all))
	for i, h := range all {
		items[i] = h.item
	}
	return items
}
