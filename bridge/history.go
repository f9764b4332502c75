package bridge

import (
	"context"
	"time"
)

// The history that is kept: an hour.
const (
	historyEvery  = 5 * time.Second
	historyLength = int(time.Hour/historyEvery) + 1
)

// history is the tallies of the last hour.
type history struct{ ring[tally] }

func newHistory() *history { return &history{ring[tally]{size: historyLength}} }

// since returns the oldest tally that is not older than at; false: there is none.
func (h *history) since(at time.Time) (tally, bool) {
	return h.back(func(t *tally) bool { return !t.at.Before(at) })
}

// keepHistory adds a tally every few seconds until ctx ends.
func (b *Bridge) keepHistory(ctx context.Context) {
	for b.wait(ctx, historyEvery) {
		b.history.add(b.tally())
	}
}

// tally reads what there is to know now.
func (b *Bridge) tally() tally {
	t := b.metrics.read(b.opt.Now())
	t.stored = float64(b.stored.Load())
	t.spool = float64(b.spool.Stat().Bytes)
	t.held = float64(b.relay.Stats().Resequence.Held)
	return t
}
