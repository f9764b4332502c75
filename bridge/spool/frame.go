package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame, little-endian, begins at a multiple of 8 and is padded with zeros
// to one:
//
//	 0        4        8                16       20  21    24
//	+--------+--------+----------------+--------+---+-----+
//	| length | body   | position       | index  |kind  0  |
//	|        | CRC32C |                |        |   |     |
//	+--------+--------+--------+-------+--------+---+-----+
//	24                32       36       40
//	+----------------+--------+--------+------------------- - -
//	| time           | query  | header | payload, length bytes
//	|                | length | CRC32C | (query, then body, as they came)
//	+----------------+--------+--------+------------------- - -
//
// The body CRC covers the payload. The header CRC covers the segment's id and
// salt and the 36 bytes before it, the body CRC among them: a frame is valid
// in one segment, for one position, as one kind, with one payload. The salt is
// random, so that no payload can hold what looks like a valid frame.
//
// By kind:
//
//	record      position its own; index its place in the group, from 0;
//	            time its receipt, Unix ns; query the bytes of its query
//	commit      position one past the group; index the group's records;
//	            query the CRC32C over the headers of those records; no payload
//	gap         position the first, time one past the last of positions that
//	            repair found lost; no payload
//	seal        position the end: the log was closed here; no payload
//	checkpoint  position the entry's number; index how many entries before it
//	            were not synced yet when it was written
const (
	frameHeader = 40
	frameAlign  = 8
	headerSumAt = 36
)

// kind says what a frame is. 0 is what a zero-filled file holds.
type kind uint8

const (
	kindRecord     kind = 1
	kindCommit     kind = 2
	kindGap        kind = 3
	kindSeal       kind = 4
	kindCheckpoint kind = 5
)

// frame is a frame's header, decoded.
type frame struct {
	length   uint32 // of the payload, bytes
	bodySum  uint32
	position uint64
	index    uint32
	kind     kind
	time     int64
	query    uint32
}

var (
	// errBlank: zeros, as a segment is filled with ahead of use.
	errBlank = errors.New("nothing was written here")
	// errHeaderSum: these 40 bytes are no header of this file.
	errHeaderSum = errors.New("frame header does not match its checksum")
	// errShape: the checksum is good, and yet no version 1 writes such a header.
	errShape = errors.New("frame makes no sense")
	// errBodySum: the header is good, the payload is not.
	errBodySum = errors.New("frame body does not match its checksum")
	// errCut: the header is good, the file ends before the payload does.
	errCut = errors.New("file ends inside a frame")
)

// size returns the bytes that the whole frame takes in the file.
func (f *frame) size() int64 { return frameSize(int(f.length)) }

// group returns the first position of the group that f belongs to: of the
// records that one fsync made durable together.
func (f *frame) group() uint64 { return f.position - uint64(f.index) }

// frameSize returns the bytes of a frame with a payload of n bytes.
func frameSize(n int) int64 {
	return (int64(frameHeader) + int64(n) + frameAlign - 1) &^ (frameAlign - 1)
}

// put encodes f into b[:40]; seed is the file's (see fileSeed).
func (f *frame) put(b []byte, seed uint32) {
	_ = b[frameHeader-1]
	binary.LittleEndian.PutUint32(b[0:], f.length)
	binary.LittleEndian.PutUint32(b[4:], f.bodySum)
	binary.LittleEndian.PutUint64(b[8:], f.position)
	binary.LittleEndian.PutUint32(b[16:], f.index)
	binary.LittleEndian.PutUint32(b[20:], uint32(f.kind))
	binary.LittleEndian.PutUint64(b[24:], uint64(f.time))
	binary.LittleEndian.PutUint32(b[32:], f.query)
	binary.LittleEndian.PutUint32(b[headerSumAt:], sumMore(seed, b[:headerSumAt]))
}

// parseFrame decodes the header in b[:40]. It is errBlank, errHeaderSum, or
// an error that says what a header with a good checksum may not hold.
func parseFrame(b []byte, seed uint32) (frame, error) {
	_ = b[frameHeader-1]
	if b[20] == 0 && allZero(b[:frameHeader]) {
		return frame{}, errBlank
	}
	if sumMore(seed, b[:headerSumAt]) != binary.LittleEndian.Uint32(b[headerSumAt:]) {
		return frame{}, errHeaderSum
	}
	word := binary.LittleEndian.Uint32(b[20:])
	f := frame{
		length:   binary.LittleEndian.Uint32(b[0:]),
		bodySum:  binary.LittleEndian.Uint32(b[4:]),
		position: binary.LittleEndian.Uint64(b[8:]),
		index:    binary.LittleEndian.Uint32(b[16:]),
		kind:     kind(word),
		time:     int64(binary.LittleEndian.Uint64(b[24:])),
		query:    binary.LittleEndian.Uint32(b[32:]),
	}
	if word > uint32(kindCheckpoint) || f.kind == 0 {
		return frame{}, fmt.Errorf("%w: kind %#x", errShape, word)
	}
	if f.position == 0 || f.position < uint64(f.index) {
		return frame{}, fmt.Errorf("%w: position %d, index %d", errShape, f.position, f.index)
	}
	if f.kind == kindRecord && f.query > f.length {
		return frame{}, fmt.Errorf("%w: %d bytes with a query of %d", errShape, f.length, f.query)
	}
	return f, nil
}

// fileSeed is the CRC32C over a file's id and salt; header checksums go on
// from it.
func fileSeed(id, salt uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[0:], id)
	binary.LittleEndian.PutUint64(b[8:], salt)
	return sumMore(0, b[:])
}

// sumMore is the CRC32C of what came before, whose CRC32C is sum, and b.
func sumMore(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b)
}

// allZero reports whether b holds nothing but zeros.
func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// peekFrame decodes what a reader needs of a header that is known to be good.
func peekFrame(b []byte) frame {
	_ = b[frameHeader-1]
	return frame{
		length:   binary.LittleEndian.Uint32(b[0:]),
		position: binary.LittleEndian.Uint64(b[8:]),
		time:     int64(binary.LittleEndian.Uint64(b[24:])),
		query:    binary.LittleEndian.Uint32(b[32:]),
	}
}
