package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/trace"
	"github.com/chatbridge/chatbridge/publisher"
)

// looking is one search over all the places.
type looking struct {
	env       *environment
	cfg       *bridge.Config
	operator  *operator
	client    *publisher.Client
	question  trace.Question
	from      *topic.Bound
	grownFrom []int

	evidence trace.Evidence
	notes    []string // places that could not be looked at
	stored   atomic.Uint64
	records  atomic.Uint64
}

// look asks the places, in the order in which a message passes them.
func (l *looking) look(ctx context.Context) (*trace.Answer, error) {
	stop := showProgress(l.env, func() string {
		return fmt.Sprintf("%s stored callbacks and %s records read", grouped(l.stored.Load()), grouped(l.records.Load()))
	})
	defer stop()
	l.evidence = trace.Evidence{Question: l.question}
	for _, place := range []struct {
		name string
		look func(context.Context) error
	}{
		{"the spool", l.spool}, {"the running bridge", l.bridge}, {"the topic", l.events}, {"the dead-letter topic", l.letters},
	} {
		if err := place.look(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			l.notes = append(l.notes, fmt.Sprintf("%s could not be looked at: %v", place.name, err))
		}
	}
	answer := l.evidence.Judge()
	answer.Notes = append(answer.Notes, l.notes...)
	return answer, nil
}

// spool looks for deliveries in the spool, and then at the checkpoint: what is
// finished there is in a topic that is read later.
func (l *looking) spool(ctx context.Context) error {
	dir, e := l.cfg.Spool.Dir, &l.evidence
	before, _ := progressIn(dir) // where it cannot be read, the second time says so
	var entries []spool.Entry    // of the deliveries, without their bodies
	err := spool.Walk(dir, 0, func(entry spool.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.stored.Add(1)
		query, _ := spool.CutTrace(entry.Record.Query)
		d, ok := l.question.Read(&trace.Callback{Query: string(query), Body: entry.Record.Body, ReceivedAt: entry.Record.ReceivedAt})
		d.Position = uint64(entry.Position)
		switch {
		case ok:
			e.Deliveries, entries = append(e.Deliveries, d), append(entries, entry)
		case !before.Has(&entry):
			e.Spooled.Add(&l.question, &d)
		}
		return nil
	})
	if err == nil && l.stored.Load() == 0 {
		err = used(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no spool in %s; give the bridge's configuration with -c, or --set spool.dir=<its directory>", dir)
	}
	if err != nil {
		return err
	}
	e.SpoolRead = true
	after, err := progressIn(dir)
	if err != nil {
		e.Spooled = trace.Spooled{} // nobody knows what is settled
		return err
	}
	for i := range entries {
		e.Deliveries[i].Settled = after.Has(&entries[i])
	}
	return nil
}

// progressIn reads the checkpoint in the spool's directory.
func progressIn(dir string) (relay.Progress, error) {
	return relay.ReadProgress(func(fn func([]byte) error) error { return spool.ReadCheckpoint(dir, fn) })
}

// used tells a spool that has nothing from a directory that is none.
func used(dir string) error {
	stat, err := spool.Inspect(dir)
	if err == nil && stat.Segments == 0 {
		err = fmt.Errorf("%s has no segment: %w", dir, fs.ErrNotExist)
	}
	return err
}

// bridge asks the running bridge what it holds of the group.
func (l *looking) bridge(ctx context.Context) error {
	g, err := l.operator.group(ctx, ops.GroupQuery{GroupID: l.question.GroupID, TopicID: l.question.TopicID})
	if err != nil {
		return l.untold(err)
	}
	s, _, err := l.operator.status(ctx)
	if err != nil {
		return l.untold(err)
	}
	l.evidence.Alive, l.evidence.Sink = true, s.Sink.Reasons
	l.notes = append(l.notes, g.Notes...)
	for i := range g.Streams {
		if s := &g.Streams[i]; !s.Unnamed && s.TopicID == l.question.TopicID && (l.question.AppID == 0 || s.AppID == l.question.AppID) {
			l.stream(s)
		}
	}
	return nil
}

// untold tells a bridge that does not answer from one that does not say.
func (l *looking) untold(err error) error {
	if !errors.Is(err, errNotAnswering) {
		l.evidence.Refused = err.Error()
	}
	return err
}

// stream takes over what the bridge knows of one stream.
func (l *looking) stream(s *ops.Stream) {
	e, seq := &l.evidence, l.question.Seq
	e.Next = max(e.Next, s.NextExpected)
	if s.Duplicates.Count > 0 && s.Duplicates.Seq == seq {
		e.Repeat = s.Duplicates.At
	}
	for _, h := range s.LastHoles {
		if h.From <= seq && seq <= h.To && h.At != nil && e.GivenUp == nil {
			e.GivenUp = &trace.GivenUp{Hole: trace.Hole{From: h.From, To: h.To}, At: *h.At}
		}
	}
	if p := s.Published; p != nil && p.Seq != nil && *p.Seq == seq {
		e.Last = &trace.Last{Partition: p.Partition, Offset: p.Offset, At: p.At}
	}
	for _, h := range s.Held {
		if h.Seq > seq && !h.Restart {
			e.Ahead = append(e.Ahead, h.Seq)
		}
		if h.Seq != seq {
			continue
		}
		held := trace.Held{LeavesIn: h.LeavesIn, Restart: h.Restart, AppID: s.AppID}
		for _, hole := range s.WaitsFor {
			if hole.To < seq {
				held.WaitsFor = append(held.WaitsFor, trace.Hole{From: hole.From, To: hole.To})
			}
		}
		e.Held = append(e.Held, held)
	}
}

// events reads the events topic.
func (l *looking) events(ctx context.Context) (err error) {
	search := trace.Search{Question: l.question, Since: l.since(), From: l.from, GrownFrom: l.grownFrom, Passed: l.passed}
	l.evidence.Found, err = search.Run(ctx, topic.New(l.client, l.cfg.Kafka.Topic))
	return err
}

// letters reads the dead letters, unless all that is known of is in the topic.
func (l *looking) letters(ctx context.Context) (err error) {
	if l.evidence.Found == nil || l.evidence.Placed() {
		return nil // Kafka is away, or there is nothing to look for
	}
	letters := trace.Letters{Question: l.question, Since: l.since(), From: l.from, Passed: l.passed}
	l.evidence.Letters, err = letters.Run(ctx, topic.New(l.client, l.cfg.Kafka.DeadLetterTopic))
	l.evidence.LettersRead = err == nil
	return err
}

func (l *looking) passed() { l.records.Add(1) }

// since is a time before which no record of the message can be; zero is unknown.
func (l *looking) since() (at time.Time) {
	for i := range l.evidence.Deliveries {
		if begin := l.evidence.Deliveries[i].Begin(); at.IsZero() || begin.Before(at) {
			at = begin
		}
	}
	return at
}
