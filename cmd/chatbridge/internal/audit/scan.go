package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/chatbridge/chatbridge/publisher"
)

// Range is what of a partition was read: from From up to, not including, To.
type Range struct {
	Partition int   `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
	Start     int64 `json:"start"` // the partition's first offset
	Records   int64 `json:"records"`
}

// resolveAll finds out what of each partition is to be read.
func (a *Audit) resolveAll(ctx context.Context) error {
	n, err := a.source.Partitions(ctx)
	if err != nil {
		return err
	}
	if n < 1 || n >= 1<<partitionBits {
		return fmt.Errorf("the topic has %d partitions", n)
	}
	a.partitions, a.ranges = n, make([]Range, n)
	a.growth = newGrowth(n)
	for p := range n {
		if err := a.resolve(ctx, p); err != nil {
			return err
		}
		a.total.Add(a.ranges[p].To - a.ranges[p].From)
	}
	return nil
}

// scan reads every partition, some at a time.
func (a *Audit) scan(ctx context.Context) error {
	if err := a.eachPartition(ctx, a.scanPartition); err != nil {
		return err
	}
	return a.sameTopic(ctx)
}

// sameTopic fails where the topic has another number of partitions than at the
// beginning: then neither what is in it nor where it belongs was seen.
func (a *Audit) sameTopic(ctx context.Context) error {
	n, err := a.source.Partitions(ctx)
	switch {
	case err != nil:
		return err
	case n > a.partitions:
		return fmt.Errorf("the topic was given %d partitions, it had %d when the audit began; audit again with --grown-from %d", n, a.partitions, a.partitions)
	case n < a.partitions:
		return fmt.Errorf("the topic was made anew with %d partitions, it had %d when the audit began; audit again", n, a.partitions)
	}
	return nil
}

// resolve finds out what of a partition is to be read.
func (a *Audit) resolve(ctx context.Context, partition int) error {
	start, end, err := a.source.Offsets(ctx, partition)
	if err != nil {
		return err
	}
	from, err := a.opt.From.Resolve(ctx, a.source, partition)
	if err != nil {
		return err
	}
	to := end
	if a.opt.To.Bounded() {
		if to, err = a.opt.To.Resolve(ctx, a.source, partition); err != nil {
			return err
		}
	}
	a.ranges[partition] = Range{Partition: partition, From: from, To: max(from, to), Start: start}
	return nil
}

// eachPartition calls work for each partition, Options.Parallel at a time, and
// returns the first error.
func (a *Audit) eachPartition(ctx context.Context, work func(ctx context.Context, partition int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	partitions := make(chan int)
	for range min(a.opt.Parallel, a.partitions) {
		wg.Go(func() {
			for p := range partitions {
				if err := work(ctx, p); err != nil {
					cancel(err)
				}
			}
		})
	}
	for p := range a.partitions {
		partitions <- p
	}
	close(partitions)
	wg.Wait()
	return context.Cause(ctx)
}

// scanPartition reads one partition and notes what its records say.
func (a *Audit) scanPartition(ctx context.Context, partition int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	s := &scanner{Audit: a, partition: partition}
	r := &a.ranges[partition]
	err := a.source.Read(ctx, partition, r.From, r.To, func(rec *publisher.Record) error {
		r.Records++
		a.done.Add(1)
		return s.record(rec)
	})
	if err != nil {
		return fmt.Errorf("partition %d: %w", partition, err)
	}
	return s.flush()
}

// A scanner reads one partition.
type scanner struct {
	*Audit
	partition       int
	faults          []fault
	byIDs, byPlaces []entry
}

// batchEntries is how many entries are handed to a sort at once.
const batchEntries = 512

func (s *scanner) record(r *publisher.Record) error {
	f, faults := inspect(r, s.faults[:0])
	s.faults = faults
	at := placeOf(s.partition, r.Offset)
	s.count.record(&f, r)
	if f.known {
		s.check(&f, r)
		key := keyOf(f.stream)
		s.byIDs = append(s.byIDs, entryByID(f.id, at, idRecord, f.number, key))
		if f.sequenced {
			s.byPlaces = append(s.byPlaces, recordByPlace(key, at, f.number, f.mark, f.hole))
		}
	}
	for _, fault := range s.faults {
		e := Example{Partition: s.partition, Offset: r.Offset, Detail: fault.detail, at: at}
		if f.known {
			e.setStream(f.stream)
			e.Seq, e.ID = f.number, f.id.String()
		}
		s.found.add(fault.verdict, 1, e)
	}
	if len(s.byIDs) < batchEntries {
		return nil
	}
	return s.flush()
}

// check judges where the record lies. A wrong key does not make its partition
// wrong as well: where it should be follows from its group.
func (s *scanner) check(f *facts, r *publisher.Record) {
	if string(r.Key) != f.stream.GroupID {
		s.faults = append(s.faults, fault{WrongKey, fmt.Sprintf("the key is %.100q", r.Key)})
	}
	group := []byte(f.stream.GroupID)
	right := publisher.PartitionFor(group, s.partitions)
	switch {
	case right == s.partition:
		return
	case slices.ContainsFunc(s.opt.GrownFrom, func(m int) bool { return publisher.PartitionFor(group, m) == s.partition }):
		s.count.grown.Add(1)
		return
	}
	s.growth.misplaced(group, s.partition)
	f.mark |= misplaced
	s.faults = append(s.faults, fault{WrongPartition, fmt.Sprintf("of %d partitions it belongs in %d", s.partitions, right)})
}

func (s *scanner) flush() error {
	if err := s.byID.add(s.byIDs...); err != nil {
		return err
	}
	if err := s.byPlace.add(s.byPlaces...); err != nil {
		return err
	}
	s.byIDs, s.byPlaces = s.byIDs[:0], s.byPlaces[:0]
	return nil
}
