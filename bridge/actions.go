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
	went   time.Time          // when publishing last went on; zero = it was never paused
	end    context.CancelFunc // of the run under way; nil = there is none
	opened chan struct{}      // closed when publishing goes on; nil = it is not paused
}

// since says since when publishing is paused; zero: it is not.
func (g *gate) since() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused
}

// resumed says when publishing last went on after a pause; zero: there was none.
func (g *gate) resumed() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.went
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
func (g *gate) open(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused.IsZero() {
		return false
	}
	g.paused, g.went = time.Time{}, now
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
	if b.gate.open(b.opt.Now()) {
		b.opt.Logger.Warn("the operator has let publishing go on", zap.String("peer", peer))
	}
}

// verification is the reading of the whole spool that was asked for last.
type verification struct {
	mu      sync.Mutex
	stopped bool
	running bool
	says    string       // the last result; "" = none
	found   *damageFound // the damage in it; nil = none
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
		before := b.spool.Stat()
		report, err := spool.Verify(b.life, b.cfg.Spool.Dir)
		found := damageIn(report, before, began)
		says := verified(report, found, err)
		b.opt.Logger.Warn("the operator had the spool verified", zap.String("peer", peer), zap.Bool("damaged", report.Damaged()), zap.Error(err),
			zap.Duration("took", b.opt.Now().Sub(began)))
		v.mu.Lock()
		defer v.mu.Unlock()
		v.running, v.says = false, began.UTC().Format("2006-01-02 15:04:05 UTC")+": "+says
		if err == nil {
			v.found = found
		}
	})
}

// damageFound is what a reading of the spool found to be damaged.
type damageFound struct {
	at      time.Time
	places  int
	lost    int64
	settled bool // what is lost was in Kafka before
}

// damageIn is the damage of a report; nil: there is none. before is how the spool was
// before it was read: what was released by then is in Kafka, unless the relay had come
// by damage already and gone around it.
func damageIn(r spool.Report, before spool.Stat, at time.Time) *damageFound {
	if !r.Damaged() {
		return nil
	}
	f := &damageFound{at: at, settled: before.Lost == 0 && before.Quarantined == 0}
	for _, s := range r.Segments {
		f.places, f.lost = f.places+len(s.Damage), f.lost+s.Lost
		f.settled = f.settled && (s.Lost == 0 || s.End <= before.Released)
	}
	if r.Checkpoint.Damage != nil {
		f.places++
	}
	return f
}

// String says where and what.
func (f *damageFound) String() string {
	are, had := "are", ""
	if f.lost == 1 {
		are = "is"
	}
	if f.lost > 0 && f.settled {
		had = " that Kafka had already"
	}
	return fmt.Sprintf("%s, %s %s lost%s", count(f.places, "place"), count(f.lost, "record"), are, had)
}

// verified says what a reading of the spool has found.
func verified(r spool.Report, found *damageFound, err error) string {
	if err != nil {
		return "the spool could not be verified: " + err.Error()
	}
	if found != nil {
		return fmt.Sprintf("the spool is damaged in %s; run chatbridge spool verify to see where", found)
	}
	records := int64(0)
	for _, s := range r.Segments {
		records += s.Records
	}
	return fmt.Sprintf("the spool was verified: %s in %s, no damage", count(records, "record"), count(len(r.Segments), "segment"))
}

// damage is what the last reading found; nil: none.
func (v *verification) damage() *damageFound {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.found
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
