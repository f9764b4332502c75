package publisher

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// CorruptError says that bytes of a partition are not what Kafka should hold. Reading does not skip them.
type CorruptError struct {
	Offset int64 // of the batch
	Detail string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the batch at offset %d is damaged: %s", e.Offset, e.Detail)
}

// batchView is one batch inside a fetched answer. It aliases the answer.
type batchView struct {
	raw []byte // header and records
}

func (v batchView) baseOffset() int64  { return int64(binary.BigEndian.Uint64(v.raw[atBaseOffset:])) }
func (v batchView) attributes() uint16 { return binary.BigEndian.Uint16(v.raw[atAttributes:]) }
func (v batchView) lastDelta() int32   { return int32(binary.BigEndian.Uint32(v.raw[atLastDelta:])) }
func (v batchView) baseTime() int64    { return int64(binary.BigEndian.Uint64(v.raw[atBaseTime:])) }
func (v batchView) maxTime() int64     { return int64(binary.BigEndian.Uint64(v.raw[atMaxTime:])) }
func (v batchView) producerID() int64  { return int64(binary.BigEndian.Uint64(v.raw[atProducerID:])) }
func (v batchView) producerEpoch() int16 {
	return int16(binary.BigEndian.Uint16(v.raw[atProducerEpoch:]))
}
func (v batchView) baseSequence() int32 {
	return int32(binary.BigEndian.Uint32(v.raw[atBaseSequence:]))
}
func (v batchView) count() int32       { return int32(binary.BigEndian.Uint32(v.raw[atCount:])) }
func (v batchView) codec() Compression { return Compression(v.attributes() & attrCodec) }
func (v batchView) control() bool      { return v.attributes()&attrControl != 0 }

// next is the offset after the batch. Compaction may have removed its last records; the offset still counts them.
func (v batchView) next() int64 { return v.baseOffset() + int64(v.lastDelta()) + 1 }

func (v batchView) identity() Identity {
	return Identity{ProducerID: v.producerID(), Epoch: v.producerEpoch(), Sequence: v.baseSequence()}
}

// cutBatch takes the first batch off data. ok is false where data ends inside it: a broker cuts an answer at its size limit,
// and the rest comes with the next one.
func cutBatch(data []byte) (v batchView, rest []byte, ok bool, err error) {
	if len(data) < atMagic+1 {
		return batchView{}, nil, false, nil
	}
	offset := int64(binary.BigEndian.Uint64(data))
	length := int64(int32(binary.BigEndian.Uint32(data[atLength:])))
	if magic := data[atMagic]; magic != magicV2 {
		return batchView{}, nil, false, &CorruptError{Offset: offset,
			Detail: fmt.Sprintf("it has format %d, written by a Kafka before 0.11; only format 2 is read", magic)}
	}
	if length < batchHeader-lengthToStart {
		return batchView{}, nil, false, &CorruptError{Offset: offset, Detail: fmt.Sprintf("its length is %d", length)}
	}
	if int64(len(data)) < length+lengthToStart {
		return batchView{}, nil, false, nil
	}
	v = batchView{raw: data[: length+lengthToStart : length+lengthToStart]}
	if v.lastDelta() < 0 || offset < 0 {
		return batchView{}, nil, false, &CorruptError{Offset: offset, Detail: fmt.Sprintf("its last offset delta is %d", v.lastDelta())}
	}
	return v, data[length+lengthToStart:], true, nil
}

// decoder turns batches into records. Not for concurrent use.
type decoder struct {
	rec   Record            // reused for each record; what its Key, Value and header values point to is not
	names map[string]string // header names seen, so that a repeated one costs no memory; at most maxNames
}

const maxNames = 1024

