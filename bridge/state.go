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
	paceWindow   = time.Minute
	alertWindow  = 5 * time.Minute  // of the alerts CallbacksLost and Refusing, which the sentence must not contradict
	shortOfRoom  = time.Hour        // less room than this at the rate of the last minute is trouble
	slowAnswer   = time.Second      // half of what the sender waits
	slowDelivery = 30 * time.Second // beyond what is held for its order
	slowOfLate   = 10 * time.Second // the same, of what is in Kafka
)

// situation is all that the one sentence depends on.
type situation struct {
	now        time.Time
	draining   bool
	hold       bool  // full means waiting, not refusal
	store      error // why nothing can be stored
	damage     error
	found      *damageFound // what verifying the spool found last; nil = no damage
	started    time.Time
	paused     time.Time     // since when publishing is; zero = it is not
	resumed    time.Time     // when it last went on; zero = it was never paused
	relay      error         // why the relay is down
	sink       ops.Condition // what Kafka does
	topics     topics
	failing    []publisher.Status // partitions and look-ups, of whatever topic
	failed     bool               // some failed since the start, or since publishing was resumed
	partitions int                // of the events topic; 0 = not known yet
	tailUnread bool               // the end of one of them cannot be read, and it waits for that
	oldest     time.Time          // receipt of the oldest callback that the lanes have; zero = they have none
	waiting    time.Time          // the same where the spool says it if the lanes cannot
	held       time.Duration      // the longest that one may wait for its order
	spool      spool.Stat
	pace       pace // of the last minute
	window     pace // of the alerts' window
}

// topics tell one topic from another.
type topics struct{ events, callbacks string }

func (b *Bridge) situation(stats relay.Stats, sink ops.Condition) *situation {
	now := b.tally()
	x := &situation{
		now: now.at, draining: b.draining.Load(), hold: b.cfg.Spool.WhenFull == WhenFullHold,
		started: b.started, paused: b.gate.since(), resumed: b.gate.resumed(),
		store: b.spool.Err(), damage: b.spool.Damage(), found: b.verification.damage(),
		sink: sink, topics: topics{b.cfg.Kafka.Topic, b.cfg.Kafka.CallbacksTopic}, partitions: len(stats.Lanes),
		failing: failing(stats), oldest: oldestOpen(stats), waiting: now.oldest,
		held: max(stats.Resequence.Hold, b.cfg.Resequence.Ceiling), spool: b.spool.Stat(),
	}
	if fault := b.relayFault.Load(); fault != nil {
		x.relay = *fault
	}
	x.failed = b.history.any(latest(x.started, x.resumed), func(t *tally) bool { return t.failing })
	for _, l := range stats.Lanes {
		x.tailUnread = x.tailUnread || l.Trouble != nil
	}
	x.pace, x.window = b.paceOf(paceWindow, now), b.paceOf(alertWindow, now)
	return x
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// paceOf is how it went within a time up to now.
func (b *Bridge) paceOf(window time.Duration, now tally) pace {
	from, ok := b.history.since(now.at.Add(-window))
	if !ok {
		from = now
	}
	return paceBetween(from, now)
}

// state is the first of these that holds: what loses callbacks before what only
// delays them, and what is broken before what follows from it.
func (x *situation) state() ops.State {
	for _, judge := range []func() (ops.State, bool){
		x.stopping, x.diskFails, x.full, x.notStored, x.lost, x.heldBack, x.relayDown, x.kafka,
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
	switch n := x.pace.taken(); {
	case n > 0:
		return fmt.Sprintf("%s callbacks/s", perSecond(n/x.pace.took.Seconds()))
	case x.pace.refused() > 0:
		return fmt.Sprintf("no callback was taken in the last minute, %.0f refused (%s)", x.pace.refused(), x.pace.why())
	}
	return "no callback came in the last minute"
}

// doing is what goes through.
func (x *situation) doing() string {
	text := x.coming()
	if x.pace.settle.guess > 0 {
		text += fmt.Sprintf(", 99 of 100 published %s", x.pace.settle)
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
