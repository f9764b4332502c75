package relay

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// TestParcelsMessagesAreTheirEvents (P3, P4): the messages of a batch share memory,
// which serves batch after batch, and each says what its own event says.
func TestParcelsMessagesAreTheirEvents(t *testing.T) {
	var r recordReader
	var p parcel
	for batch, size := range []int{1, 40, 3} {
		var events []*outgoing
		var want []publisher.Message
		for i := range size {
			entry := benchEntry(1_000_000_000 + 1000*batch + i)
			o, letter := r.read(&entry)
			if letter != nil {
				t.Fatal(letter.detail)
			}
			o.fact = resequence.Fact{Verdict: resequence.AfterHole, HoleFrom: uint64(i + 1), HoleTo: uint64(i + 2)}
			if i%2 == 0 {
				o.fact = resequence.Fact{Verdict: resequence.Late}
			}
			events = append(events, o)
			want = append(want, alone(t, o))
		}
		if diff := cmp.Diff(want, p.pack(events)); diff != "" {
			t.Fatalf("batch %d (-alone +packed):\n%s", batch, diff)
		}
	}
}

// alone is an event's message, made the simple way.
func alone(t *testing.T, o *outgoing) publisher.Message {
	t.Helper()
	value, err := o.event.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := publisher.Message{Key: []byte(o.event.Group.ID), Value: value, Time: o.event.RecordTime()}
	hole := schema.Hole{From: o.fact.HoleFrom, To: o.fact.HoleTo}
	for _, h := range o.event.Headers(order(o.fact.Verdict), hole) {
		m.Headers = append(m.Headers, publisher.Header(h))
	}
	if len(m.Headers) == 0 {
		t.Fatalf("event %s has no headers", o.event.ID)
	}
	return m
}
