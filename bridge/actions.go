package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

// gate lets the relay run, or does not: publishing can be paused. A run that is
// ended by it is one that was stopped; the next one goes on where it was.
type gate struct {
	mu     sync.Mutex
	paused time.Time          // since when; zero = it is not
	end    context.CancelFunc // of the run under way; nil = there is none
	opened chan struct{}      // closed when publishing goes on; nil = it is not paused
}

// since says since when publishing is paused; zero: it is not.
func (g *gate) since() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused
}

// shut pauses publishing; false: it was paused already.
func (g *gate) shut(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.paused.IsZero() {
		return false
	}
	g.paused, g.opened = now, make(chan struct{})
	if g.end != nil {
		g.end()
	}
	return true
}

// open lets publishing go on; false: it was not paused.
func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused.IsZero() {
		return false
	}
	g.paused = time.Time{}
	close(g.opened)
	return true
}

// pass waits until publishing may go on, and returns the context of a run; nil:
// ctx has ended. done ends the run.
func (g *gate) pass(ctx context.Context) (run context.Context, done context.CancelFunc) {
	for {
		g.mu.Lock()
		if g.paused.IsZero() {
			run, done = context.WithCancel(ctx)
			g.end = done
			g.mu.Unlock()
			return run, done
		}
		opened := g.opened
		g.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, func() {}
		case <-opened:
		}
	}
}

// actions are what the operator may do on the page; none where there is no token.
func (b *Bridge) actions() ops.Actions {
	o := b.cfg.Ops
	if o.ActionToken == "" && o.ActionTokenFile == "" {
		return ops.Actions{}
	}
	return ops.Actions{Token: o.ReadActionToken, Do: map[string]func(peer string){
		"pause": b.pausePublishing, "resume": b.resumePublishing, "verify": b.verifySpool,
	}}
}

func (b *Bridge) pausePublishing(peer string) {
	if b.gate.shut(b.opt.Now()) {
		b.opt.Logger.Warn("the operator has paused publishing; callbacks are stored", zap.String("peer", peer))
	}
}

func (b *Bridge) resumePublishing(peer string) {
	if b.gate.open() {
		b.opt.Logger.Warn("the operator has let publishing go on", zap.String("peer", peer))
	}
}

// verification is the reading of the whole spool that was asked for last.
type verification struct {
	mu      sync.Mutex
	stopped bool
	running bool
	says    string // the last result; "" = none
	reads   sync.WaitGroup
}

// verifySpool begins to read the whole spool, unless that is under way.
func (b *Bridge) verifySpool(peer string) {
	v := &b.verification
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running || v.stopped {
		return
	}
	v.running = true
	v.reads.Go(func() {
		began := b.opt.Now()
		report, err := spool.Verify(b.life, b.cfg.Spool.Dir)
		says := verified(report, err)
		b.opt.Logger.Warn("the operator had the spool verified", zap.String("peer", peer), zap.Bool("damaged", report.Damaged()), zap.Error(err),
			zap.Duration("took", b.opt.Now().Sub(began)))
		v.mu.Lock()
		defer v.mu.Unlock()
		v.running, v.says = false, began.UTC().Format("2006-01-02 15:04:05 UTC")+": "+says
	})
}

// verified says what a reading of the spool has found.
func verified(r spool.Report, err error) string {
	if err != nil {
		return "the spool could not be verified: " + err.Error()
	}
	records, lost, damage := int64(0), int64(0), 0
	for _, s := range r.Segments {
		records, lost, damage = records+s.Records, lost+s.Lost, damage+len(s.Damage)
	}
	if !r.Damaged() {
		return fmt.Sprintf("the spool was verified: %s in %s, no damage", count(records, "record"), count(len(r.Segments), "segment"))
	}
	return fmt.Sprintf("the spool is damaged in %s, %s are lost; run chatbridge spool verify to see where", count(damage, "place"), count(lost, "record"))
}

// note is what the operator is told of it; "" is nothing.
func (v *verification) note() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running {
		return "the spool is being verified"
	}
	return v.says
}

// stop ends a reading and waits for it; there is none afterwards.
func (v *verification) stop() {
	v.mu.Lock()
	v.stopped = true
	v.mu.Unlock()
	v.reads.Wait()
}
