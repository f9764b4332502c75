package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// Options is what a Relay works with and on.
type Options struct {
	Spool *spool.Spool
	// Connect makes the client of one run, which closes it. A run that follows
	// another starts with nothing in flight, like one after a crash.
	Connect func() (*publisher.Client, error)

	Topic           string // of the events
	DeadLetterTopic string
	CallbacksTopic  string // of other commands; "" = they are dropped
	LargeDir        string // where dead letters too large for their topic are kept whole

	// Boot tells one boot of the machine from another. After another boot, the end
	// of the checkpoint may have been lost with the power.
	Boot string

	Resequence resequence.Config // Budget and StateBytes are the relay's to set
	Linger     time.Duration     // how long a small batch waits for company; 0 = 2 ms

	// TraceHeaders: a record whose callback was stored with a trace carries it, in
	// the headers traceparent and tracestate.
	TraceHeaders bool

	Logger *zap.Logger
	Hooks  Hooks
	Now    func() time.Time // nil = time.Now
}

// Bounds of memory. What waits between the spool and Kafka is bounded by
// queueBytes and heldBytes together, whatever the backlog.
const (
	queueBytes  = 24 << 20
	heldBytes   = 64 << 20
	streamBytes = 48 << 20
	// leastLaneBytes lets a lane of many fill a batch.
	leastLaneBytes = 256 << 10
	defaultLinger  = 2 * time.Millisecond
	checkpointEach = time.Second
	// maxBatchBytes bounds a batch before compression.
	maxBatchBytes = 800 << 10
	limitWithin   = 2 * time.Second
	// quietFor is how long what a former run may have sent is given to arrive at a
	// leader that answers. It is what publisher gives one answer: a broker that
	// answers us has read, by then, what had reached it before.
	quietFor = 10 * time.Second
)

// Relay carries callbacks from the spool to Kafka. Run it once at a time; Drain
// and Stats may be called from any goroutine while it runs.
type Relay struct {
	opt         Options
	journal     *journal
	queueBytes  int64         // queueBytes, but for tests
	watchEach   time.Duration // partitionsEach, but for tests
	quiet       time.Duration // quietFor, but for tests
	laneBytes   int64
	batchBytes  int
	deadLetters *aside
	callbacks   *aside // nil = other commands are dropped

	until  spool.Position // the last record that a former run can have handled
	oldest time.Time      // receipt of the oldest record, where an offset to read a tail from is not known

	doubtful   bool         // the checkpoint may have lost its end, and with it what was announced last
	recovering atomic.Int32 // lanes that do not know yet what of the former run arrived

	tailLine, countLine, fatalLine loglimit.Limit

	mu         sync.Mutex // guards the fields below; a run writes them, Stats and Drain read them
	trouble    error
	anew       time.Time // when it was last said that the topic was made anew
	client     *publisher.Client
	lanes      []*lane
	dispatcher *dispatcher
}

// New returns a relay that is not running yet. It reads and writes nothing.
func New(opt Options) *Relay {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = zap.NewNop()
	}
	if opt.Linger == 0 {
		opt.Linger = defaultLinger
	}
	r := &Relay{
		opt: opt, journal: &journal{log: opt.Spool.Checkpoint()},
		queueBytes: queueBytes, watchEach: partitionsEach, quiet: quietFor,
	}
	r.journal.rewrite = r.rewrite
	r.deadLetters = newAside(r, opt.DeadLetterTopic)
	if opt.CallbacksTopic != "" {
		r.callbacks = newAside(r, opt.CallbacksTopic)
	}
	return r
}

// errGrown ends a run whose lanes were cut anew for more partitions.
var errGrown = errors.New("the topic has more partitions now")

// fewerError ends a run whose lanes are to be cut for fewer partitions.
type fewerError struct{ partitions int }

func (e *fewerError) Error() string {
	return fmt.Sprintf("the topic has only %d partitions now", e.partitions)
}

// Run relays until ctx ends, and returns nil then. Any other return is a fault
// of the spool's disk; the caller may run it again, which recovers as after a
// crash. Kafka's faults do not end it.
func (r *Relay) Run(ctx context.Context) error {
	cutTo := 0
	for {
		err := r.runOnce(ctx, cutTo)
		cutTo = 0
		var fewer *fewerError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errGrown):
			continue
		case errors.As(err, &fewer):
			cutTo = fewer.partitions
			continue
		default:
			return err
		}
	}
}

