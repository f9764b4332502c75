package publisher

import (
	"context"
	"errors"
	"time"
)

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Message is one record to publish.
type Message struct {
	Key, Value []byte
	Headers    []Header
	Time       time.Time
}

// Identity is what a broker knows a batch by.
type Identity struct {
	ProducerID int64
	Epoch      int16
	Sequence   int32
}

// Batch is what Publish settles as a whole.
type Batch struct {
	Messages []Message
	Resend   *Identity
	Announce func(Identity) error
	From     int64
}

// Record is one record as read back.
type Record struct {
	Offset        int64
	Time          time.Time
	Key, Value    []byte
	Headers       []Header
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	BaseOffset    int64
}

// Client is one connection to one Kafka cluster.
type Client struct{}

// Partition is one partition of one topic.
type Partition struct{}

var errNotYet = errors.New("publisher: not written yet")

// New checks cfg; no network.
func New(cfg Config) (*Client, error) { return nil, errNotYet }

// Close ends everything in flight and closes the connections.
func (c *Client) Close() {}

// Partition returns the partition's handle; the same one for each call.
func (c *Client) Partition(topic string, id int) *Partition { return nil }

// PartitionCount asks how many partitions topic has.
func (c *Client) PartitionCount(ctx context.Context, topic string) (int, error) { return 0, errNotYet }

// MaxBatchBytes asks for the topic's max.message.bytes.
func (c *Client) MaxBatchBytes(ctx context.Context, topic string) (int, error) { return 0, errNotYet }

// Ping asks one broker for an answer, once.
func (c *Client) Ping(ctx context.Context) error { return errNotYet }

// Topics lists the topics in use.
func (c *Client) Topics() []string { return nil }

// Statuses lists each partition's status.
func (c *Client) Statuses() []Status { return nil }

// Publish blocks until the batch is settled.
func (p *Partition) Publish(ctx context.Context, b Batch) (base int64, err error) { return 0, errNotYet }

// Offsets returns the first offset and the one after the last.
func (p *Partition) Offsets(ctx context.Context) (start, end int64, err error) {
	return 0, 0, errNotYet
}

// OffsetAt returns the offset of the first record at or after t, the end where there is none.
func (p *Partition) OffsetAt(ctx context.Context, t time.Time) (int64, error) { return 0, errNotYet }

// Read hands the records from offset from to the end, as it is at the call, to fn.
func (p *Partition) Read(ctx context.Context, from int64, fn func(*Record) error) (next int64, err error) {
	return 0, errNotYet
}

// ReadOptions of ReadWith.
type ReadOptions struct {
	MaxWait  time.Duration // wait so long at the end for new records
	MaxBytes int           // of one fetch; default 1 MiB
}

// ReadWith is Read with options.
func (p *Partition) ReadWith(ctx context.Context, from int64, o ReadOptions, fn func(*Record) error) (next int64, err error) {
	return 0, errNotYet
}

// Status of the partition.
func (p *Partition) Status() Status { return Status{} }

// Status says how publishing to a partition goes.
type Status struct {
	Topic     string
	Partition int
	OK        bool
	Class     string    // of the last failure: retry, ambiguous, …; "" when OK
	Sentence  string    // what is wrong and what to do
	Since     time.Time // of the first failure in a row
	Attempts  int       // failures in a row
	Err       error
}

// RejectedError says that Kafka will never take the batch and that nothing of it was appended.
type RejectedError struct {
	Code     int
	Sentence string
	Err      error
}

func (e *RejectedError) Error() string { return e.Sentence }
func (e *RejectedError) Unwrap() error { return e.Err }

// FatalError says that no retry can help until the configuration is changed.
type FatalError struct {
	Code     int
	Sentence string
	Err      error
}

func (e *FatalError) Error() string { return e.Sentence }
func (e *FatalError) Unwrap() error { return e.Err }

// PartitionFor returns the partition of key among n.
func PartitionFor(key []byte, n int) int { return 0 }

// EncodedSize is the most that m takes in a batch.
func EncodedSize(m *Message) int { return 0 }

const (
	// BatchOverhead is what a batch takes besides its records.
	BatchOverhead = 61
	// DefaultMaxBatchBytes is what a topic takes by default (message.max.bytes).
	DefaultMaxBatchBytes = 1_048_588
)

// ParseCompression reads none, gzip, snappy, lz4 or zstd.
func ParseCompression(s string) (Compression, error) { return None, errNotYet }
