package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A file begins with two copies of its header, 512 bytes each, so that one
// bad sector does not make a whole segment unreadable. Frames follow at 1024.
//
//	  0  magic         8 bytes, "CBSPOOL\x1a" or "CBCHECK\x1a"
//	  8  version       u32, always the second field, in every version
//	 12  0             u32
//	 16  id            u64, of the segment: 1, 2, 3 …; 0 for the checkpoint
//	 24  salt          u64, random
//	 32  base          u64, the first position
//	 40  previous id   u64, of the segment that this one follows; 0: none
//	 48  previous sound u64
//	 56  previous end  u64
//	 64  created       i64, Unix ns
//	 72  size          u64, of the file when it was made, bytes
//	 80  durability    u8, then zeros
//	508  CRC32C        u32, over 0 … 507
//
// A segment is sealed by the header of its successor, and not by anything
// written into it, since a segment is given up exactly when nothing can be
// written into it any more. "previous end": no record at or above this
// position counts in any earlier segment. "previous sound": below this
// position the previous segment was whole when its successor was made; from
// it to the end records may be absent without that being damage, they were
// lost in a crash before they were acknowledged.
const (
	headerCopy  = 512
	headerBytes = 2 * headerCopy
	headerSum   = 508

	formatVersion = 1

	magicSegment    = "CBSPOOL\x1a"
	magicCheckpoint = "CBCHECK\x1a"
)

// header is what a file says of itself. Immutable.
type header struct {
	id        uint64
	salt      uint64
	base      Position
	prevID    uint64
	prevSound Position
	prevEnd   Position
	created   int64
	size      int64
	mode      Durability
}

var errNoHeader = errors.New("neither copy of the file's header is valid")

// seed is what the header checksums of the file's frames begin with.
func (h *header) seed() uint32 { return fileSeed(h.id, h.salt) }

// encode returns both copies.
func (h *header) encode(magic string) []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	binary.LittleEndian.PutUint64(b[16:], h.id)
	binary.LittleEndian.PutUint64(b[24:], h.salt)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.base))
	binary.LittleEndian.PutUint64(b[40:], h.prevID)
	binary.LittleEndian.PutUint64(b[48:], uint64(h.prevSound))
	binary.LittleEndian.PutUint64(b[56:], uint64(h.prevEnd))
	binary.LittleEndian.PutUint64(b[64:], uint64(h.created))
	binary.LittleEndian.PutUint64(b[72:], uint64(h.size))
	b[80] = byte(h.mode)
	binary.LittleEndian.PutUint32(b[headerSum:], sumMore(0, b[:headerSum]))
	copy(b[headerCopy:], b[:headerCopy])
	return b
}

// parseHeader decodes the header at the start of a file. One good copy is
// enough; damage says that the other is not. A copy whose magic is right and
// whose version is not known makes it a *VersionError, unless the other is
// good: what follows the version may look quite different then.
func parseHeader(b []byte, magic, name string) (h header, damage *CorruptError, err error) {
	first, err1 := parseCopy(b, 0, magic, name)
	second, err2 := parseCopy(b, headerCopy, magic, name)
	switch {
	case err1 == nil && err2 == nil && first == second:
		return first, nil, nil
	case err1 == nil && err2 == nil:
		return first, &CorruptError{name, headerCopy, errors.New("the copies of the header differ")}, nil
	case err1 == nil:
		return first, &CorruptError{name, headerCopy, err2}, nil
	case err2 == nil:
		return second, &CorruptError{name, 0, err1}, nil
	}
	var version *VersionError
	if errors.As(err1, &version) {
		return header{}, nil, version
	}
	return header{}, nil, &CorruptError{name, 0, fmt.Errorf("%w: %w", errNoHeader, err1)}
}

func parseCopy(b []byte, at int, magic, name string) (header, error) {
	if len(b) < at+headerCopy {
		if len(b) >= at+12 && string(b[at:at+8]) == magic {
			if v := binary.LittleEndian.Uint32(b[at+8:]); v != formatVersion {
				return header{}, &VersionError{File: name, Version: v}
			}
		}
		return header{}, errors.New("file is shorter than its header")
	}
	b = b[at : at+headerCopy]
	if string(b[:8]) != magic {
		return header{}, errors.New("file does not begin as one of ours")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return header{}, &VersionError{File: name, Version: v}
	}
	if sumMore(0, b[:headerSum]) != binary.LittleEndian.Uint32(b[headerSum:]) {
		return header{}, errors.New("file header does not match its checksum")
	}
	h := header{
		id:        binary.LittleEndian.Uint64(b[16:]),
		salt:      binary.LittleEndian.Uint64(b[24:]),
		base:      Position(binary.LittleEndian.Uint64(b[32:])),
		prevID:    binary.LittleEndian.Uint64(b[40:]),
		prevSound: Position(binary.LittleEndian.Uint64(b[48:])),
		prevEnd:   Position(binary.LittleEndian.Uint64(b[56:])),
		created:   int64(binary.LittleEndian.Uint64(b[64:])),
		size:      int64(binary.LittleEndian.Uint64(b[72:])),
		mode:      Durability(b[80]),
	}
	if h.base == 0 || h.prevSound > h.prevEnd || h.prevEnd > h.base || h.size < 0 {
		return header{}, errors.New("file header contradicts itself")
	}
	return h, nil
}

// Names in the directory. Everything that ends in .tmp may go at Open.
const (
	segmentSuffix  = ".seg"
	blankPrefix    = "blank-"
	tmpSuffix      = ".tmp"
	damagedSuffix  = ".damaged"
	lockName       = "lock"
	checkpointName = "checkpoint.log"
	appendReserve  = "reserve-append"
	rewriteReserve = "reserve-rewrite"
)

// segmentName holds id and base, so that a listing shows what lies where, and
// so that a segment whose header is gone still says which positions it had.
func segmentName(id uint64, base Position) string {
	return fmt.Sprintf("%010d-%020d%s", id, uint64(base), segmentSuffix)
}

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (id uint64, base Position, ok bool) {
	text, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, 0, false
	}
	left, right, ok := strings.Cut(text, "-")
	if !ok {
		return 0, 0, false
	}
	id, err1 := strconv.ParseUint(left, 10, 64)
	b, err2 := strconv.ParseUint(right, 10, 64)
	if err1 != nil || err2 != nil || id == 0 || b == 0 || segmentName(id, Position(b)) != name {
		return 0, 0, false
	}
	return id, Position(b), true
}
