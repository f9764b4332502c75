package publisher

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Fetch is spoken here rather than by kafka-go's Client, which decodes into records at once and drops what this package needs:
// it hides a batch's last offset (a compacted batch would be fetched for ever), takes a damaged batch after a good one for the
// end of the answer, and asks with version 11, which a follower may answer from a log that is behind.
const (
	fetchVersionMin = 4  // the first with v2 batches, and the least that Kafka 4 speaks
	fetchVersionMax = 10 // the last that only a leader answers (KIP-392 came with 11), and the first that may return zstd
)

const maxFetchAnswer = 256 << 20 // a batch may be larger than asked for; this is where it is a fault

// fetchRequest asks one leader for the batches of one partition. It writes itself (protocol.RawExchanger).
type fetchRequest struct {
	topic     string
	partition int32
	epoch     int32 // of the leadership; -1 = any
	offset    int64
	maxWait   time.Duration
	maxBytes  int32
	clientID  string
	version   int16 // set by Required
}

// fetchResponse is a partition's part of the answer.
type fetchResponse struct {
	code          kafka.Error
	highWatermark int64
	logStart      int64 // -1 = the broker does not say
	batches       []byte
}

func (*fetchRequest) ApiKey() protocol.ApiKey  { return protocol.Fetch } //nolint:revive // protocol.Message spells it so
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive // protocol.Message spells it so

// Required takes the version that was agreed on for the connection, and says that the request writes itself.
func (r *fetchRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[protocol.Fetch]
	return true
}

// RawExchange writes the request and reads the answer.
func (r *fetchRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if _, err := rw.Write(r.append(nil)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > maxFetchAnswer {
		return nil, fmt.Errorf("the broker announced an answer of %d bytes", size)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(rw, answer); err != nil {
		return nil, err
	}
	if id := binary.BigEndian.Uint32(answer); id != fetchCorrelation {
		return nil, fmt.Errorf("the answer has correlation id %d, the request had %d", id, fetchCorrelation)
	}
	return r.parse(answer[4:])
}

// fetchCorrelation may be fixed, since a link carries one request at a time.
const fetchCorrelation = 0x63620001

// append renders the request, size first, in version r.version.
func (r *fetchRequest) append(b []byte) []byte {
	be := binary.BigEndian
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = be.AppendUint16(b, uint16(protocol.Fetch))
	b = be.AppendUint16(b, uint16(r.version))
	b = be.AppendUint32(b, fetchCorrelation)
	b = appendString(b, r.clientID)
	b = be.AppendUint32(b, ^uint32(0)) // replica: none, a consumer
	b = be.AppendUint32(b, uint32(r.maxWait.Milliseconds()))
	b = be.AppendUint32(b, 1) // min bytes
	b = be.AppendUint32(b, uint32(r.maxBytes))
	b = append(b, 0) // read uncommitted
	if r.version >= 7 {
		b = be.AppendUint32(b, 0)          // session id
		b = be.AppendUint32(b, ^uint32(0)) // session epoch: no session
	}
	b = be.AppendUint32(b, 1) // topics
	b = appendString(b, r.topic)
	b = be.AppendUint32(b, 1) // partitions
	b = be.AppendUint32(b, uint32(r.partition))
	if r.version >= 9 {
		b = be.AppendUint32(b, uint32(r.epoch))
	}
	b = be.AppendUint64(b, uint64(r.offset))
	if r.version >= 5 {
		b = be.AppendUint64(b, ^uint64(0)) // log start: of followers only
	}
	b = be.AppendUint32(b, uint32(r.maxBytes))
	if r.version >= 7 {
		b = be.AppendUint32(b, 0) // forgotten topics
	}
	be.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// parse reads the answer's body.
func (r *fetchRequest) parse(b []byte) (*fetchResponse, error) {
	c := cursor{b: b}
	c.skip(4) // throttle time: the broker has already waited
	if r.version >= 7 {
		if code := kafka.Error(c.int16()); code != 0 {
			return &fetchResponse{code: code, logStart: -1}, nil
		}
		c.skip(4) // session id
	}
	if n := c.int32(); n != 1 && !c.short {
		return nil, fmt.Errorf("the answer has %d topics, one was asked for", n)
	}
	c.skip(int(c.int16())) // topic
	if n := c.int32(); n != 1 && !c.short {
		return nil, fmt.Errorf("the answer has %d partitions, one was asked for", n)
	}
	c.skip(4) // partition
	res := &fetchResponse{code: kafka.Error(c.int16()), highWatermark: c.int64(), logStart: -1}
	c.skip(8) // last stable offset
	if r.version >= 5 {
		res.logStart = c.int64()
	}
	if aborted := c.int32(); aborted > 0 {
		c.skip(int(aborted) * 16)
	}
	size := c.int32()
	if size < 0 {
		size = 0
	}
	res.batches = c.take(int(size))
	if c.short {
		return nil, fmt.Errorf("reading the answer: %w", io.ErrUnexpectedEOF)
	}
	return res, nil
}

// cursor reads big-endian values; short says that it ran past the end.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.short, c.b = true, nil
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) skip(n int) { c.take(n) }

func (c *cursor) int16() int16 {
	if b := c.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if b := c.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if b := c.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}
