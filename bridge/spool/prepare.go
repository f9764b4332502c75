package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
)

// preparer is the helper that zero-fills the next segment while the one in
// use is being written. One goroutine, which begins with the first request
// and ends with stop.
type preparer struct {
	spool *Spool
	want  chan int64  // capacity 1: make one of this size
	ready chan *blank // capacity 1
	stop  chan struct{}
	done  chan struct{}
	busy  atomic.Bool // one was asked for and has not been picked
	seq   int         // of the names; only the goroutine touches it

	failedLine loglimit.Limit
}

func newPreparer(s *Spool) *preparer {
	p := &preparer{
		spool: s,
		want:  make(chan int64, 1),
		ready: make(chan *blank, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go p.run()
	return p
}

func (p *preparer) run() {
	defer close(p.done)
	for {
		select {
		case <-p.stop:
			return
		case size := <-p.want:
			if b := p.make(size); b != nil {
				p.ready <- b // has room: busy lets in one at a time
			} else {
				p.busy.Store(false)
			}
		}
	}
}

// make makes one blank, or says why not and leaves it: the committer then
// makes a small one itself.
func (p *preparer) make(size int64) *blank {
	s := p.spool
	p.seq++
	name := filepath.Join(s.opts.Dir, fmt.Sprintf("%sahead-%d%s", blankPrefix, p.seq, tmpSuffix))
	size, err := s.room.take(size, size)
	if err != nil {
		return nil // full is the committer's to notice and to say
	}
	b, err := makeBlank(s.fs, name, size, p.stop)
	if err != nil {
		s.room.give(size)
		if !errors.Is(err, errStopped) {
			p.failedLine.Warn(s.log, s.now(), "next segment could not be prepared", zap.Error(err))
		}
		return nil
	}
	return b
}

// ask requests a blank of size bytes unless one is on its way.
func (p *preparer) ask(size int64) {
	if p.busy.CompareAndSwap(false, true) {
		p.want <- size // has room, as above
	}
}

// pick returns a blank that is ready, nil if there is none.
func (p *preparer) pick() *blank {
	select {
	case b := <-p.ready:
		p.busy.Store(false)
		return b
	default:
		return nil
	}
}

// close ends the goroutine and removes what it had ready.
func (p *preparer) close() {
	close(p.stop)
	<-p.done
	p.dropReady()
}

// dropReady gives the space of a prepared segment back.
func (p *preparer) dropReady() bool {
	b := p.pick()
	if b == nil {
		return false
	}
	if err := b.discard(p.spool.fs); err != nil {
		p.spool.log.Warn("prepared segment could not be removed", zap.Error(err))
	}
	p.spool.room.give(b.size)
	return true
}
