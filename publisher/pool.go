package publisher

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// ask sends req to addr and returns the answer, which must come within timeout once the connection is ready. repeatable says that req
// may be sent a second time, on a new connection, where one from the pool turns out to be dead.
func (k *cluster) ask(ctx context.Context, addr string, req protocol.Message, timeout time.Duration, repeatable bool) (protocol.Message, error) {
	l, reused, err := k.take(ctx, addr)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := l.roundTrip(within, req)
	if err == nil {
		k.park(l)
		return res, nil
	}
	k.drop(l)
	if reused && repeatable && within.Err() == nil {
		return k.ask(ctx, addr, req, timeout, repeatable) // drop has emptied the pool: this one is new
	}
	return nil, err
}

// take returns a connection to addr for the caller alone.
func (k *cluster) take(ctx context.Context, addr string) (l *link, reused bool, err error) {
	now := time.Now()
	k.mu.Lock()
	for links := k.idle[addr]; len(links) > 0 && l == nil; links = k.idle[addr] {
		l = links[len(links)-1]
		k.idle[addr] = links[:len(links)-1]
		if !l.usable(now, k.cfg.IdleTimeout) {
			l.close()
			l = nil
			continue
		}
		k.busy[l] = struct{}{}
	}
	closed := k.closed
	k.mu.Unlock()
	if closed {
		return nil, false, ErrClosed
	}
	if l != nil {
		return l, true, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.ctx, cancel)() // a connection being made ends with the cluster too
	if l, err = connect(ctx, k.cfg, addr); err != nil {
		return nil, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		l.close()
		return nil, false, ErrClosed
	}
	k.busy[l] = struct{}{}
	return l, false, nil
}

// park gives a connection back to the pool, and closes those that have been idle for too long.
func (k *cluster) park(l *link) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.busy, l)
	if k.closed || !l.usable(now, k.cfg.IdleTimeout) {
		l.close()
		return
	}
	links := append(k.idle[l.addr], l)
	for len(links) > 0 && !links[0].usable(now, k.cfg.IdleTimeout) {
		links[0].close()
		links = links[1:]
	}
	k.idle[l.addr] = links
}

// drop closes a connection that failed, and the idle ones to the same broker: what broke one has most likely broken all.
func (k *cluster) drop(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.busy, l)
	l.close()
	for _, other := range k.idle[l.addr] {
		other.close()
	}
	delete(k.idle, l.addr)
}

// askAny sends req to whichever broker answers, for requests that any broker may serve.
func (k *cluster) askAny(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	var worst error
	for _, addr := range k.addresses() {
		res, err := k.ask(ctx, addr, req, k.cfg.RequestTimeout, true)
		if err == nil {
			return res, nil
		}
		worst = moreTelling(worst, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, worst
}

// askController sends req to the controller; in KRaft any broker passes it on. code reads the answer's error code: a broker that is not
// the controller any more is followed by another one.
func (k *cluster) askController(ctx context.Context, req protocol.Message, code func(protocol.Message) kafka.Error) (protocol.Message, error) {
	for try := 0; ; try++ {
		addr, err := k.controllerAddr(ctx, try > 0)
		if err != nil {
			return nil, err
		}
		res, err := k.ask(ctx, addr, req, k.cfg.RequestTimeout, true)
		if err != nil || code(res) != kafka.NotController || try == 4 {
			return res, err
		}
	}
}

// controllerAddr returns the controller's address, asking where it is not known or anew is set.
func (k *cluster) controllerAddr(ctx context.Context, anew bool) (string, error) {
	known := func() string {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.brokers[k.controller]
	}
	if addr := known(); addr != "" && !anew {
		return addr, nil
	}
	if err := k.refresh(ctx); err != nil {
		return "", err
	}
	if addr := known(); addr != "" {
		return addr, nil
	}
	return "", kafka.BrokerNotAvailable
}

// moreTelling returns which of two failures says more: one that came further on the way to an answer.
func moreTelling(a, b error) error {
	if a == nil || rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(err error) int {
	var le *linkError
	if !errors.As(err, &le) {
		return 9
	}
	if errors.Is(err, context.Canceled) {
		return 0
	}
	switch le.stage {
	case stageLogin:
		return 5
	case stageTLS:
		return 4
	case stageHello:
		return 3
	case stageRequest:
		return 2
	}
	return 1
}
