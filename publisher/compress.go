package publisher

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/compress"
)

// Compression is the codec of the batches sent. Its values are Kafka's.
type Compression uint8

// The codecs of Kafka's v2 record batches.
const (
	None Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String is the name as in Kafka's own settings.
func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// ParseCompression reads none (or nothing), gzip, snappy, lz4 or zstd.
func ParseCompression(s string) (Compression, error) {
	if s == "" {
		return None, nil
	}
	for c := None; c <= Zstd; c++ {
		if c.String() == s {
			return c, nil
		}
	}
	return None, fmt.Errorf("compression %q is not known: use none, gzip, snappy, lz4 or zstd", s)
}

// maxUnpacked bounds what one batch may unpack to, so that a damaged or hostile batch cannot take the memory (P8). It is about what
// the zstd decoder allows a window to be.
const maxUnpacked = 512 << 20

// xerial is how snappy comes in Kafka: a header of 16 bytes, then blocks, each after its length (4 bytes). Some clients send one bare block.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = 16
	// snappyRatio is more than the most that snappy can pack: 64 bytes come from 3.
	snappyRatio = 32
)

// checkSnappy says whether the sizes that src announces can be true. kafka-go's reader takes as much memory as is announced, up to
// 4 GiB, before it looks at the data.
func checkSnappy(src []byte) error {
	if !bytes.HasPrefix(src, []byte(xerialMagic)) {
		return checkSnappyBlock(src)
	}
	if len(src) < xerialHeader {
		return errors.New("its header is cut off")
	}
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return errors.New("a block's length is cut off")
		}
		n := binary.BigEndian.Uint32(src)
		if src = src[4:]; uint64(n) > uint64(len(src)) {
			return fmt.Errorf("a block is to have %d bytes, %d are there", n, len(src))
		}
		if err := checkSnappyBlock(src[:n]); err != nil {
			return err
		}
		src = src[n:]
	}
	return nil
}

func checkSnappyBlock(block []byte) error {
	if n, w := binary.Uvarint(block); w <= 0 || n > uint64(snappyRatio*len(block)) {
		return fmt.Errorf("a block of %d bytes is to unpack to %d", len(block), n)
	}
	return nil
}

// compress appends src, compressed, to dst. The codecs come from kafka-go, which pools them.
func (c Compression) compress(dst, src []byte) ([]byte, error) {
	w := appender{buf: dst}
	z := compress.Compression(c).Codec().NewWriter(&w)
	if _, err := z.Write(src); err != nil {
		_ = z.Close()
		return nil, fmt.Errorf("compressing a batch with %s: %w", c, err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compressing a batch with %s: %w", c, err)
	}
	return w.buf, nil
}

// decompress returns src unpacked, in memory of its own; it may have up to limit bytes.
func (c Compression) decompress(src []byte, limit int) ([]byte, error) {
	if c > Zstd {
		return nil, fmt.Errorf("%s is not known", c)
	}
	if c == Snappy {
		if err := checkSnappy(src); err != nil {
			return nil, fmt.Errorf("unpacking with %s: %w", c, err)
		}
	}
	z := compress.Compression(c).Codec().NewReader(bytes.NewReader(src))
	defer z.Close() //nolint:errcheck // a reader's pool, nothing is lost
	out := bytes.NewBuffer(make([]byte, 0, min(4*len(src), limit)))
	n, err := out.ReadFrom(io.LimitReader(z, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking with %s: %w", c, err)
	}
	if n > int64(limit) {
		return nil, fmt.Errorf("unpacking with %s: more than %d bytes", c, limit)
	}
	return out.Bytes(), nil
}

// appender is an io.Writer on a slice.
type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}
