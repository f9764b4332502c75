package resequence

import "time"

// Key names a stream. The caller derives it from (app, group, topic); two
// different streams must not share one.
type Key [16]byte

// ID is the identity of a message: the same message has the same ID however
// often it is delivered, two messages of one stream never share one.
type ID [16]byte

// Item is one message as it is pushed. The Buffer keeps it by value while it
// is held and hands it back unchanged.
type Item[T any] struct {
	Key Key
	ID  ID
	// Seq is the number of the message in its stream, 0 to 1<<63; it counts
	// only where Sequenced is set. A greater one is treated as unsequenced.
	Seq       uint64
	Sequenced bool
	// MsgTime is when the source took the message, in Unix seconds; 0 or less
	// is unknown. It decides only what is a restart of the numbers.
	MsgTime int64
	// ReceivedAt is when the callback was received, in Unix nanoseconds. The
	// hold counts from here. One that lies after now counts as now.
	ReceivedAt int64
	// Size is what the item is accounted with while it is held, in bytes;
	// less than 0 counts as 0.
	Size  int
	Value T
}

// Verdict is what became of an item.
type Verdict uint8

// The verdicts. All but Duplicate are to be published, in the order in which
// the decisions come.
const (
	// InOrder follows the one before it, or is the first of a new stream.
	InOrder Verdict = iota
	// AfterHole follows numbers that did not come; the decision says which.
	AfterHole
	// Late is below the mark: its place in the order has passed.
	Late
	// Unsequenced has no usable number and left when it came.
	Unsequenced
	// Reset is the first number of a stream whose numbers began again.
	Reset
	// Duplicate is a message that was seen already: drop it.
	Duplicate
)

// String is the verdict as it stands in the header chatbridge-order.
func (v Verdict) String() string {
	switch v {
	case InOrder:
		return "in-order"
	case AfterHole:
		return "after-hole"
	case Late:
		return "late"
	case Unsequenced:
		return "unsequenced"
	case Reset:
		return "reset"
	case Duplicate:
		return "duplicate"
	default:
		return "unknown"
	}
}

// Decision is one item that leaves.
type Decision[T any] struct {
	Item    Item[T]
	Verdict Verdict
	// HoleFrom and HoleTo are the first and the last number that were
	// skipped, both inclusive; HoleFrom is 0 where there is no hole.
	HoleFrom, HoleTo uint64
	// Held is the time from the receipt of the item to its leaving, 0 where it
	// left within the push that brought it.
	Held time.Duration
}

// Fact is a decision that was published by an earlier run, as it is read back
// from the topic.
type Fact struct {
	Key Key
	ID  ID
	// Seq is 0 where the verdict is Unsequenced.
	Seq              uint64
	MsgTime          int64
	Verdict          Verdict
	HoleFrom, HoleTo uint64
}
