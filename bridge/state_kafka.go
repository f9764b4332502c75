package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/publisher"
)

func (x *situation) kafka() (ops.State, bool) {
	why, next, down := x.away()
	if !down {
		return ops.State{}, false
	}
	return x.urgent(ops.State{
		Level: ops.Degraded, Fault: ops.FaultKafka, Sentence: upperFirst(why) + "; callbacks are stored, " + x.room(),
		Safe: safeInSpool, Next: next,
	}), true
}

// away says that Kafka does not take what it is sent, since when, and what to do. A
// relay that has failed sends nothing, and tells nothing of Kafka.
func (x *situation) away() (why, next string, down bool) {
	if x.sink.OK || x.relay != nil {
		return "", "", false
	}
	var events, others []publisher.Status
	for _, s := range x.failing {
		if s.Topic == x.topics.events {
			events = append(events, s)
		} else {
			others = append(others, s)
		}
	}
	switch {
	case len(events) > 0:
		why, next = x.eventsAway(events)
	case len(others) > 0:
		why, next = x.othersAway(others)
	default:
		why = "Kafka does not take events yet"
		if x.partitions > 0 && !x.tailUnread {
			why = "Kafka takes events, but not all of its topics are in order"
		}
		if len(x.sink.Reasons) > 0 {
			next = upperFirst(x.sink.Reasons[0]) + "."
		}
	}
	return why, next, true
}

// eventsAway is about the events topic.
func (x *situation) eventsAway(failing []publisher.Status) (why, next string) {
	worst := longest(failing)
	since := x.clock(worst.Since)
	lookUp := slices.ContainsFunc(failing, func(s publisher.Status) bool { return s.Partition < 0 })
	switch {
	case !lookUp && len(failing) < x.partitions:
		why = fmt.Sprintf("Kafka does not take %s since %s, the others go on", named(failing), since)
	case outOfReach(worst.Class):
		why = "Kafka is unreachable since " + since
	default:
		why = fmt.Sprintf("Kafka refuses events for %s since %s", worst.Topic, since)
	}
	return why, upperFirst(worst.Sentence) + "."
}

// othersAway is about the topics beside it. What goes there waits in the spool, and
// what came after it waits there to be deleted.
func (x *situation) othersAway(failing []publisher.Status) (why, next string) {
	worst := longest(failing)
	what := "dead letters"
	if worst.Topic == x.topics.callbacks {
		what = "callbacks of other commands"
	}
	return fmt.Sprintf("%s cannot be written to %s since %s; events go on, and the spool keeps all that came since", what, worst.Topic, x.clock(worst.Since)),
		upperFirst(worst.Sentence) + "."
}

// longest is the one that fails since the earliest.
func longest(failing []publisher.Status) publisher.Status {
	return slices.MinFunc(failing, func(a, b publisher.Status) int { return a.Since.Compare(b.Since) })
}

// named is the partitions, or their number where they are many.
func named(failing []publisher.Status) string {
	if len(failing) == 1 {
		return fmt.Sprintf("partition %d of %s", failing[0].Partition, failing[0].Topic)
	}
	return fmt.Sprintf("%d partitions", len(failing))
}

// outOfReach tells a Kafka that does not answer from one that says no.
func outOfReach(class string) bool {
	switch class {
	case "unreachable", "refused", "no-answer", "cut", "name-unknown", "broker-unavailable", "timed-out":
		return true
	}
	return false
}

func (x *situation) behind() (ops.State, bool) {
	if x.oldest.IsZero() || x.now.Sub(x.oldest) < slowDelivery+x.held {
		return ops.State{}, false
	}
	s := ops.State{Level: ops.Degraded, Fault: ops.FaultKafka, Safe: safeInSpool,
		Next: "Wait; if the backlog grows, look at Kafka's speed (chatbridge_publish_seconds)."}
	why := x.waited(x.oldest)
	if why != "" {
		s.Fault, s.Next, why = "", "Wait; the room grows as the backlog is published.", ", for "+why
	}
	s.Sentence = fmt.Sprintf("Kafka takes events, and the bridge works off a backlog%s: %s, the oldest %s old; %s",
		why, count(x.spool.Records, "callback"), long(x.now.Sub(x.oldest)), x.room())
	return x.urgent(s), true
}

func (x *situation) lately() (ops.State, bool) {
	if x.pace.settle.guess < slowOfLate+x.held {
		return ops.State{}, false
	}
	s := ops.State{Level: ops.Degraded, Fault: ops.FaultKafka, Safe: "Nothing is lost: all of it is in Kafka, and what is not yet is on the spool's disk."}
	took := "one of a hundred of the last minute took " + x.pace.settle.between()
	if why := x.waited(x.pace.oldest); why != "" || !x.failed && x.resumed.After(x.now.Add(-x.pace.took)) {
		s.Fault, s.Next = "", "It is over within a minute."
		s.Sentence = fmt.Sprintf("Kafka takes events, and the bridge has worked off a backlog, for %s: %s", cmp.Or(why, x.wasPaused()), took)
		return s, true
	}
	s.Sentence = "Kafka takes events, but of late it was slow: " + took
	s.Next = "After an outage it is over within a minute. Else look at Kafka's speed (chatbridge_publish_seconds)."
	return s, true
}

// waited says why a callback that was received then had to wait, where that is not
// Kafka's doing; "" where it is.
func (x *situation) waited(received time.Time) string {
	switch {
	case received.IsZero(), x.failed:
	case received.Before(x.resumed):
		return x.wasPaused()
	case received.Before(x.started):
		return "the bridge was only started at " + x.clock(x.started)
	}
	return ""
}

func (x *situation) wasPaused() string { return "publishing was paused until " + x.clock(x.resumed) }
