package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
)

const (
	// reserveBlock is how many numbers of a stream are reserved in the ledger at once.
	reserveBlock = 256
	// flushEvery is how much of the ledger a kill can cost.
	flushEvery = 200 * time.Millisecond
	// firstPause and longestPause bound the wait after a failed try.
	firstPause, longestPause = 20 * time.Millisecond, time.Second
)

// A Simulator sends the callbacks of one run. Make one with [New].
type Simulator struct {
	opt    Options
	target *target
	signer *signer
	ledger *ledger.Writer // nil: none
	watch  func(Event)    // nil: nobody
	start  time.Time

	mu    sync.Mutex // guards plan, and with it every stream's numbers
	plan  *schedule
	count counters

	watchMu sync.Mutex // one call of watch at a time
}

// New returns a simulator that has not begun. Options are checked by Run.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Simulator{opt: o}
}

// Run sends until the count is reached or ctx ends, waits for the answers of
// what is in flight, and completes the ledger. It calls watch, where there is
// one, for each delivery that has come to its end and each dropped number: from
// several goroutines, but one call at a time, and sending waits for it. That ctx
// has ended is not an error; see Summary.Stopped. Run may be called once.
func (s *Simulator) Run(ctx context.Context, watch func(Event)) (Summary, error) {
	s.watch = watch
	if err := s.begin(ctx); err != nil {
		if s.ledger != nil {
			s.ledger.Close()
		}
		return Summary{}, err
	}
	stopFlushing := s.flushInBackground()
	failures := make(chan error, s.opt.Connections)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range s.opt.Connections {
		go func() {
			err := s.connection(ctx)
			if err != nil {
				cancel()
			}
			failures <- err
		}()
	}
	var failure error
	for range s.opt.Connections {
		if err := <-failures; err != nil && failure == nil {
			failure = err
		}
	}
	s.count.finish(time.Since(s.start), ctx.Err() != nil)
	stopFlushing()
	if err := s.end(); failure == nil {
		failure = err
	}
	return s.Snapshot(), failure
}

// begin opens the ledger, makes the streams and looks whether anybody is there.
func (s *Simulator) begin(ctx context.Context) error {
	if err := s.opt.Check(); err != nil {
		return err
	}
	var err error
	if s.target, err = newTarget(&s.opt); err != nil {
		return err
	}
	if s.opt.Retries != -1 {
		conn, err := s.target.dial(ctx, s.opt.Timeout)
		if err != nil {
			return fmt.Errorf("nobody answers at %s: start the bridge or correct --url, or wait for it with --retry -1: %w", s.target.address, err)
		}
		conn.Close()
	}
	history := &ledger.History{}
	if s.opt.Ledger != "" {
		if s.ledger, history, err = ledger.Open(s.opt.Ledger); err != nil {
			return err
		}
	}
	if s.opt.Seed == 0 {
		s.opt.Seed = history.Seed
	}
	if s.opt.Seed == 0 {
		s.opt.Seed = uint64(rand.Uint32N(1<<31-1)) + 1
	}
	s.signer = newSigner(&s.opt)
	s.plan = s.newSchedule(history)
	s.start = time.Now()
	s.count.begin(s.start, s.opt.Seed, history.Runs+1)
	return s.reserve(&ledger.Line{Kind: ledger.Run, Seed: s.opt.Seed, App: s.opt.App, SentAt: s.opt.Now()})
}

func (s *Simulator) newSchedule(history *ledger.History) *schedule {
	groups := newStreams(&s.opt)
	for _, group := range groups {
		for _, stream := range group {
			stream.next = max(stream.next, history.Next(stream.id))
		}
	}
	return &schedule{
		opt:    &s.opt,
		rnd:    newRandom(s.opt.Seed, history.Runs),
		groups: groups,
		now:    s.opt.Now,
		numbered: func(of *stream, seq uint64) error {
			of.reserved = seq + reserveBlock - 1
			return s.reserve(&ledger.Line{
				Kind: ledger.Reserved, App: of.id.AppID, Group: of.id.GroupID, Topic: of.id.TopicID, Seq: seq, To: of.reserved,
			})
		},
		dropped: func(of *stream, seq uint64) { s.drop(of, seq, "") },
	}
}

// reserve writes a line that must be with the operating system before anything
// that follows from it is sent.
func (s *Simulator) reserve(l *ledger.Line) error {
	if s.ledger == nil {
		return nil
	}
	return s.ledger.Reserve(l)
}

// drop notes a number that was taken and is never sent.
func (s *Simulator) drop(of *stream, seq uint64, reason string) {
	s.count.dropped.Add(1)
	if s.ledger != nil {
		// An error stays in the writer; the next reservation or the end returns it.
		_ = s.ledger.Append(&ledger.Line{
			Kind: ledger.Dropped, App: of.id.AppID, Group: of.id.GroupID, Topic: of.id.TopicID, Seq: seq, Reason: reason,
		})
	}
	s.tell(Event{Outcome: Dropped, Stream: of.id, Seq: seq, Reason: reason})
}

// tell calls the watcher, one call at a time.
func (s *Simulator) tell(e Event) {
	if s.watch == nil {
		return
	}
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	s.watch(e)
}

// flushInBackground hands the ledger's lines to the operating system until the
// returned function has been called.
func (s *Simulator) flushInBackground() (stop func()) {
	if s.ledger == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(flushEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = s.ledger.Flush() // an error stays in the writer, see drop
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// end accounts for what was planned and not sent, and completes the ledger.
func (s *Simulator) end() error {
	s.plan.unsent(func(m *message) { s.drop(m.stream, m.seq, "stopped before it was sent") })
	if s.ledger == nil {
		return nil
	}
	_ = s.ledger.Append(&ledger.Line{Kind: ledger.End, AnsweredAt: s.opt.Now()}) // Close returns the error
	return s.ledger.Close()
}
