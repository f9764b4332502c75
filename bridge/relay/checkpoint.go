package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

// Log is where the checkpoint is kept. *spool.Checkpoint is one; its comments
// are the contract.
type Log interface {
	Append(entry []byte) error
	Sync() error
	Rewrite(write func(add func(entry []byte) error) error) error
	Size() int64
}

// journal serializes what the lanes write to the checkpoint's log.
type journal struct {
	mu        sync.Mutex
	log       Log
	buf       []byte
	rewritten int64 // size of the log after the last Rewrite

	// rewrite makes the log small. It takes the lanes' mutexes, so whoever
	// appends must hold none of them.
	rewrite func() error
}

// append writes an entry. On a full disk the log is made small first, for which
// the spool keeps space: so a full disk drains.
func (j *journal) append(encode func([]byte) []byte) error {
	return j.change(func() {}, encode)
}

// change is append with a change of a lane's state, which apply makes: nothing is
// written in between. Whoever has seen the change writes after its entry; a low
// mark or an offset that passes a batch must not be in the log before the batch's
// end is, or a crash leaves a batch that is looked for behind where it lies.
func (j *journal) change(apply func(), encode func([]byte) []byte) error {
	err := j.write(apply, encode)
	if !errors.Is(err, spool.ErrFull) {
		return err
	}
	if err := j.rewrite(); err != nil {
		return err
	}
	return j.write(func() {}, encode)
}

func (j *journal) write(apply func(), encode func([]byte) []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	apply()
	j.buf = encode(j.buf[:0])
	return j.log.Append(j.buf)
}

func (j *journal) appendFinished(lane int, ps []spool.Position) error {
	if len(ps) == 0 {
		return nil
	}
	return j.append(func(b []byte) []byte { return appendFinished(b, lane, ps) })
}

func (j *journal) sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Sync()
}

// The log is rewritten when it has grown to rewriteFactor times what a rewrite
// left, and to rewriteLeast at least.
const (
	rewriteLeast  = 16 << 20
	rewriteFactor = 4
)

func (j *journal) grown() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.Size() > max(rewriteLeast, rewriteFactor*j.rewritten)
}

// checkpoint makes what has been settled durable, once a second, and lets the
// spool go of it.
func (r *Relay) checkpoint(ctx context.Context) error {
	t := time.NewTicker(checkpointEach)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if err := r.save(); err != nil {
			return err
		}
		if r.journal.grown() {
			if err := r.rewrite(); err != nil {
				return err
			}
		}
	}
}

// save writes how far each lane is, syncs the log, and only then releases the
// spool's segments below the lowest of them.
func (r *Relay) save() error {
	low := spool.Position(0)
	for i, l := range r.lanes {
		mark, err := l.save()
		if err != nil {
			return err
		}
		if i == 0 || mark < low {
			low = mark
		}
	}
	if err := r.journal.sync(); err != nil {
		return err
	}
	return r.opt.Spool.Release(low)
}

// boot is what the log says of this run's: no boot at all as long as a lane is
// still in doubt about the former run, so that the next run is, too.
func (r *Relay) boot() string {
	if r.doubtful && r.recovering.Load() > 0 {
		return ""
	}
	return r.opt.Boot
}

// recovered notes that one more lane knows what of the former run arrived.
func (r *Relay) recovered() error {
	if r.recovering.Add(-1) > 0 || !r.doubtful {
		return nil
	}
	return r.journal.append(func(b []byte) []byte { return appendRun(b, r.boot(), false) })
}

// end says in the log that it is whole: of what was sent, nothing is missing in
// it. Without that, and after another boot of the machine, its end is in doubt.
func (r *Relay) end() error {
	if err := r.save(); err != nil {
		return err
	}
	boot := r.boot()
	if err := r.journal.append(func(b []byte) []byte { return appendRun(b, boot, boot != "") }); err != nil {
		return err
	}
	return r.journal.sync()
}

func (l *lane) save() (spool.Position, error) {
	l.mu.Lock()
	finished := l.finished
	l.finished = nil
	low, next := l.lowLocked(), l.savedNextLocked()
	l.mu.Unlock()
	if err := l.relay.journal.appendFinished(l.id, finished); err != nil {
		return 0, err
	}
	return low, l.relay.journal.append(func(b []byte) []byte { return appendLane(b, l.id, low, next) })
}

// rewrite replaces the log by the lanes' present state. The lanes go on until
// they want to write to it: what they change after their part was taken, they
// report again in the new log.
func (r *Relay) rewrite() error {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	began := r.opt.Now()
	err := j.log.Rewrite(func(add func([]byte) error) error {
		if err := add(appendLayout(nil, layout{partitions: len(r.lanes), topic: r.opt.Topic})); err != nil {
			return err
		}
		if err := add(appendRun(nil, r.boot(), false)); err != nil {
			return err
		}
		for _, l := range r.lanes {
			if err := l.snapshot(add); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	j.rewritten = j.log.Size()
	r.opt.Logger.Debug("checkpoint rewritten",
		zap.Int64("bytes", j.rewritten), zap.Duration("took", r.opt.Now().Sub(began)))
	return nil
}

// snapshot writes the whole state of a lane.
func (l *lane) snapshot(add func([]byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := add(appendLane(nil, l.id, l.lowLocked(), l.savedNextLocked())); err != nil {
		return err
	}
	if err := l.buffer.Save(func(key resequence.Key, state []byte) error {
		return add(appendStream(nil, l.id, key, state))
	}); err != nil {
		return err
	}
	if err := l.snapshotFinished(add); err != nil {
		return err
	}
	announced, rest := l.decidedLocked()
	if err := add(appendDecided(nil, l.id, append(announced[:len(announced):len(announced)], rest...))); err != nil {
		return err
	}
	if id, ok := l.identityLocked(); ok {
		return add(appendIntent(nil, l.id, id, announced))
	}
	return nil
}

// finishedAtOnce is how many positions an entry of a snapshot lists: what is
// finished above one open position can be as long as the spool.
const finishedAtOnce = 4096

// snapshotFinished writes what is finished above the low mark, of this run and of
// the former one as far as the spool has not yielded it again yet.
func (l *lane) snapshotFinished(add func([]byte) error) error {
	ps := make([]spool.Position, 0, finishedAtOnce)
	flush := func() error {
		if len(ps) == 0 {
			return nil
		}
		err := add(appendFinished(nil, l.id, ps))
		ps = ps[:0]
		return err
	}
	note := func(p spool.Position) error {
		ps = append(ps, p)
		if len(ps) < finishedAtOnce {
			return nil
		}
		return flush()
	}
	if err := l.unsettled.finished(note); err != nil {
		return err
	}
	if l.replay != nil {
		if err := l.replay.finished.each(note); err != nil {
			return err
		}
	}
	return flush()
}
