package spool

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const (
	// groupBytes and groupRecords cap a group. The bytes are also what an
	// Entry may keep in memory, and twice this is what waiting appends take.
	groupBytes   = 1 << 20
	groupRecords = 2048
)

// group is the records that one write and one fsync make durable. Callers of
// Append encode into it, under the queue's mutex, while the group before it is
// being synced; then the committer alone has it; then it is immutable, and
// readers are served from its buffer. While it forms and is written its memory is
// the queue's.
type group struct {
	buf   []byte // frames; what only the committer knows is filled in by finish
	count int
	done  chan struct{} // closed when the outcome is known

	// Written by the committer before done is closed.
	first Position
	err   error

	// Where it lies. Written by the committer before readers can see it.
	seg     *segment
	off     int64
	records int64 // bytes of buf without the commit frame
}

// newGroup makes an empty group, which writes over buf while it forms.
func newGroup(buf []byte) *group {
	return &group{buf: buf[:0], done: make(chan struct{})}
}

// own gives the group memory of its own, as much as it needs, for readers may
// keep it for long, and returns what it formed in. A group of one record that is
// larger than groups otherwise are keeps its memory; then nothing is returned.
func (g *group) own() (formedIn []byte) {
	if cap(g.buf) > 2*groupBytes {
		return nil
	}
	formedIn = g.buf
	g.buf = bytes.Clone(formedIn)
	return formedIn
}

// fits reports whether a record of n bytes (a frame) may join. An empty group
// takes any record that a segment takes.
func (g *group) fits(n int64) bool {
	return g.count == 0 || (g.count < groupRecords && int64(len(g.buf))+n <= groupBytes)
}

// add copies r into the group and returns its place in it. bodySum is r.sum().
func (g *group) add(r *Record, bodySum uint32) (index int) {
	n := int(frameSize(r.payloadBytes()))
	// Room for the commit frame too, so that finish never moves the buffer.
	g.buf = slices.Grow(g.buf, n+frameHeader)
	at := len(g.buf)
	g.buf = g.buf[:at+n]
	b := g.buf[at:]
	binary.LittleEndian.PutUint32(b[0:], uint32(r.payloadBytes()))
	binary.LittleEndian.PutUint32(b[4:], bodySum)
	binary.LittleEndian.PutUint64(b[24:], uint64(r.ReceivedAt.UnixNano()))
	binary.LittleEndian.PutUint32(b[32:], uint32(len(r.Query)))
	m := frameHeader + copy(b[frameHeader:], r.Query)
	m += copy(b[m:], r.Body)
	clear(b[m:])
	index = g.count
	g.count++
	return index
}

// finish fills in what depends on the place: positions from first, and the
// checksums of a segment; and appends the commit frame. It may be done again
// for another segment, when the first could not be written.
func (g *group) finish(first Position, seed uint32) {
	if g.records > 0 {
		g.buf = g.buf[:g.records]
	}
	g.records = int64(len(g.buf))
	var sum uint32
	at, index := int64(0), uint32(0)
	for at < g.records {
		b := g.buf[at : at+frameHeader]
		f := frame{
			length:   binary.LittleEndian.Uint32(b[0:]),
			bodySum:  binary.LittleEndian.Uint32(b[4:]),
			position: uint64(first) + uint64(index),
			index:    index,
			kind:     kindRecord,
			time:     int64(binary.LittleEndian.Uint64(b[24:])),
			query:    binary.LittleEndian.Uint32(b[32:]),
		}
		f.put(b, seed)
		sum = sumMore(sum, b)
		at += f.size()
		index++
	}
	commit := frame{position: uint64(first) + uint64(index), index: index, kind: kindCommit, query: sum}
	g.buf = g.buf[:g.records+frameHeader]
	commit.put(g.buf[g.records:], seed)
	g.first = first
}

// end is one past the last position.
func (g *group) end() Position { return g.first + Position(g.count) }

// settle tells the waiting appends how it went.
func (g *group) settle(err error) {
	g.err = err
	close(g.done)
}
