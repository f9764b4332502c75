package relay

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// powerLog is a checkpoint of which a power loss takes what was not synced. The
// first sync after something was sent never returns: the disk is slow, and the
// power fails meanwhile.
type powerLog struct {
	Log
	mu       sync.Mutex
	unsynced [][]byte
	sent     bool         // a batch was announced
	open     map[int]bool // lanes whose announced batch Kafka has not acknowledged
	hangs    bool
	failed   chan struct{} // closed by the power loss
}

func (p *powerLog) Append(entry []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if entryKind(entry[0]) == entryIntent {
		p.sent, p.open[int(entry[1])] = true, true // a few lanes: one byte holds the number
	}
	p.unsynced = append(p.unsynced, slices.Clone(entry))
	return nil
}

func (p *powerLog) Sync() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.hang(); err != nil {
		return err
	}
	for _, entry := range p.unsynced {
		if err := p.Log.Append(entry); err != nil {
			return err
		}
	}
	p.unsynced = nil
	return p.Log.Sync()
}

func (p *powerLog) Rewrite(write func(add func([]byte) error) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.hang(); err != nil {
		return err
	}
	p.unsynced = nil
	return p.Log.Rewrite(write)
}

// hang waits for the power loss, once something was sent.
func (p *powerLog) hang() error {
	if !p.sent {
		return nil
	}
	p.hangs = true
	p.mu.Unlock()
	<-p.failed
	p.mu.Lock()
	return errCrash
}

func (p *powerLog) batchSettled(lane int, _ []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, lane)
}

// idle reports whether nothing is on its way to Kafka, nor will be: the relay
// waits for the disk.
func (p *powerLog) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hangs && len(p.open) == 0
}

// losePower runs a relay until something was published and the disk hangs; then
// what was not synced is gone.
func (r *rig) losePower() {
	r.t.Helper()
	relay := r.relay()
	log := &powerLog{Log: relay.journal.log, open: map[int]bool{}, failed: make(chan struct{})}
	relay.journal.log = log
	relay.opt.Hooks.Settled = log.batchSettled
	run := r.start(relay)
	await(r.t, "the disk hangs and nothing is on its way", log.idle)
	close(log.failed)
	if err := run.stop(); err != nil && !errors.Is(err, errCrash) {
		r.t.Fatal(err)
	}
	if r.inPartition(0) == 0 {
		r.t.Fatal("nothing was published before the power loss")
	}
	r.reopen()
}

// P4: power fails before anything that the very first run wrote was synced. What
// it had published is found, though the checkpoint knows nothing of it.
func TestAPowerLossInTheFirstRunDoublesNothing(t *testing.T) {
	r := newRig(t, 2)
	c := newChat(11, 6, 200)
	for _, b := range c.bodies {
		r.append(b)
	}
	r.losePower()
	r.drain()
	r.check(c)
}

// P3, P4, P5: what a power loss has taken from the checkpoint, and the next run
// has learned from the topic, the run after that still knows: repeats are
// recognized, and what follows is no hole.
func TestWhatWasLearnedFromTheTopicOutlivesARestart(t *testing.T) {
	for _, restarts := range []int{1, 2} {
		r := newRig(t, 1)
		r.append(body("g", 1, 1))
		r.drain()
		r.reopen()
		for seq := 2; seq <= 5; seq++ {
			r.append(body("g", seq, uint32(seq)))
		}
		r.losePower()
		for range restarts {
			r.drain()
			r.reopen()
		}
		r.append(body("g", 3, 3)) // a repeat
		r.append(body("g", 6, 6))
		r.drain()
		want := []string{"1 in-order", "2 in-order", "3 in-order", "4 in-order", "5 in-order", "6 in-order"}
		if diff := cmp.Diff(want, r.orders()); diff != "" {
			t.Errorf("after %d restarts the topic differs (-want +got):\n%s", restarts, diff)
		}
	}
}
