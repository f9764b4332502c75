package trace

import (
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// reading is one partition's records on their way.
type reading struct {
	search    *Search
	found     *Found
	partition int
	records   []Record // of the step under way
	anchors   map[schema.Stream]*anchor
}

// anchor is what is known of a stream: of its newest numbering where it is, and of
// its oldest one that was seen whether that ends the search. The numbers begin
// again with each reset.
type anchor struct {
	mark  uint64 // where the stream is
	later bool   // that was seen in a later step
	ends  bool   // nothing before what was read can be looked for
	here  bool   // the step under way says so
	reset bool   // in the step under way the numbers began again
}

// step begins a step, which lies before those that were read.
func (r *reading) step() {
	r.records = nil
	for _, a := range r.anchors {
		a.later, a.here, a.reset = a.mark != 0, false, false
	}
}

// anchor takes over what a record of the stream says. Of a numbering that is not
// the oldest one nothing follows for what lies before.
func (r *reading) anchor(stream schema.Stream, seq uint64, order schema.Order) {
	a := r.anchors[stream]
	if a == nil {
		a = &anchor{}
		r.anchors[stream] = a
	}
	if order == schema.Late || order == schema.Unsequenced {
		return // it moves no mark
	}
	if !a.later {
		a.mark = seq
	}
	switch {
	case a.reset:
	case order == schema.Reset:
		a.reset, a.ends = true, a.here
	case seq <= r.search.Seq:
		a.here, a.ends = true, true
	}
}

// mark is where the stream is; of several, the one that is furthest.
func (r *reading) mark() (mark uint64) {
	for _, a := range r.anchors {
		mark = max(mark, a.mark)
	}
	return mark
}

// anchored reports whether nothing before what was read can be looked for: there
// is an anchor of each stream that was seen.
func (r *reading) anchored() bool {
	for _, a := range r.anchors {
		if !a.ends {
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
	r.anchor(stream, seq, marks.Order)
	switch {
	case sequenced:
		r.found.near(r.search.Seq, seen)
	case !r.search.asks(e):
		r.found.Unsequenced++
	}
	return nil
}
