package simulate

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Summary is a run, or what there is of it so far, in numbers.
type Summary struct {
	Seed uint64 `json:"seed"`
	Run  int    `json:"run"` // of the ledger, from 1

	Messages       uint64 `json:"messages"`        // sent at least once
	MessagesStored uint64 `json:"messages_stored"` // answered OK at least once
	Dropped        uint64 `json:"dropped"`         // numbers taken and not sent
	Overtaken      uint64 `json:"overtaken"`       // messages that were begun after a later number of their stream
	Copies         uint64 `json:"copies"`          // messages sent a second time

	Callbacks  uint64            `json:"callbacks"` // copies included, further tries not
	OK         uint64            `json:"ok"`
	Refused    map[int]uint64    `json:"refused"`    // by HTTP status
	Unanswered map[string]uint64 `json:"unanswered"` // by reason: connect, timeout, broken

	Elapsed   time.Duration `json:"elapsed_ns"`
	PerSecond float64       `json:"per_second"` // callbacks answered OK
	// Latency is from when a callback was due (with a rate) or sent (without)
	// to its answer; callbacks to which nobody listened are not in it.
	Latency Latency `json:"latency"`
	// Lag is by how much a connection that was free began later than due: the
	// simulator's own share of Latency. There is none without a rate.
	Lag     Latency `json:"lag"`
	Stopped bool    `json:"stopped"` // before the count was reached
}

// counters are what a Summary is made from. Many goroutines count at once.
type counters struct {
	messages, messagesStored, dropped, overtaken, copies, callbacks, ok atomic.Uint64
	latency, lag                                                        histogram

	mu         sync.Mutex // guards what follows
	refused    map[int]uint64
	unanswered map[string]uint64
	seed       uint64
	run        int
	start      time.Time
	elapsed    time.Duration // 0 while running
	stopped    bool
}

func (c *counters) begin(start time.Time, seed uint64, run int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start, c.seed, c.run = start, seed, run
	c.refused, c.unanswered = map[int]uint64{}, map[string]uint64{}
}

func (c *counters) finish(elapsed time.Duration, stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.elapsed, c.stopped = elapsed, stopped
}

// add counts one delivery that has come to its end.
func (c *counters) add(d *delivery, a answer, first bool, took time.Duration) {
	c.callbacks.Add(1)
	if d.copies == 0 {
		c.messages.Add(1)
	} else {
		c.copies.Add(1)
	}
	if d.overtaken {
		c.overtaken.Add(1)
	}
	if first {
		c.messagesStored.Add(1)
	}
	if a.reason != "connect" {
		c.latency.add(took)
	}
	if a.outcome == Stored {
		c.ok.Add(1)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.outcome == Refused {
		c.refused[a.status]++
	} else {
		c.unanswered[a.reason]++
	}
}

// Snapshot returns the numbers so far. It may be called at any time.
func (s *Simulator) Snapshot() Summary {
	c := &s.count
	sum := Summary{
		Messages: c.messages.Load(), MessagesStored: c.messagesStored.Load(), Dropped: c.dropped.Load(),
		Overtaken: c.overtaken.Load(), Copies: c.copies.Load(), Callbacks: c.callbacks.Load(), OK: c.ok.Load(),
		Latency: c.latency.latency(), Lag: c.lag.latency(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sum.Seed, sum.Run, sum.Stopped = c.seed, c.run, c.stopped
	sum.Refused, sum.Unanswered = maps.Clone(c.refused), maps.Clone(c.unanswered)
	sum.Elapsed = c.elapsed
	if sum.Elapsed == 0 && !c.start.IsZero() {
		sum.Elapsed = time.Since(c.start)
	}
	if sum.Elapsed > 0 {
		sum.PerSecond = float64(sum.OK) / sum.Elapsed.Seconds()
	}
	return sum
}
