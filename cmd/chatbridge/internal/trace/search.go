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
	// Complete says that nothing before From can be the message.
	Complete bool `json:"complete"`
}

// Found is what the topic says.
type Found struct {
	Ranges  []Range
	Records []Record // with the number, in the order of the topic
	Skipped []Record // those whose hole names the number
	// Below and Above are the nearest numbers of the stream that are there.
	Below, Above *Record
	// OtherTopics are topics of the group that records were of, a few of them.
	OtherTopics []string
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
	r := &reading{search: s, found: f, partition: p, anchors: map[schema.Stream]bool{}}
	var all []Record
	for to, step := end, int64(firstStep); ; step *= 2 {
		r.records = nil
		if err := t.Read(ctx, p, from, to, r.take); err != nil {
			return err
		}
		all = append(r.records, all...)
		if from == start || s.From != nil || r.anchored() {
			break
		}
		to, from = from, max(start, from-step)
	}
	f.Ranges = append(f.Ranges, Range{Partition: p, From: from, To: end, Start: start, Complete: from == start || r.anchored()})
	f.add(all)
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

// reading is one partition's records on their way.
type reading struct {
	search    *Search
	found     *Found
	partition int
	records   []Record               // of the step under way
	anchors   map[schema.Stream]bool // whether nothing earlier can be looked for
}

// anchored reports whether nothing before what was read can be looked for: there
// is an anchor of each stream that was seen.
func (r *reading) anchored() bool {
	for _, anchored := range r.anchors {
		if !anchored {
			return false
		}
	}
	return len(r.anchors) > 0
}

// take looks at one record.
func (r *reading) take(rec *publisher.Record) error {
	if r.search.Passed != nil {
		r.search.Passed()
	}
	if string(rec.Key) != r.search.GroupID {
		return nil
	}
	e, err := schema.Decode(rec.Value)
	if err != nil {
		return nil // not an event: audit says so
	}
	stream := e.Stream()
	if !r.search.stream(stream) {
		r.found.other(r.search, stream)
		return nil
	}
	marks, err := schema.ParseHeaders(headersOf(rec))
	if err != nil {
		return nil // as above
	}
	seen := recordOf(rec, r.partition, e, marks)
	if r.search.asks(e) {
		r.records = append(r.records, seen)
	}
	seq, sequenced := e.Sequence()
	moved := sequenced && marks.Order != schema.Late
	r.anchors[stream] = r.anchors[stream] || moved && seq <= r.search.Seq
	if sequenced {
		r.found.near(r.search.Seq, seen)
	}
	return nil
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
