package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// Options is what a Bridge is told besides its configuration.
type Options struct {
	Version string           // of the program, for people and for the metric build_info
	Now     func() time.Time // nil = time.Now
	Logger  *zap.Logger      // nil = silent
	Hooks   relay.Hooks      // called beside the metrics' own
	// Answered is called once for each request; nil = not.
	Answered func(ingest.Outcome, time.Duration)
}

// Bridge is one running bridge. Open it, Run it once.
type Bridge struct {
	cfg     Config
	opt     Options
	started time.Time

	spool   *spool.Spool
	client  *publisher.Client // creates topics; the relay has its own
	relay   *relay.Relay
	ingest  *ingest.Server
	ops     *ops.Server
	metrics *metrics
	history *history
	recent  *recent
	stored  atomic.Int64 // bytes that the spool has written

	gate         gate
	verification verification
	life         context.Context // ends with the bridge
	end          context.CancelFunc

	draining   atomic.Bool
	relayFault atomic.Pointer[error]               // why the relay is down; nil or pointing to nil while it runs
	uncreated  atomic.Pointer[[]publisher.Finding] // why topics that serve is to create are not there
}

// Open opens the spool and binds both listeners. It does not wait for Kafka.
// An error leaves nothing open.
func Open(cfg Config, opt Options) (*Bridge, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = zap.NewNop()
	}
	b := &Bridge{cfg: cfg, opt: opt, started: opt.Now(), history: newHistory(), recent: newRecent(opt.Now(), cfg.Ops.ShowContent)}
	b.life, b.end = context.WithCancel(context.Background())
	b.opt.Logger = b.recent.watch(opt.Logger)
	b.metrics = newMetrics(b, opt.Version)
	for _, step := range []func() error{b.openSpool, b.openRelay, b.openIngest, b.openOps} {
		if err := step(); err != nil {
			return nil, errors.Join(err, b.abandon())
		}
	}
	b.history.add(b.tally()) // what the first minute is measured against
	return b, nil
}

func (b *Bridge) openSpool() error {
	durability, err := spool.ParseDurability(string(b.cfg.Spool.Durability))
	if err != nil {
		return err
	}
	b.spool, err = spool.Open(spool.Options{
		Dir:        b.cfg.Spool.Dir,
		MaxBytes:   int64(b.cfg.Spool.MaxBytes),
		MinFree:    int64(b.cfg.Spool.MinFree),
		Durability: durability,
		Now:        b.opt.Now,
		Logger:     b.opt.Logger.Named("spool"),
		Hooks:      b.spoolHooks(),
	})
	return err
}

// spoolHooks are the metrics' own, and the count of bytes.
func (b *Bridge) spoolHooks() spool.Hooks {
	hooks := b.metrics.spoolHooks()
	synced := hooks.Synced
	hooks.Synced = func(records, bytes int, took time.Duration) {
		b.stored.Add(int64(bytes))
		synced(records, bytes, took)
	}
	return hooks
}

func (b *Bridge) openRelay() error {
	client, err := b.connect() // says now what is wrong with the settings; it connects to nothing
	if err != nil {
		return err
	}
	b.client = client
	b.relay = relay.New(relay.Options{
		Spool: b.spool, Connect: b.connect,
		Topic:           b.cfg.Kafka.Topic,
		DeadLetterTopic: b.cfg.Kafka.DeadLetterTopic,
		CallbacksTopic:  b.cfg.Kafka.CallbacksTopic,
		LargeDir:        filepath.Clean(b.cfg.Spool.Dir) + "-large",
		Resequence:      b.cfg.Resequence.buffer(),
		Logger:          b.opt.Logger.Named("relay"),
		Hooks:           b.recent.relayHooks(b.metrics.relayHooks(b.opt.Hooks)),
		Boot:            bootID(),
		Now:             b.opt.Now,
	})
	return nil
}

func (b *Bridge) connect() (*publisher.Client, error) {
	k := b.cfg.Publisher()
	k.ClientID = "chatbridge"
	k.Logger = b.opt.Logger.Named("publisher")
	k.Hooks = b.metrics.publisherHooks()
	return publisher.New(k)
}

// buffer is the resequencer's configuration.
func (c ResequenceConfig) buffer() resequence.Config {
	out := resequence.Config{Floor: c.Floor, Ceiling: c.Ceiling, Fixed: c.Hold.Fixed}
	switch {
	case c.Hold.Adaptive:
		out.Hold = resequence.Adaptive
	case c.Hold.Fixed > 0:
		out.Hold = resequence.Fixed
	default:
		out.Hold = resequence.Off
	}
	return out
}

func (b *Bridge) openIngest() error {
	cfg := ingest.Config{
		Listen:         b.cfg.HTTP.Listen,
		Path:           b.cfg.HTTP.Path,
		TLS:            ingest.TLS{CertFile: b.cfg.HTTP.TLS.CertFile, KeyFile: b.cfg.HTTP.TLS.KeyFile},
		MaxBody:        int64(b.cfg.HTTP.MaxBody),
		StoreCallbacks: b.cfg.Kafka.CallbacksTopic != "",
	}
	if b.cfg.Spool.WhenFull == WhenFullHold {
		cfg.WhenFull = ingest.Hold
	}
	for _, app := range b.cfg.Apps {
		tokens, err := app.ReadTokens()
		if err != nil {
			return fmt.Errorf("tokens of app %d: %w", app.SDKAppID, err)
		}
		cfg.Apps = append(cfg.Apps, ingest.App{ID: app.SDKAppID, Tokens: tokens})
	}
	server, err := ingest.New(cfg, b.spool, b.opt.Now, b.opt.Logger.Named("ingest"), b.recent.observer(b.metrics.observer(b.opt.Answered), b.opt.Now))
	if err != nil {
		return err
	}
	if err := server.Listen(); err != nil {
		return err
	}
	b.ingest = server
	return nil
}

