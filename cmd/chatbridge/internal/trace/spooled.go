package trace

import "time"

// Spooled is what waits in the spool of the stream besides the message: what is
// not settled.
type Spooled struct {
	Below       *Neighbour `json:"nearest_below,omitempty"`
	Above       *Neighbour `json:"nearest_above,omitempty"`
	Unsequenced int        `json:"unsequenced,omitempty"`
}

// Neighbour is a callback with another number.
type Neighbour struct {
	Seq        uint64    `json:"seq"`
	Position   uint64    `json:"position"`
	ReceivedAt time.Time `json:"received_at"`
}

// Add takes over a callback that [Question.Read] read and that is not the message.
func (s *Spooled) Add(q *Question, d *Delivery) {
	if d.event == nil || !q.stream(d.event.Stream()) {
		return
	}
	seq, sequenced := d.event.Sequence()
	n := &Neighbour{Seq: seq, Position: d.Position, ReceivedAt: d.ReceivedAt}
	switch {
	case !sequenced:
		s.Unsequenced++
	case seq < q.Seq && (s.Below == nil || s.Below.Seq < seq):
		s.Below = n
	case seq > q.Seq && (s.Above == nil || s.Above.Seq > seq):
		s.Above = n
	}
}
