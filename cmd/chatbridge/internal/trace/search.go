package trace

import (
	"context"
	"slices"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// Reader is what is asked of a topic.
type Reader interface {
	Partitions(ctx context.Context) (int, error)
	Offsets(ctx context.Context, partition int) (start, end int64, err error)
	OffsetAt(ctx context.Context, partition int, at time.Time) (int64, error)
	Read(ctx context.Context, partition int, from, to int64, fn func(*publisher.Record) error) error
}

// Search looks for a message in the events topic.
type Search struct {
	Question
	// Since is a time before which the message cannot be; zero is unknown.
	Since time.Time
	// From, where it is not nil, is where to read from, instead of searching from
	// the end.
	From *topic.Bound
	// GrownFrom are the numbers of partitions that the topic had before.
	GrownFrom []int
	// Passed is called for each record that was read; nil = not.
	Passed func()
}

// Range is a part of a partition that was read.
type Range struct {
	Partition int   `json:"partition"`
	From      int64 `json:"from_offset"` // the first one read
	To        int64 `json:"to_offset"`   // the one after the last
	Start     int64 `json:"first_offset"`
	// Complete says that the partition was read from its start.
	Complete bool `json:"complete"`

	ended bool // nothing before From can be the message, unless its stream had been forgotten
}

// Found is what the topic says.
type Found struct {
	Ranges  []Range
	Records []Record // with the number, in the order of the topic
	Skipped []Record // those whose hole names the number
	// Below and Above are the nearest numbers of the stream that are there.
	Below, Above *Record
	// Unsequenced counts records of the stream that have no number.
	Unsequenced int
	// OtherTopics are topics of the group that records were of, a few of them.
	OtherTopics []string
	// Mark is the number that the stream came to last; 0 = unknown.
	Mark uint64
	// LeftOff is how many more records there are than Records has.
	LeftOff int
}

const (
	firstStep   = 20_000 // records; the steps double
	mostRecords = 100
	mostTopics  = 8
)

// Run searches.
func (s *Search) Run(ctx context.Context, t Reader) (*Found, error) {
	n, err := t.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	var partitions []int
	for _, count := range append([]int{n}, s.GrownFrom...) {
		if p := publisher.PartitionFor([]byte(s.GroupID), count); p < n && !slices.Contains(partitions, p) {
			partitions = append(partitions, p)
		}
	}
	f := &Found{}
	for _, p := range partitions {
		if err := s.partition(ctx, t, p, f); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(f.Records, func(a, b Record) int { return a.Time.Compare(b.Time) })
	return f, nil
}

// partition searches one partition, from its end backwards.
func (s *Search) partition(ctx context.Context, t Reader, p int, f *Found) error {
	start, end, err := t.Offsets(ctx, p)
	if err != nil {
		return err
	}
	from, err := s.begin(ctx, t, p, start, end)
	if err != nil {
		return err
	}
	r := &reading{search: s, found: f, partition: p, anchors: map[schema.Stream]*anchor{}}
	var all []Record
	for to, step := end, int64(firstStep); ; step *= 2 {
		r.step()
		if err := t.Read(ctx, p, from, to, r.take); err != nil {
			return err
		}
		all = append(r.records, all...)
		if from == start || s.From != nil || r.anchored() {
			break
		}
		to, from = from, max(start, from-step)
	}
	whole := from <= start
	f.Ranges = append(f.Ranges, Range{Partition: p, From: from, To: end, Start: start, Complete: whole, ended: whole || r.anchored()})
	f.add(all)
	if f.Mark == 0 { // else this is a partition that the group has left
		f.Mark = r.mark()
	}
	return nil
}

// begin is where the first step begins.
func (s *Search) begin(ctx context.Context, t Reader, p int, start, end int64) (from int64, err error) {
	switch {
	case s.From != nil:
		return s.From.Resolve(ctx, t, p)
	case !s.Since.IsZero():
		from, err = t.OffsetAt(ctx, p, s.Since)
		return min(max(from, start), end), err
	default:
		return max(start, end-firstStep), nil
	}
}

// add keeps what was found, as far as there is room.
func (f *Found) add(records []Record) {
	room := min(len(records), mostRecords-len(f.Records))
	f.Records = append(f.Records, records[:room]...)
	f.LeftOff += len(records) - room
}

// near keeps the nearest numbers, and those that say that the number is missing.
func (f *Found) near(seq uint64, r Record) {
	switch {
	case r.Seq < seq && (f.Below == nil || f.Below.Seq < r.Seq):
		f.Below = &r
	case r.Seq > seq && (f.Above == nil || f.Above.Seq > r.Seq):
		f.Above = &r
	}
	if h := r.Hole; h != nil && h.From <= seq && seq <= h.To && len(f.Skipped) < mostRecords {
		f.Skipped = append(f.Skipped, r)
	}
}

// other notes another topic of the group.
func (f *Found) other(s *Search, stream schema.Stream) {
	topic := stream.TopicID
	if topic != s.TopicID && len(f.OtherTopics) < mostTopics && !slices.Contains(f.OtherTopics, topic) {
		f.OtherTopics = append(f.OtherTopics, topic)
	}
}

func recordOf(rec *publisher.Record, partition int, e *schema.Event, marks schema.Marks) Record {
	r := Record{
		Partition: partition, Offset: rec.Offset, Time: rec.Time.UTC(), Seq: e.Message.Seq.Value,
		Order: string(marks.Order), ReceivedAt: e.ReceivedAt, identity: identityOf(e),
	}
	if marks.Hole.From > 0 {
		r.Hole = &Hole{marks.Hole.From, marks.Hole.To}
	}
	return r
}

func headersOf(rec *publisher.Record) func(string) (string, bool) {
	return func(key string) (string, bool) {
		for i := range rec.Headers {
			if rec.Headers[i].Key == key {
				return string(rec.Headers[i].Value), true
			}
		}
		return "", false
	}
}
