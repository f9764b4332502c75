package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/trace"
	"github.com/chatbridge/chatbridge/publisher"
)

func newTraceMessageCommand(env *environment) *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace-message",
		Short: "Say where one message is: stored, held, published, or never received",
		Long: `Say where one message is: waiting in the spool, held for its order, published and
where, skipped as a duplicate, in the dead-letter topic, or never received.

It looks into the spool and its checkpoint, also of a bridge that runs, asks the running
bridge, and reads the group's partition of the topic from its end backwards, until the
message cannot lie further back. With --from it reads from there instead; earliest reads
all, which also finds what was published before a group was made anew. Only what it
can reach it looks at, and it says what it could not.

The exit code is 0 where the message is in the topic or on its way there, else 1.`,
		Example: `  chatbridge trace-message -c chatbridge.yaml --group '@TGS#2J4SZEAEL' --seq 1042
  chatbridge trace-message -c chatbridge.yaml --group '@TGS#2J4SZEAEL' --seq 1042 --from 24h --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd, env)
		},
	}
	f.register(cmd)
	return cmd
}

// traceFlags are trace-message's flags.
type traceFlags struct {
	config    configFlags
	operator  operatorFlags
	question  trace.Question
	from      string
	grownFrom []int
	asJSON    bool
}

func (f *traceFlags) register(cmd *cobra.Command) {
	f.config.register(cmd)
	f.operator.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.question.GroupID, "group", "", "the message's `GroupId`")
	flags.Uint64Var(&f.question.Seq, "seq", 0, "the message's `MsgSeq`")
	flags.Uint64Var(&f.question.AppID, "app", 0, "only of this `SdkAppid`, where apps have groups with the same id")
	flags.StringVar(&f.question.TopicID, "topic-id", "", "the `TopicId` in a community")
	flags.StringVar(&f.from, "from", "", "where in the topics to begin: earliest, an offset, a time, or how long ago (15m)")
	flags.IntSliceVar(&f.grownFrom, "grown-from", nil, "the topic had so many `partitions` before (6,12); what lies accordingly is found")
	addJSONFlag(cmd, &f.asJSON)
}

// check finds what is wrong with the flags.
func (f *traceFlags) check(cmd *cobra.Command) error {
	switch {
	case f.question.GroupID == "":
		return usagef("say which message: --group and --seq")
	case !cmd.Flags().Changed("seq"):
		return usagef("say which message of the group: --seq")
	case slices.ContainsFunc(f.grownFrom, func(n int) bool { return n < 1 }):
		return usagef("each number of --grown-from must be at least 1")
	}
	return nil
}

func (f *traceFlags) run(cmd *cobra.Command, env *environment) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	l := looking{env: env, question: f.question, grownFrom: f.grownFrom}
	if f.from != "" {
		from, err := topic.ParseBound(f.from, env.now())
		if err != nil {
			return usagef("--from: %w", err)
		}
		l.from = &from
	}
	settings, err := f.config.load(env, nil, "spool", "kafka", "ops")
	if err != nil {
		return err
	}
	l.cfg = &settings.Config
	if l.operator, err = f.operator.open(settings); err != nil {
		return err
	}
	answer, err := l.look(cmd.Context())
	if err != nil {
		return err
	}
	if f.asJSON {
		err = writeJSON(env.stdout, answer)
	} else {
		err = writeTrace(env, answer)
	}
	if err == nil && !answer.State.Arrived() {
		err = errFinding
	}
	return err
}

// looking is one search over all the places.
type looking struct {
	env       *environment
	cfg       *bridge.Config
	operator  *operator
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
		{"the spool", l.spool}, {"the running bridge", l.bridge}, {"the topics", l.topics},
	} {
		if err := place.look(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			l.notes = append(l.notes, fmt.Sprintf("%s was not looked at: %v", place.name, err))
		}
	}
	answer := l.evidence.Judge()
	answer.Notes = append(answer.Notes, l.notes...)
	return answer, nil
}

// spool looks for deliveries in the spool, and then at the checkpoint: what is
// finished there is in a topic that is read later.
func (l *looking) spool(ctx context.Context) error {
	dir := l.cfg.Spool.Dir
	var entries []spool.Entry // without their bodies
	err := spool.Walk(dir, 0, func(e spool.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.stored.Add(1)
		d, ok := l.question.Read(&trace.Callback{Query: string(e.Record.Query), Body: e.Record.Body, ReceivedAt: e.Record.ReceivedAt})
		if !ok {
			return nil
		}
		d.Position = uint64(e.Position)
		l.evidence.Deliveries = append(l.evidence.Deliveries, d)
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return spoolError(dir, err)
	}
	l.evidence.SpoolRead = true
	progress, err := relay.ReadProgress(func(fn func([]byte) error) error { return spool.ReadCheckpoint(dir, fn) })
	if err != nil {
		return err
	}
	for i := range entries {
		l.evidence.Deliveries[i].Settled = progress.Has(&entries[i])
	}
	return nil
}

// bridge asks the running bridge what it holds of the group.
func (l *looking) bridge(ctx context.Context) error {
	g, err := l.operator.group(ctx, ops.GroupQuery{GroupID: l.question.GroupID, TopicID: l.question.TopicID})
	if err != nil {
		return err
	}
	s, _, err := l.operator.status(ctx)
	if err != nil {
		return err
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

// stream takes over what the bridge knows of one stream.
func (l *looking) stream(s *ops.Stream) {
	e, seq := &l.evidence, l.question.Seq
	e.Next = max(e.Next, s.NextExpected)
	if s.Duplicates.Count > 0 && s.Duplicates.Seq == seq {
		e.Repeat = s.Duplicates.At
	}
	for _, h := range s.Held {
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

// topics reads the events topic and, unless the message is there, the dead letters.
func (l *looking) topics(ctx context.Context) error {
	kafka := l.cfg.Publisher()
	kafka.Patience = l.operator.timeout
	client, err := publisher.New(kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	since, passed := l.since(), func() { l.records.Add(1) }
	search := trace.Search{Question: l.question, Since: since, From: l.from, GrownFrom: l.grownFrom, Passed: passed}
	if l.evidence.Found, err = search.Run(ctx, topic.New(client, l.cfg.Kafka.Topic)); err != nil {
		return err
	}
	if len(l.evidence.Found.Records) > 0 {
		return nil
	}
	letters := trace.Letters{Question: l.question, Since: since, From: l.from, Passed: passed}
	l.evidence.Letters, err = letters.Run(ctx, topic.New(client, l.cfg.Kafka.DeadLetterTopic))
	return err
}

// since is a time before which no record of the message can be; zero is unknown.
func (l *looking) since() (at time.Time) {
	for i := range l.evidence.Deliveries {
		if begin := l.evidence.Deliveries[i].Begin(); at.IsZero() || begin.Before(at) {
			at = begin
		}
	}
	return at
}
