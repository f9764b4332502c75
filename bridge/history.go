package bridge

import (
	"context"
	"time"

	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
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

// any reports whether one of the tallies since at is as wanted.
func (h *history) any(at time.Time, wanted func(*tally) bool) (found bool) {
	h.back(func(t *tally) bool {
		if t.at.Before(at) || found {
			return false
		}
		found = wanted(t)
		return true
	})
	return found
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
	stats, spool := b.relay.Stats(), b.spool.Stat()
	t.stored = float64(b.stored.Load())
	t.spool = float64(spool.Bytes)
	t.held = float64(stats.Resequence.Held)
	t.oldest = oldestOf(stats, spool)
	t.failing = stats.Trouble != nil || len(failing(stats)) > 0
	return t
}

// failing lists the partitions and look-ups whose last attempt failed.
func failing(stats relay.Stats) (out []publisher.Status) {
	for _, s := range stats.Publishing {
		if !s.OK {
			out = append(out, s)
		}
	}
	return out
}

// oldestOf is when the oldest callback that is not in Kafka was received. What the
// lanes have open tells it to the record; the spool, where they have nothing, as of
// the beginning of a segment at worst. Zero: there is none.
func oldestOf(stats relay.Stats, s spool.Stat) time.Time {
	if oldest := oldestOpen(stats); !oldest.IsZero() {
		return oldest
	}
	return s.OldestReceipt
}

// oldestOpen is the same of what the lanes have open.
func oldestOpen(stats relay.Stats) (oldest time.Time) {
	for _, l := range stats.Lanes {
		if !l.Oldest.IsZero() && (oldest.IsZero() || l.Oldest.Before(oldest)) {
			oldest = l.Oldest
		}
	}
	return oldest
}
