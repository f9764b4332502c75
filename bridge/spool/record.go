package spool

import (
	"time"
)

// Record is a callback as it came. Query is the raw query string without its
// Sign, and behind it the trace, where there is one (trace.go). ReceivedAt is kept to the nanosecond, from 1678 to 2262.
type Record struct {
	ReceivedAt  time.Time
	Query, Body []byte
}

// Entry is a stored record. It must not be changed, and stays valid for as
// long as it is held; what is held keeps the whole group that it was stored
// with, or the block that it was read with (up to 1 MiB), in memory: who
// keeps a few entries for long should copy them.
type Entry struct {
	Position Position
	Record   Record
}

// payloadBytes is what r takes of a frame's payload.
func (r *Record) payloadBytes() int { return len(r.Query) + len(r.Body) }

// sum is the CRC32C of the payload.
func (r *Record) sum() uint32 { return sumMore(sumMore(0, r.Query), r.Body) }

// entryOf is the record in a frame of kind record. It shares payload.
func entryOf(f *frame, payload []byte) Entry {
	q := int(f.query)
	n := len(payload)
	return Entry{
		Position: Position(f.position),
		Record: Record{
			ReceivedAt: time.Unix(0, f.time).UTC(),
			Query:      payload[:q:q],
			Body:       payload[q:n:n],
		},
	}
}
