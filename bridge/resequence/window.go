package resequence

import (
	"encoding/binary"
	"math/bits"
)

// identity folds the number and the ID of a message into the 64 bits that the
// windows keep (doc.go, "What is remembered", on the odds).
func identity(seq uint64, id ID) uint64 {
	lo := binary.LittleEndian.Uint64(id[:8])
	hi := binary.LittleEndian.Uint64(id[8:])
	return lo ^ bits.RotateLeft64(hi*0x9e3779b97f4a7c15, 31) ^ seq*0xd6e8feb86659fd93
}

// window is a list of what left a stream, oldest first, in one slot of an
// arena. Its slot has room for exactly as many entries as its class; the class
// follows from n, so that eight bytes describe a window.
type window struct {
	slot uint32
	n    uint16 // entries; 0 has no slot
	head uint16 // entry that is oldest; not 0 only in a full window that turns
}

// The windows of a stream.
const (
	seenWindow        = iota // numbers that moved the mark: identity
	lateWindow               // numbers that came late: identity, number, MsgTime
	unsequencedWindow        // identity
	windowKinds
)

// lateWords is the size of an entry of a lateWindow.
const lateWords = 3

// owner says whose window lies in a slot: the stream's record and the kind.
type owner uint32

func ownerOf(record uint32, kind int) owner { return owner(record<<2 | uint32(kind)) }

// arena keeps windows of one kind by class of size: 1, 2, 4 … entries up to
// the full window. Each class is dense: a slot that falls free takes in the
// last one, so what streams gave back is never stranded in the wrong size.
type arena struct {
	stride  int // words an entry
	full    int // entries of the largest class
	classes []class
}

type class struct {
	words  int // words a slot
	shift  int // 1<<shift slots a chunk
	chunks [][]uint64
	owners []owner // of the slots in use, which are 0 … len-1
}

// chunkWords is the least size of a chunk.
const chunkWords = 1024

func newArena(stride, full int) arena {
	a := arena{stride: stride, full: full}
	for k := 0; ; k++ {
		c := class{words: min(1<<k, full) * stride}
		for c.words<<(c.shift+1) <= chunkWords {
			c.shift++
		}
		a.classes = append(a.classes, c)
		if 1<<k >= full {
			return a
		}
	}
}

// classOf is the class of a window of n ≥ 1 entries.
func classOf(n int) int { return bits.Len(uint(n - 1)) }

// room is how many entries a window of n entries has a place for.
func (a *arena) room(n int) int {
	if n == 0 {
		return 0
	}
	return min(1<<classOf(n), a.full)
}

// bytes is the memory of the slot of a window of n entries.
func (a *arena) bytes(n int) int64 {
	if n == 0 {
		return 0
	}
	return int64(a.room(n)*a.stride)*8 + 4
}

// words are the words of a window's slot; nil of an empty window.
func (a *arena) words(w window) []uint64 {
	if w.n == 0 {
		return nil
	}
	return a.classes[classOf(int(w.n))].slot(w.slot)
}

// holds reports whether a window of one-word entries has h.
func (a *arena) holds(w window, h uint64) bool {
	if w.n == 0 {
		return false
	}
	for _, v := range a.words(w)[:w.n] {
		if v == h {
			return true
		}
	}
	return false
}

func (c *class) slot(i uint32) []uint64 {
	at := int(i) & (1<<c.shift - 1) * c.words
	return c.chunks[i>>c.shift][at : at+c.words : at+c.words]
}

// take returns a slot with whatever was in it last.
func (c *class) take(o owner) uint32 {
	i := uint32(len(c.owners))
	if int(i>>c.shift) == len(c.chunks) {
		c.chunks = append(c.chunks, make([]uint64, c.words<<c.shift))
	}
	c.owners = append(c.owners, o)
	return i
}

// drop frees slot i. Where that moved another window into i, it returns whose.
func (c *class) drop(i uint32) (moved owner, ok bool) {
	last := uint32(len(c.owners) - 1)
	if i != last {
		copy(c.slot(i), c.slot(last))
		moved, ok = c.owners[last], true
		c.owners[i] = moved
	}
	c.owners = c.owners[:last]
	// One empty chunk stays, so that a window that comes and goes at the edge
	// of a chunk does not allocate each time.
	if n := len(c.chunks); n >= 2 && int(last) <= (n-2)<<c.shift {
		c.chunks[n-1] = nil
		c.chunks = c.chunks[:n-1]
	}
	return moved, ok
}
