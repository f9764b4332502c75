package relay

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// The checkpoint is a log of entries. An entry is one byte of kind and fields,
// integers as uvarints (signed ones zig-zag), byte strings as length and bytes:
//
//	layout   version, partitions, topic                     first of every file
//	lane     lane, low, next offset                         a lane as of now; what is below low is finished
//	finished lane, positions                                above low: settled, dead-lettered or dropped
//	decided  lane, decisions                                left the resequencer, not yet settled
//	intent   lane, identity, decisions                      about to be sent as one batch
//	settled  lane, identity, next offset                    Kafka has that batch
//	stream   lane, key, state                               resequence.Buffer.Save
//	run      boot, ended                                    a run began on that boot of the machine, or ended well
//
// Positions in a list are written as differences. A decision is
//
//	position, key [16], id [16], sequence, message time, verdict, hole from, hole to
//
// Every entry is idempotent, because a Rewrite may already hold the state that
// an entry written after it reports again.
type entryKind byte

const (
	entryLayout entryKind = iota + 1
	entryLane
	entryFinished
	entryDecided
	entryIntent
	entrySettled
	entryStream
	entryRun
)

// journalVersion is the version of the entries' encoding.
const journalVersion = 1

// errEntry is what every undecodable entry is wrapped in.
var errEntry = errors.New("checkpoint entry not understood")

// layout says by how many partitions the lanes are cut, and of which topic.
type layout struct {
	partitions int
	topic      string
}

// decision is one event on its way out: what the resequencer decided of the
// record at position, with all that is needed to repeat it after a restart.
type decision struct {
	position spool.Position
	fact     resequence.Fact
}

func appendLayout(b []byte, l layout) []byte {
	b = append(b, byte(entryLayout))
	b = binary.AppendUvarint(b, journalVersion)
	b = binary.AppendUvarint(b, uint64(l.partitions))
	return appendBytes(b, []byte(l.topic))
}

func appendLane(b []byte, lane int, low spool.Position, next int64) []byte {
	b = append(b, byte(entryLane))
	b = binary.AppendUvarint(b, uint64(lane))
	b = binary.AppendUvarint(b, uint64(low))
	return binary.AppendVarint(b, next)
}

func appendFinished(b []byte, lane int, positions []spool.Position) []byte {
	b = append(b, byte(entryFinished))
	b = binary.AppendUvarint(b, uint64(lane))
	b = binary.AppendUvarint(b, uint64(len(positions)))
	var last spool.Position
	for _, p := range positions {
		b = binary.AppendVarint(b, int64(p-last))
		last = p
	}
	return b
}

func appendDecided(b []byte, lane int, ds []decision) []byte {
	b = append(b, byte(entryDecided))
	b = binary.AppendUvarint(b, uint64(lane))
	return appendDecisions(b, ds)
}

func appendIntent(b []byte, lane int, id publisher.Identity, ds []decision) []byte {
	b = append(b, byte(entryIntent))
	b = binary.AppendUvarint(b, uint64(lane))
	b = appendIdentity(b, id)
	return appendDecisions(b, ds)
}

func appendSettled(b []byte, lane int, id publisher.Identity, next int64) []byte {
	b = append(b, byte(entrySettled))
	b = binary.AppendUvarint(b, uint64(lane))
	b = appendIdentity(b, id)
	return binary.AppendVarint(b, next)
}

func appendStream(b []byte, lane int, key resequence.Key, state []byte) []byte {
	b = append(b, byte(entryStream))
	b = binary.AppendUvarint(b, uint64(lane))
	b = append(b, key[:]...)
	return append(b, state...)
}

func appendRun(b []byte, boot string, ended bool) []byte {
	b = append(b, byte(entryRun))
	b = appendBytes(b, []byte(boot))
	if ended {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendIdentity(b []byte, id publisher.Identity) []byte {
	b = binary.AppendVarint(b, id.ProducerID)
	b = binary.AppendVarint(b, int64(id.Epoch))
	return binary.AppendVarint(b, int64(id.Sequence))
}

func appendDecisions(b []byte, ds []decision) []byte {
	b = binary.AppendUvarint(b, uint64(len(ds)))
	var last spool.Position
	for i := range ds {
		d := &ds[i]
		b = binary.AppendVarint(b, int64(d.position-last))
		last = d.position
		b = append(b, d.fact.Key[:]...)
		b = append(b, d.fact.ID[:]...)
		b = binary.AppendUvarint(b, d.fact.Seq)
		b = binary.AppendVarint(b, d.fact.MsgTime)
		b = append(b, byte(d.fact.Verdict))
		b = binary.AppendUvarint(b, d.fact.HoleFrom)
		b = binary.AppendUvarint(b, d.fact.HoleTo)
	}
	return b
}

func appendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// fields reads an entry from its front. The first fault sticks; the zero value
// is returned from then on, so that a caller checks once at the end.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) take(n uint64) []byte {
	if uint64(len(f.rest)) < n {
		f.bad, f.rest = true, nil
		return nil
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) identity() publisher.Identity {
	return publisher.Identity{
		ProducerID: f.varint(),
		Epoch:      int16(f.varint()),
		Sequence:   int32(f.varint()),
	}
}

// count reads the length of a list whose elements take at least least bytes,
// so that a damaged length cannot make us allocate more than the entry is long.
func (f *fields) count(least int) int {
	n := f.uvarint()
	if n > uint64(len(f.rest)/least) {
		f.bad, f.rest = true, nil
		return 0
	}
	return int(n)
}

func (f *fields) positions() []spool.Position {
	ps := make([]spool.Position, f.count(1))
	var last spool.Position
	for i := range ps {
		last += spool.Position(f.varint())
		ps[i] = last
	}
	return ps
}

func (f *fields) decisions() []decision {
	ds := make([]decision, f.count(38))
	var last spool.Position
	for i := range ds {
		last += spool.Position(f.varint())
		d := &ds[i]
		d.position = last
		copy(d.fact.Key[:], f.take(16))
		copy(d.fact.ID[:], f.take(16))
		d.fact.Seq = f.uvarint()
		d.fact.MsgTime = f.varint()
		if v := f.take(1); v != nil {
			d.fact.Verdict = resequence.Verdict(v[0])
		}
		d.fact.HoleFrom = f.uvarint()
		d.fact.HoleTo = f.uvarint()
	}
	return ds
}

func (f *fields) err(kind entryKind) error {
	if f.bad {
		return fmt.Errorf("%w: kind %d is cut short", errEntry, kind)
	}
	return nil
}