// records hands each record of v at offset from or above to fn.
func (d *decoder) records(v batchView, from int64, fn func(*Record) error) error {
	if sum := crc32.Checksum(v.raw[atAttributes:], castagnoli()); sum != binary.BigEndian.Uint32(v.raw[atCRC:]) {
		return v.corrupt("its checksum does not match")
	}
	body := v.raw[batchHeader:]
	if codec := v.codec(); codec != None {
		plain, err := codec.decompress(body, maxUnpacked)
		if err != nil {
			return v.corrupt(err.Error())
		}
		body = plain
	}
	d.rec.BaseOffset, d.rec.ProducerID = v.baseOffset(), v.producerID()
	d.rec.ProducerEpoch, d.rec.BaseSequence = v.producerEpoch(), v.baseSequence()
	d.rec.BatchRecords = int(v.lastDelta()) + 1 // also where compaction has removed some
	for i := range v.count() {
		size, rest, ok := takeVarint(body)
		if !ok || size < 0 || size > int64(len(rest)) {
			return v.corrupt(fmt.Sprintf("record %d of %d does not end inside it", i, v.count()))
		}
		if !d.decode(rest[:size:size], v) {
			return v.corrupt(fmt.Sprintf("record %d of %d cannot be read", i, v.count()))
		}
		body = rest[size:]
		if d.rec.Offset < from {
			continue
		}
		if err := fn(&d.rec); err != nil {
			return err
		}
	}
	return nil
}

func (v batchView) corrupt(detail string) error {
	return &CorruptError{Offset: v.baseOffset(), Detail: detail}
}

// decode reads one record (without its length); false where it is not one.
func (d *decoder) decode(b []byte, v batchView) bool {
	rec := &d.rec
	if len(b) == 0 {
		return false
	}
	b = b[1:] // attributes: none are in use
	timeDelta, b, ok1 := takeVarint(b)
	offsetDelta, b, ok2 := takeVarint(b)
	if !ok1 || !ok2 || offsetDelta < 0 || offsetDelta > int64(v.lastDelta()) {
		return false
	}
	rec.Offset = v.baseOffset() + offsetDelta
	rec.Time = time.UnixMilli(v.baseTime() + timeDelta)
	if v.attributes()&attrAppend != 0 {
		rec.Time = time.UnixMilli(v.maxTime())
	}
	var ok bool
	if rec.Key, b, ok = takeBytes(b); !ok {
		return false
	}
	if rec.Value, b, ok = takeBytes(b); !ok {
		return false
	}
	return d.decodeHeaders(b)
}

// decodeHeaders reads the headers, which end the record.
func (d *decoder) decodeHeaders(b []byte) bool {
	n, b, ok := takeVarint(b)
	if !ok || n < 0 || n > int64(len(b))/2 { // a header takes two bytes at least
		return false
	}
	d.rec.Headers = d.rec.Headers[:0]
	for range n {
		var name, value []byte
		if name, b, ok = takeBytes(b); !ok || name == nil {
			return false
		}
		if value, b, ok = takeBytes(b); !ok {
			return false
		}
		d.rec.Headers = append(d.rec.Headers, Header{Key: d.name(name), Value: value})
	}
	return len(b) == 0
}

func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if d.names == nil {
		d.names = make(map[string]string)
	}
	if len(d.names) < maxNames {
		d.names[s] = s
	}
	return s
}

func takeVarint(b []byte) (int64, []byte, bool) {
	if len(b) > 0 && b[0] < 0x80 {
		u := b[0]
		return int64(u>>1) ^ -int64(u&1), b[1:], true
	}
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, b, false
	}
	return int64(u>>1) ^ -int64(u&1), b[n:], true
}

// takeBytes reads a length and so many bytes; null (-1) gives nil, an empty value gives a slice that is not nil.
func takeBytes(b []byte) (val, rest []byte, ok bool) {
	n, b, ok := takeVarint(b)
	switch {
	case !ok || n < -1 || n > int64(len(b)):
		return nil, b, false
	case n == -1:
		return nil, b, true
	}
	return b[:n:n], b[n:], true
}
