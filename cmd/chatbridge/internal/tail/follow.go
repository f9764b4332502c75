package tail

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
)

// Source is the topic to be followed; each method is called by several
// goroutines, each for another partition.
type Source interface {
	Partitions(ctx context.Context) (int, error)
	Offsets(ctx context.Context, partition int) (start, end int64, err error)
	OffsetAt(ctx context.Context, partition int, at time.Time) (int64, error)
	Read(ctx context.Context, partition int, from, to int64, fn func(*publisher.Record) error) error
	Follow(ctx context.Context, partition int, from int64, wait time.Duration, fn func(*publisher.Record) error) (next int64, err error)
}

// Options says what is shown.
type Options struct {
	From   topic.Bound
	Groups []string // only these; none is all
	Count  uint64   // end after so many; 0 is never
	Follow bool     // wait for what is to come
}

// A Record is one record of the topic. It is the receiver's own.
type Record struct {
	Partition int
	publisher.Record
}

const (
	// ahead is how many records a partition may be read ahead of being shown.
	ahead = 64
	// followWait is how long a broker holds a request for new records.
	followWait = time.Second
	// countEach is how often the topic's partitions are counted.
	countEach = 2 * time.Second
)

// errDone ends reading after Options.Count records.
var errDone = errors.New("enough has been shown")

// Follow calls emit for each record, in the caller's goroutine, until there are
// no more, Options.Count is reached, or ctx ends; the last is no error. An error
// of emit ends it.
func Follow(ctx context.Context, source Source, o Options, emit func(*Record) error) error {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	f := &follower{source: source, opt: o, emit: emit, fail: cancel}
	err := f.run(ctx)
	cancel(nil)
	f.readers.Wait()
	if err == nil || errors.Is(err, errDone) || outer.Err() != nil {
		return nil
	}
	return err
}

// A follower is one call of Follow.
type follower struct {
	source  Source
	opt     Options
	emit    func(*Record) error
	fail    context.CancelCauseFunc // ends everything with an error
	readers sync.WaitGroup
	shown   uint64
	next    []int64 // of each partition: where what is new begins
}

func (f *follower) run(ctx context.Context) error {
	n, err := f.source.Partitions(ctx)
	if err != nil {
		return err
	}
	f.next = make([]int64, n)
	history := make([]chan *Record, n)
	for p := range n {
		_, end, err := f.source.Offsets(ctx, p)
		if err != nil {
			return err
		}
		from, err := f.opt.From.Resolve(ctx, f.source, p)
		if err != nil {
			return err
		}
		// With a bound at the end, records may have come between the two questions.
		f.next[p] = max(from, end)
		history[p] = make(chan *Record, ahead)
		f.readers.Go(func() { f.readHistory(ctx, p, from, history[p]) })
	}
	if err := f.merge(ctx, history); err != nil || !f.opt.Follow {
		return err
	}
	return f.live(ctx)
}

// readHistory reads what is there of a partition, then closes out.
func (f *follower) readHistory(ctx context.Context, partition int, from int64, out chan<- *Record) {
	defer close(out)
	err := f.source.Read(ctx, partition, from, f.next[partition], func(r *publisher.Record) error {
		return f.hand(ctx, partition, r, out)
	})
	if err != nil {
		f.fail(err)
	}
}

// hand gives a copy of a record that is wanted to out.
func (f *follower) hand(ctx context.Context, partition int, r *publisher.Record, out chan<- *Record) error {
	if len(f.opt.Groups) > 0 && !slices.Contains(f.opt.Groups, string(r.Key)) {
		return nil
	}
	select {
	case out <- own(partition, r):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// own copies a record.
func own(partition int, r *publisher.Record) *Record {
	c := &Record{Partition: partition, Record: *r}
	c.Key, c.Value = slices.Clone(r.Key), slices.Clone(r.Value)
	c.Headers = make([]publisher.Header, len(r.Headers))
	for i, h := range r.Headers {
		c.Headers[i] = publisher.Header{Key: h.Key, Value: slices.Clone(h.Value)}
	}
	return c
}

// merge shows the partitions' histories by time. A partition's own order stays,
// whatever its times say.
func (f *follower) merge(ctx context.Context, partitions []chan *Record) error {
	heads := make([]*Record, len(partitions))
	for {
		first := -1
		for p := range partitions {
			if heads[p] == nil && partitions[p] != nil {
				r, ok := <-partitions[p]
				if !ok {
					partitions[p] = nil
					continue
				}
				heads[p] = r
			}
			if heads[p] != nil && (first < 0 || heads[p].Time.Before(heads[first].Time)) {
				first = p
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if first < 0 {
			return nil
		}
		r := heads[first]
		heads[first] = nil
		if err := f.show(r); err != nil {
			return err
		}
	}
}

// live shows what comes, also in partitions that are added meanwhile.
func (f *follower) live(ctx context.Context) error {
	out := make(chan *Record, ahead)
	for p, from := range f.next {
		f.readers.Go(func() { f.readLive(ctx, p, from, out) })
	}
	f.readers.Go(func() { f.watchPartitions(ctx, out) })
	for {
		select {
		case r := <-out:
			if err := f.show(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readLive reads what comes into a partition, until ctx ends or the partition is
// there no more.
func (f *follower) readLive(ctx context.Context, partition int, from int64, out chan<- *Record) {
	for ctx.Err() == nil {
		next, err := f.source.Follow(ctx, partition, from, followWait, func(r *publisher.Record) error {
			return f.hand(ctx, partition, r, out)
		})
		if err != nil {
			if n, counted := f.source.Partitions(ctx); counted != nil || partition < n {
				f.fail(err)
			}
			return
		}
		from = next // may be lower than before: see topic.Follow
	}
}

// watchPartitions reads the partitions that are added, from their start. Those of a
// topic that was made anew with fewer, and got more again later, are not.
func (f *follower) watchPartitions(ctx context.Context, out chan<- *Record) {
	read := len(f.next)
	ticker := time.NewTicker(countEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		n, err := f.source.Partitions(ctx)
		if err != nil {
			continue // who reads will say so
		}
		for ; read < n; read++ {
			p := read
			f.readers.Go(func() { f.readLive(ctx, p, 0, out) })
		}
	}
}

// show emits one record.
func (f *follower) show(r *Record) error {
	if err := f.emit(r); err != nil {
		return err
	}
	if f.shown++; f.opt.Count > 0 && f.shown >= f.opt.Count {
		return errDone
	}
	return nil
}
