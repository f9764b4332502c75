package trace

import (
	"context"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// Letters looks for a message in the dead-letter topic. What lies there could not
// be read, or Kafka did not take it; so besides messages that are read, those are
// found whose body names the group and the number.
type Letters struct {
	Question
	Since  time.Time    // zero = unknown; the whole topic is read
	From   *topic.Bound // nil = not said
	Passed func()
}

// mostLetters bounds how many dead letters are kept.
const mostLetters = 20

// Run reads the dead-letter topic.
func (l *Letters) Run(ctx context.Context, t Reader) (found []Letter, err error) {
	n, err := t.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	for p := range n {
		start, end, err := t.Offsets(ctx, p)
		if err != nil {
			return nil, err
		}
		from := start
		switch {
		case l.From != nil:
			from, err = l.From.Resolve(ctx, t, p)
		case !l.Since.IsZero():
			from, err = t.OffsetAt(ctx, p, l.Since)
		}
		if err != nil {
			return nil, err
		}
		err = t.Read(ctx, p, max(from, start), end, func(rec *publisher.Record) error {
			if l.Passed != nil {
				l.Passed()
			}
			if letter, ok := l.read(rec, p); ok && len(found) < mostLetters {
				found = append(found, letter)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// read makes a letter of a record; ok is false where it is not looked for.
func (l *Letters) read(rec *publisher.Record, partition int) (letter Letter, ok bool) {
	header := headersOf(rec)
	query, _ := header(schema.HeaderQuery)
	d, ok := l.Question.Read(&Callback{Query: query, Body: rec.Value, ReceivedAt: rec.Time})
	letter = Letter{Partition: partition, Offset: rec.Offset, Time: rec.Time.UTC(), Likely: d.event == nil, identity: d.identity()}
	letter.Reason, _ = header(schema.HeaderReason)
	letter.Detail, _ = header(schema.HeaderDetail)
	letter.ReceivedAt, _ = header(schema.HeaderReceivedAt)
	return letter, ok
}
