package publisher

import (
	"bytes"
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

// maxUnpacked bounds what one batch may unpack to, so that a damaged or hostile batch cannot take the memory (P8).
const maxUnpacked = 512 << 20

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

// decompress returns src unpacked, in memory of its own.
func (c Compression) decompress(src []byte) ([]byte, error) {
	if c > Zstd {
		return nil, fmt.Errorf("%s is not known", c)
	}
	z := compress.Compression(c).Codec().NewReader(bytes.NewReader(src))
	defer z.Close() //nolint:errcheck // a reader's pool, nothing is lost
	out := bytes.NewBuffer(make([]byte, 0, 4*len(src)))
	n, err := out.ReadFrom(io.LimitReader(z, maxUnpacked+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking with %s: %w", c, err)
	}
	if n > maxUnpacked {
		return nil, fmt.Errorf("unpacking with %s: more than %d bytes", c, maxUnpacked)
	}
	return out.Bytes(), nil
}

// appender is an io.Writer on a slice.
type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}
