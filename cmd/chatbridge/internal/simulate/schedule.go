package simulate

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// senders is how many people talk.
const senders = 500

// A delivery is one callback to be sent: a message, or a copy of one.
type delivery struct {
	msg       message
	copies    int    // 0 for the message itself
	slot      uint64 // its place on the timeline
	overtaken bool   // a later number of its stream was begun before it
	told      *fate  // shared by a message and its copies
	order     uint64 // tells apart what is due at the same slot
}

// A schedule decides what is sent and in which order. It knows no clock but the
// one that stamps messages, and no network. One goroutine at a time.
type schedule struct {
	opt    *Options
	rnd    *rand.Rand
	groups [][]*stream
	now    func() time.Time

	// numbered is told before a message gets a number above stream.reserved;
	// dropped is told of each number that is taken and not sent.
	numbered func(s *stream, seq uint64) error
	dropped  func(s *stream, seq uint64)

	slot    uint64 // the next free one
	made    uint64 // messages so far
	entries uint64
	waiting deliveryHeap
}

// next returns the next callback to send; ok is false when all have been.
//
// A slot is given to what waits for it, else to a new message. A new message
// that is to be overtaken waits for a later slot, and this slot goes to the next.
func (s *schedule) next() (d delivery, ok bool, err error) {
	for {
		if len(s.waiting) > 0 && s.waiting[0].slot <= s.slot {
			return s.release()
		}
		if s.opt.Count > 0 && s.made == s.opt.Count {
			if len(s.waiting) == 0 {
				return delivery{}, false, nil
			}
			s.slot = s.waiting[0].slot // nothing is left to come before it
			continue
		}
		msg, err := s.message(s.pick())
		if err != nil {
			return delivery{}, false, err
		}
		d := delivery{msg: msg, slot: s.slot, told: new(fate)}
		if msg.seq > 0 && s.chance(s.opt.Disorder) {
			s.wait(d, s.slot+1+uint64(s.rnd.IntN(s.opt.places())))
			continue
		}
		return s.begin(d), true, nil
	}
}

// release hands out the delivery that waited longest for the current slot. One
// that was to be overtaken, and has not been, lets a new message of its own
// stream go first: how busy its group is must not decide about disorder.
func (s *schedule) release() (delivery, bool, error) {
	d := heap.Pop(&s.waiting).(delivery) //nolint:forcetypeassert // the heap holds nothing else
	stream := d.msg.stream
	if d.copies == 0 && stream.begun < d.msg.seq && (s.opt.Count == 0 || s.made < s.opt.Count) {
		msg, err := s.message(stream)
		if err != nil {
			return delivery{}, false, err
		}
		s.wait(d, s.slot+1)
		return s.begin(delivery{msg: msg, told: new(fate)}), true, nil
	}
	d.overtaken = d.copies == 0 && stream.begun > d.msg.seq
	return s.begin(d), true, nil
}

// begin gives the current slot to d, and plans its copy.
func (s *schedule) begin(d delivery) delivery {
	d.slot = s.slot
	s.slot++
	d.msg.stream.begun = max(d.msg.stream.begun, d.msg.seq)
	if d.copies == 0 && s.chance(s.opt.Duplicate) {
		again := d
		again.copies, again.overtaken = 1, false
		s.wait(again, d.slot+1+uint64(s.rnd.IntN(10*s.opt.places())))
	}
	return d
}

func (s *schedule) wait(d delivery, slot uint64) {
	d.slot, d.order = slot, s.entries
	s.entries++
	heap.Push(&s.waiting, d)
}

// pick chooses who talks next.
func (s *schedule) pick() *stream {
	group := s.groups[s.rnd.IntN(len(s.groups))]
	if len(group) == 1 {
		return group[0]
	}
	return group[s.rnd.IntN(len(group))]
}

// message makes the next message of a stream, and before it, by chance, a
// number that is never sent.
func (s *schedule) message(to *stream) (message, error) {
	s.made++
	m := message{
		stream: to,
		random: s.rnd.Uint32(),
		sender: uint16(s.rnd.IntN(senders)),
		shape:  s.rnd.Uint64(),
		madeAt: s.now().Add(-s.opt.Age).UnixMilli(),
		size:   s.opt.BodySize,
		plain:  s.opt.TextOnly,
	}
	if s.chance(s.opt.OnlineOnly) {
		return m, nil
	}
	if s.chance(s.opt.Drop) {
		seq, err := s.number(to)
		if err != nil {
			return message{}, err
		}
		s.dropped(to, seq)
	}
	seq, err := s.number(to)
	m.seq = seq
	return m, err
}

// number takes the next MsgSeq of a stream.
func (s *schedule) number(of *stream) (uint64, error) {
	seq := of.next
	if seq > of.reserved {
		if err := s.numbered(of, seq); err != nil {
			return 0, err
		}
	}
	of.next++
	return seq, nil
}

func (s *schedule) chance(share float64) bool { return share > 0 && s.rnd.Float64() < share }

// unsent calls fn for each message that got a number and was not begun.
func (s *schedule) unsent(fn func(*message)) {
	for i := range s.waiting {
		if s.waiting[i].copies == 0 {
			fn(&s.waiting[i].msg)
		}
	}
}

// deliveryHeap orders by slot, then by entry.
type deliveryHeap []delivery

func (h deliveryHeap) Len() int { return len(h) }
func (h deliveryHeap) Less(i, j int) bool {
	if h[i].slot != h[j].slot {
		return h[i].slot < h[j].slot
	}
	return h[i].order < h[j].order
}
func (h deliveryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *deliveryHeap) Push(x any)   { *h = append(*h, x.(delivery)) } //nolint:forcetypeassert // as above
func (h *deliveryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