// abandon closes what a failed Open had opened.
func (b *Bridge) abandon() error {
	var err error
	b.end()
	if b.ingest != nil {
		err = b.ingest.Close()
	}
	if b.client != nil {
		b.client.Close()
	}
	if b.spool != nil {
		err = errors.Join(err, b.spool.Close())
	}
	return err
}

// Addr is where callbacks are taken; OpsAddr is the operator's listener.
func (b *Bridge) Addr() net.Addr { return b.ingest.Addr() }

// OpsAddr is the address of the operator's listener.
func (b *Bridge) OpsAddr() net.Addr { return b.ops.Addr() }

// Run serves until ctx ends, then stops as doc.go says, and returns nil. Any
// other return is a listener that failed; the bridge has stopped then, too.
func (b *Bridge) Run(ctx context.Context) error {
	b.announce()
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	serve := func(run func() error) {
		wg.Go(func() {
			if err := run(); err != nil {
				failed <- err
			}
		})
	}
	relayCtx, stopRelay := context.WithCancel(context.Background())
	defer stopRelay()
	relayDone := make(chan struct{})
	go func() {
		defer close(relayDone)
		b.keepRelaying(relayCtx)
	}()
	serve(b.ops.Serve)
	serve(b.ingest.Serve)
	wg.Go(func() { b.keepHistory(relayCtx) })
	if b.cfg.Kafka.CreateTopics {
		wg.Go(func() { b.createTopics(relayCtx) })
	}

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-failed:
	}
	err := b.stop(stopRelay, relayDone)
	wg.Wait()
	return errors.Join(failure, err)
}

// Settle waits until every callback stored so far is in Kafka, what is held for
// order included, or ctx ends. It returns how many are left. The bridge must be
// running.
func (b *Bridge) Settle(ctx context.Context) (left int) { return b.relay.Settle(ctx) }

func (b *Bridge) stop(stopRelay context.CancelFunc, relayDone <-chan struct{}) error {
	began := b.opt.Now()
	b.draining.Store(true)
	b.opt.Logger.Info("stopping: answering what is in flight, then draining", zap.Duration("deadline", b.cfg.ShutdownTimeout))
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.ShutdownTimeout)
	defer cancel()
	err := b.ingest.Drain(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		b.opt.Logger.Warn("requests that had not arrived whole are cut off", zap.Error(err))
		err = nil
	}
	err = errors.Join(err, b.ingest.Close())
	b.end()
	b.verification.stop()
	if !b.gate.since().IsZero() {
		cancel() // nobody drains
	}
	left := b.relay.Drain(ctx)
	stopRelay()
	<-relayDone
	b.client.Close()
	held := b.spool.Stat().Records
	err = errors.Join(err, b.spool.Close())
	// The deadline is for draining; closing the listener needs a moment of its own.
	closing, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	err = errors.Join(err, b.ops.Close(closing))
	b.opt.Logger.Info("stopped", zap.Int("undrained", left), zap.Int64("in_spool", held),
		zap.Duration("took", b.opt.Now().Sub(began)), zap.Error(err))
	return err
}

// relayPause is how long a relay that fell over a fault of the disk waits
// before it tries again.
const relayPause = time.Second

// keepRelaying runs the relay until ctx ends. Only a fault of the spool's disk
// ends a run; the next one recovers as after a crash.
func (b *Bridge) keepRelaying(ctx context.Context) {
	for {
		run, done := b.gate.pass(ctx)
		if run == nil {
			return
		}
		err := b.relay.Run(run)
		paused := run.Err() != nil
		done()
		if ctx.Err() != nil {
			return
		}
		if paused {
			continue
		}
		err = fmt.Errorf("the relay stopped: %w", err)
		b.relayFault.Store(&err)
		b.opt.Logger.Error("the relay stopped and starts again", zap.Error(err), zap.Duration("after", relayPause))
		if !b.wait(ctx, relayPause) {
			return
		}
		b.relayFault.Store(nil)
	}
}

// wait waits for d, or returns false because ctx has ended.
func (b *Bridge) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// announce is the first thing that the log says.
func (b *Bridge) announce() {
	log := b.opt.Logger
	log.Info("chatbridge is up",
		zap.String("version", b.opt.Version),
		zap.String("callbacks", b.Addr().String()), // without the path, which may be secret
		zap.String("operator", b.OpsAddr().String()),
		zap.String("spool", b.cfg.Spool.Dir),
		zap.String("durability", string(b.cfg.Spool.Durability)),
		zap.Strings("brokers", b.cfg.Kafka.Brokers),
		zap.String("topic", b.cfg.Kafka.Topic))
	for _, w := range b.cfg.Warnings() {
		log.Warn("setting", zap.String("key", w.Key), zap.String("warning", w.Message))
	}
}
