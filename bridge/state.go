package bridge

import (
	"fmt"
	"math"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

// What counts as not being well.
const (
	paceWindow    = time.Minute
	shortOfRoom   = time.Hour        // less room than this at the rate of the last minute is trouble
	slowAnswer    = time.Second      // half of what the sender waits
	slowDelivery  = 30 * time.Second // beyond what is held for its order
	slowOfLate    = 10 * time.Second // the same, of what is in Kafka
	fewRefusals   = 5                // a minute; strangers knock at every door
	shareRefusals = .1
)

// situation is all that the one sentence depends on.
type situation struct {
	now        time.Time
	draining   bool
	hold       bool  // full means waiting, not refusal
	store      error // why nothing can be stored
	damage     error
	paused     time.Time          // since when publishing is; zero = it is not
	relay      error              // why the relay is down
	sink       ops.Condition      // what Kafka does
	failing    []publisher.Status // the worst of them
	partitions int                // in use; 0 = not known yet
	oldest     time.Time          // receipt of the oldest callback that is not in Kafka
	held       time.Duration      // the longest that one may wait for its order
	spool      spool.Stat
	pace       pace
}

func (b *Bridge) situation(stats relay.Stats, sink ops.Condition) *situation {
	now := b.tally()
	x := &situation{
		now: now.at, draining: b.draining.Load(), hold: b.cfg.Spool.WhenFull == WhenFullHold,
		paused: b.gate.since(), store: b.spool.Err(), damage: b.spool.Damage(), sink: sink, partitions: len(stats.Lanes),
		held: max(stats.Resequence.Hold, b.cfg.Resequence.Ceiling), spool: b.spool.Stat(),
	}
	if fault := b.relayFault.Load(); fault != nil {
		x.relay = *fault
	}
	for _, p := range stats.Publishing {
		if !p.OK {
			x.failing = append(x.failing, p)
		}
	}
	for _, l := range stats.Lanes {
		if !l.Oldest.IsZero() && (x.oldest.IsZero() || l.Oldest.Before(x.oldest)) {
			x.oldest = l.Oldest
		}
	}
	if from, ok := b.history.since(now.at.Add(-paceWindow)); ok {
		x.pace = paceBetween(from, now)
	} else {
		x.pace = paceBetween(now, now)
	}
	return x
}

// state is the first of these that holds: what loses callbacks before what only
// delays them, and what is broken before what follows from it.
func (x *situation) state() ops.State {
	for _, judge := range []func() (ops.State, bool){
		x.stopping, x.diskFails, x.full, x.notStored, x.overloaded, x.heldBack, x.relayDown, x.kafka,
		x.refused, x.unreadable, x.slow, x.behind, x.lately, x.damaged,
	} {
		if s, ok := judge(); ok {
			return s
		}
	}
	return ops.State{Level: ops.Good, Sentence: "All is well: " + x.doing()}
}

const safeInSpool = "What was answered OK is on the spool's disk and will be published."

// urgent makes it trouble where there is little room left.
func (x *situation) urgent(s ops.State) ops.State {
	if left, known := x.left(); known && left < shortOfRoom {
		s.Level = ops.Trouble
	}
	return s
}

// coming is what comes in.
func (x *situation) coming() string {
	n := x.pace.taken()
	if n == 0 {
		return "no callback came in the last minute"
	}
	return fmt.Sprintf("%s callbacks/s", perSecond(n/x.pace.took.Seconds()))
}

// doing is what goes through.
func (x *situation) doing() string {
	text := x.coming()
	if x.pace.settle > 0 {
		text += fmt.Sprintf(", 99 of 100 published within %s", short(x.pace.settle))
	}
	return text
}

// free is how much the spool can still take.
func (x *situation) free() int64 {
	free := x.spool.FreeBytes - x.spool.MinFree
	if x.spool.MaxBytes > 0 {
		free = min(free, x.spool.MaxBytes-x.spool.Bytes)
	}
	return max(free, 0)
}

// left is how long that lasts at the rate of the last minute.
func (x *situation) left() (time.Duration, bool) {
	if x.pace.stored <= 0 {
		return 0, false
	}
	return time.Duration(min(float64(x.free())/x.pace.stored*float64(time.Second), math.MaxInt64/2)), true
}

func (x *situation) room() string {
	text := about(x.free())
	if left, known := x.left(); known {
		text += fmt.Sprintf(" (%s at this rate)", long(left))
	}
	return text + " free"
}

// clock is a time of the day, with the date where it was not today.
func (x *situation) clock(at time.Time) string {
	at = at.UTC()
	if now := x.now.UTC(); at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04 UTC")
	}
	return at.Format("2006-01-02 15:04 UTC")
}
