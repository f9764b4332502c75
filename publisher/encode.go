package publisher

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// A record batch, Kafka's format v2, as it goes over the wire and lies in the log (big-endian):
//
//	 0  base offset            8   0; the broker fills it in
//	 8  batch length           4   of all that follows
//	12  partition leader epoch 4   -1; the broker fills it in
//	16  magic                  1   2
//	17  crc                    4   CRC32C of everything from byte 21 on
//	21  attributes             2   bits 0-2 codec, 3 append time, 4 transactional, 5 control
//	23  last offset delta      4   records - 1
//	27  base timestamp         8   ms, of the first record
//	35  max timestamp          8   ms
//	43  producer id            8 ┐
//	51  producer epoch         2 │ the identity
//	53  base sequence          4 ┘
//	57  records                4
//	61  records, together compressed by the codec, each:
//	       length          varint  of what follows
//	       attributes      1       0
//	       timestamp delta varlong to the base timestamp
//	       offset delta    varint
//	       key             varint length (-1 = null) and bytes
//	       value           varint length (-1 = null) and bytes
//	       headers         varint count, each: varint length and name, varint length (-1 = null) and value
const (
	atBaseOffset    = 0
	atLength        = 8
	atLeaderEpoch   = 12
	atMagic         = 16
	atCRC           = 17
	atAttributes    = 21
	atLastDelta     = 23
	atBaseTime      = 27
	atMaxTime       = 35
	atProducerID    = 43
	atProducerEpoch = 51
	atBaseSequence  = 53
	atCount         = 57
	batchHeader     = 61

	magicV2       = 2
	attrCodec     = 0x07
	attrAppend    = 0x08 // LogAppendTime: every record has the batch's max timestamp
	attrControl   = 0x20
	lengthToStart = 12 // a batch length does not count base offset and itself
)

const (
	// BatchOverhead is what a batch takes besides its records, in bytes.
	BatchOverhead = batchHeader
	// DefaultMaxBatchBytes is the largest batch a topic takes where nobody set max.message.bytes.
	DefaultMaxBatchBytes = 1_048_588

	maxRecords = math.MaxInt32 - 1
)

// EncodedSize is an upper bound of what m adds to an uncompressed batch, in bytes. A batch of messages whose sizes and BatchOverhead
// sum to at most a topic's max.message.bytes is not too large for it; a batch that does not get smaller by its codec is sent uncompressed.
func EncodedSize(m *Message) int {
	const lengthAttributesAndDeltas = binary.MaxVarintLen32 + 1 + binary.MaxVarintLen64 + binary.MaxVarintLen32
	n := lengthAttributesAndDeltas + binary.MaxVarintLen32 + len(m.Key) + binary.MaxVarintLen32 + len(m.Value) + binary.MaxVarintLen32
	for i := range m.Headers {
		n += binary.MaxVarintLen32 + len(m.Headers[i].Key) + binary.MaxVarintLen32 + len(m.Headers[i].Value)
	}
	return n
}

// frame is a batch as it is handed to the Produce request: four bytes of length, then the batch. It is encoded once; only the
// identity is written anew (setIdentity), so every attempt sends identical bytes.
type frame struct {
	buf   []byte // length, batch header, records
	plain []byte // records before compression; scratch
	count int    // records
}

const frameLength = 4

// batch returns the batch without the leading length. It is valid until the next encode.
func (f *frame) batch() []byte { return f.buf[frameLength:] }

// encode renders msgs with codec. now is the time of messages that carry none. The buffers are reused.
func (f *frame) encode(msgs []Message, codec Compression, now time.Time) error {
	if len(msgs) == 0 {
		return fmt.Errorf("encoding a batch: it has no messages")
	}
	if len(msgs) > maxRecords {
		return fmt.Errorf("encoding a batch: %d messages are too many", len(msgs))
	}
	f.count = len(msgs)
	base := milliseconds(msgs[0].Time, now)
	latest := base
	f.buf = append(f.buf[:0], make([]byte, frameLength+batchHeader)...)

	records := f.buf
	if codec != None {
		records = f.plain[:0]
	}
	for i := range msgs {
		at := milliseconds(msgs[i].Time, now)
		latest = max(latest, at)
		records = appendRecord(records, &msgs[i], i, at-base)
	}
	if codec == None {
		f.buf = records
	} else {
		f.plain = records
		packed, err := codec.compress(f.buf, f.plain)
		if err != nil {
			return err
		}
		f.buf = packed
		if len(f.buf) >= frameLength+batchHeader+len(f.plain) { // not smaller: then not at all
			codec = None
			f.buf = append(f.buf[:frameLength+batchHeader], f.plain...)
		}
	}
	if len(f.buf) > math.MaxInt32 {
		return fmt.Errorf("encoding a batch: %d bytes are too many", len(f.buf))
	}

	b := f.batch()
	binary.BigEndian.PutUint32(f.buf, uint32(len(b)))
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthToStart))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], math.MaxUint32) // -1
	b[atMagic] = magicV2
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(codec))
	binary.BigEndian.PutUint32(b[atLastDelta:], uint32(len(msgs)-1))
	binary.BigEndian.PutUint64(b[atBaseTime:], uint64(base))
	binary.BigEndian.PutUint64(b[atMaxTime:], uint64(latest))
	binary.BigEndian.PutUint32(b[atCount:], uint32(len(msgs)))
	f.setIdentity(Identity{ProducerID: -1, Epoch: -1, Sequence: -1})
	return nil
}

// setIdentity writes id into the encoded batch and its checksum after it.
func (f *frame) setIdentity(id Identity) {
	b := f.batch()
	binary.BigEndian.PutUint64(b[atProducerID:], uint64(id.ProducerID))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(id.Epoch))
	binary.BigEndian.PutUint32(b[atBaseSequence:], uint32(id.Sequence))
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli()))
}

// castagnoli is the table of CRC32C; the standard library makes it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// milliseconds is t as Kafka counts, now where t is not set. Kafka keeps -1 for "none" and refuses what is below 0.
func milliseconds(t, now time.Time) int64 {
	if t.IsZero() {
		t = now
	}
	return max(t.UnixMilli(), 0)
}

func appendRecord(dst []byte, m *Message, index int, timeDelta int64) []byte {
	size := 1 + varintSize(timeDelta) + varintSize(int64(index)) + bytesSize(m.Key) + bytesSize(m.Value) + varintSize(int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		size += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	dst = appendVarint(dst, int64(size))
	dst = append(dst, 0)
	dst = appendVarint(dst, timeDelta)
	dst = appendVarint(dst, int64(index))
	dst = appendBytes(dst, m.Key)
	dst = appendBytes(dst, m.Value)
	dst = appendVarint(dst, int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		dst = appendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

// appendVarint appends Kafka's varint: zigzag, then seven bits a byte, the same for 32 and 64 bits.
func appendVarint(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	if u < 0x80 {
		return append(dst, byte(u))
	}
	return binary.AppendUvarint(dst, u)
}

func varintSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	n := 1
	for u >= 0x80 {
		u >>= 7
		n++
	}
	return n
}

// appendBytes appends a length and the bytes; nil is null.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1, zigzag
	}
	dst = appendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}
