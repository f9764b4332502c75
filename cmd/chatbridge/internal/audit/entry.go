package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"

	"github.com/chatbridge/chatbridge/schema"
)

// An entry is one fact that is to be sorted, as six numbers that are compared
// from the first to the last. The three sorts use them so:
//
//	            0, 1      2        3                    4            5
//	by id       id        place    kind, number         stream
//	by place    stream    place    kind, number         hole from    mark, hole to
//	by number   stream    number   kind                 to, or run   place, or run
//
// place is a record's place in the topic or a line's place in the ledger.
type entry [6]uint64

func compareEntries(a, b entry) int {
	for i := range a {
		if a[i] != b[i] {
			return cmp.Compare(a[i], b[i])
		}
	}
	return 0
}

// kindShift is where the kind lies that shares a word with a number. Numbers are
// cut off above it; Tencent's have 32 bits.
const (
	kindShift = 60
	maxNumber = 1<<kindShift - 1
)

// A place is where a record or a ledger line is. Ledger lines are below all
// records, and records are in the order of partition and offset.
type place uint64

const (
	topicBit      = 1 << 63
	partitionBits = 16
	offsetBits    = 63 - partitionBits
)

func placeOf(partition int, offset int64) place {
	return place(topicBit | uint64(partition)<<offsetBits | uint64(offset)&(1<<offsetBits-1))
}

func (p place) partition() int { return int(p &^ topicBit >> offsetBits) }
func (p place) offset() int64  { return int64(p & (1<<offsetBits - 1)) }
func (p place) inTopic() bool  { return p&topicBit != 0 }

// A streamKey is 128 bits of a stream's SHA-256.
type streamKey [2]uint64

func keyOf(s schema.Stream) streamKey {
	var room [256]byte
	b := binary.BigEndian.AppendUint64(room[:0], s.AppID)
	b = binary.AppendUvarint(b, uint64(len(s.GroupID)))
	b = append(append(b, s.GroupID...), s.TopicID...)
	sum := sha256.Sum256(b)
	return streamKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// Kinds of entries by id.
const (
	idStored  = iota // a ledger line: answered OK
	idUnknown        // a ledger line: not answered, or not OK
	idRecord         // a record
)

func entryByID(id schema.ID, at place, kind, number uint64, stream streamKey) entry {
	return entry{
		binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:]),
		uint64(at), kind<<kindShift | min(number, maxNumber), stream[0], stream[1],
	}
}

// Kinds of entries by place. That a record has a twin is sorted before the record.
const (
	placeTwin = iota
	placeRecord
)

// twinByPlace says that a record's message is there more than once; before is how
// many of them are at places before it.
func twinByPlace(stream streamKey, at place, before uint64) entry {
	return entry{stream[0], stream[1], uint64(at), placeTwin<<kindShift | before}
}

// A mark is what a record says of its place in the order.
type mark uint64

const (
	markUnknown mark = iota // it says nothing that can be understood; said elsewhere
	markInOrder
	markAfterHole
	markLate
	markReset
	// misplaced: the record lies in a partition that is not its key's.
	misplaced mark = 8
)

func recordByPlace(stream streamKey, at place, number uint64, m mark, hole schema.Hole) entry {
	return entry{
		stream[0], stream[1], uint64(at), placeRecord<<kindShift | min(number, maxNumber),
		hole.From, uint64(m)<<kindShift | min(hole.To, maxNumber),
	}
}

// Kinds of entries by number, in the order in which they are wanted at one number.
const (
	numberOwned      = iota // the stream is one of the ledger's; 4: run
	numberReserved          // up to 4 by run 5
	numberHole              // up to 4, said at place 5
	numberLate              // there, but not where it belongs
	numberDropped           // taken and never sent
	numberUnanswered        // sent, fate unknown, not in the topic
	numberLost              // answered OK, not in the topic
	numberStray             // in the topic at place 5 and not in the ledger
)

func entryByNumber(stream streamKey, number, kind, a, b uint64) entry {
	return entry{stream[0], stream[1], number, kind, a, b}
}