// runOnce relays until something ends it. cutTo, when not 0, is how many partitions the topic has, fewer than before.
func (r *Relay) runOnce(ctx context.Context, cutTo int) error {
	client, err := r.opt.Connect()
	if err != nil {
		return err
	}
	defer client.Close()
	r.mu.Lock()
	r.client = client
	r.mu.Unlock()
	r.opt.Resequence.Budget = resequence.NewBudget(heldBytes) // what the last run held is read again
	state, err := restore(r.opt.Spool.Checkpoint().Load, r.newBuffer)
	if err != nil {
		return err
	}
	r.judge(state)
	if err := r.settleLayout(ctx, state, cutTo); err != nil {
		return err
	}
	r.batchBytes = r.limit(ctx)
	r.until = r.opt.Spool.End() - 1
	r.build(state)
	if err := r.rewrite(); err != nil {
		return err
	}
	works := []func(context.Context) error{
		r.dispatcher.main, r.dispatcher.catchUp, r.checkpoint, r.watchPartitions, r.deadLetters.run,
	}
	if r.callbacks != nil {
		works = append(works, r.callbacks.run)
	}
	for _, l := range r.lanes {
		works = append(works, l.run)
	}
	err = together(ctx, works...)
	if saved := r.end(); saved != nil && (err == nil || ctx.Err() != nil) {
		err = saved
	}
	return err
}

// judge decides whether the checkpoint can be taken to name every batch that may
// still be on its way.
func (r *Relay) judge(s *restored) {
	whole := s.ended || s.boot == r.opt.Boot
	cut := r.opt.Spool.Checkpoint().Cut()
	r.doubtful = r.opt.Spool.Stat().Records > 0 && (cut || !whole)
	if r.doubtful {
		r.opt.Logger.Warn("the checkpoint's end may be missing, as after a power loss; publishing waits until what was on its way has arrived",
			zap.Bool("cut", cut), zap.Duration("wait", r.quiet))
	}
}

func (r *Relay) newBuffer(lanes int) *buffer {
	c := r.opt.Resequence
	c.StateBytes = max(streamBytes/int64(lanes), 64<<10)
	return resequence.New[*outgoing](c)
}

// settleLayout decides by how many partitions the lanes are cut: by the
// checkpoint's, as long as the topic has them, by the topic's otherwise. Where no
// offset is known from which a tail is to be read, the oldest record's time says it.
func (r *Relay) settleLayout(ctx context.Context, s *restored, cutTo int) error {
	if err := r.fitLayout(ctx, s, cutTo); err != nil {
		return err
	}
	r.oldest = time.Time{}
	if stat := r.opt.Spool.Stat(); stat.Records > 0 && slices.ContainsFunc(s.lanes, func(l laneState) bool { return l.next < 0 }) {
		r.oldest = stat.OldestReceipt
	}
	return nil
}

func (r *Relay) fitLayout(ctx context.Context, s *restored, cutTo int) error {
	switch {
	case s.layout.topic != r.opt.Topic:
		n, err := r.partitionCount(ctx)
		if err != nil {
			return err
		}
		if s.layout.topic != "" {
			r.opt.Logger.Warn("the events topic is another one now; what is unsettled goes there",
				zap.String("was", s.layout.topic), zap.String("topic", r.opt.Topic))
		}
		return s.recut(layout{partitions: n, topic: r.opt.Topic}, r.newBuffer)
	case cutTo > 0:
		return s.recut(layout{partitions: cutTo, topic: r.opt.Topic}, r.newBuffer)
	}
	return nil
}

// partitionCount asks until Kafka answers.
func (r *Relay) partitionCount(ctx context.Context) (int, error) {
	for attempt := 0; ; attempt++ {
		n, err := r.client.PartitionCount(ctx, r.opt.Topic)
		if err == nil && n > 0 {
			r.setTrouble(nil)
			return n, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err == nil {
			err = fmt.Errorf("topic %s has no partitions yet", r.opt.Topic)
		}
		r.setTrouble(err)
		r.countLine.Warn(r.opt.Logger, r.opt.Now(), "kafka does not tell the topic's partitions yet; records wait in the spool", zap.Error(err))
		if err := pause(ctx, backoff(attempt)); err != nil {
			return 0, err
		}
	}
}

// limit is how large a batch may be: what the topic takes, and no more than
// keeps a broker's answer quick.
func (r *Relay) limit(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, limitWithin)
	defer cancel()
	most, err := r.client.MaxBatchBytes(ctx, r.opt.Topic)
	if err != nil {
		most = publisher.DefaultMaxBatchBytes // a smaller limit shows as a refusal, and the batch is halved
	}
	return min(most, maxBatchBytes) - publisher.BatchOverhead
}

// build makes the lanes of a restored state. What the run before remembers of
// streams for whoever asks goes on with them.
func (r *Relay) build(s *restored) {
	lanes := make([]*lane, len(s.lanes))
	r.recovering.Store(int32(len(lanes)))
	r.laneBytes = max(r.queueBytes/int64(len(lanes)), leastLaneBytes)
	d := newDispatcher(lanes, func(from spool.Position) Reader { return r.opt.Spool.NewReader(from) })
	for i := range lanes {
		lanes[i] = newLane(r, i, len(lanes), &s.lanes[i])
		lanes[i].dispatcher = d
	}
	remind(lanes, r.lanes)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes, r.dispatcher = lanes, d
}

// together runs works at once and waits for all. The first that fails ends the
// others; its error is returned.
func together(ctx context.Context, works ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, work := range works {
		wg.Go(func() {
			if err := work(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
