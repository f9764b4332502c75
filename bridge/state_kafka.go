package bridge

import (
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/publisher"
)

func (x *situation) kafka() (ops.State, bool) {
	why, next, down := x.away()
	if !down {
		return ops.State{}, false
	}
	return x.urgent(ops.State{
		Level: ops.Degraded, Fault: ops.FaultKafka, Sentence: why + "; callbacks are stored, " + x.room(),
		Safe: safeInSpool, Next: next,
	}), true
}

// away says that Kafka does not take what it is sent, since when, and what to do.
func (x *situation) away() (why, next string, down bool) {
	if x.sink.OK {
		return "", "", false
	}
	if len(x.failing) == 0 {
		if len(x.sink.Reasons) > 0 {
			next = upperFirst(x.sink.Reasons[0]) + "."
		}
		return "Kafka does not take events yet", next, true
	}
	worst, topics := x.failing[0], 0
	for _, s := range x.failing {
		if s.Since.Before(worst.Since) {
			worst = s
		}
		if s.Partition < 0 {
			topics++
		}
	}
	since, next := x.clock(worst.Since), upperFirst(worst.Sentence)+"."
	switch {
	case topics == 0 && len(x.failing) < x.partitions:
		return fmt.Sprintf("Kafka does not take %s since %s, the others go on", named(x.failing), since), next, true
	case outOfReach(worst.Class):
		return "Kafka is unreachable since " + since, next, true
	default:
		return "Kafka refuses events since " + since, next, true
	}
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
	return x.urgent(ops.State{
		Level: ops.Degraded, Fault: ops.FaultKafka,
		Sentence: fmt.Sprintf("Kafka takes events, and the bridge works off a backlog: %d callbacks, the oldest %s old; %s",
			x.spool.Records, long(x.now.Sub(x.oldest)), x.room()),
		Safe: safeInSpool, Next: "Wait; if the backlog grows, look at Kafka's speed (chatbridge_publish_seconds).",
	}), true
}

func (x *situation) lately() (ops.State, bool) {
	return ops.State{
		Level: ops.Degraded, Fault: ops.FaultKafka,
		Sentence: fmt.Sprintf("Kafka takes events, but of late it was slow: 99 of 100 of the last minute were there within %s", short(x.pace.settle)),
		Safe:     "Nothing is lost: all of it is in Kafka, and what is not yet is on the spool's disk.",
		Next:     "After an outage it is over within a minute. Else look at Kafka's speed (chatbridge_publish_seconds).",
	}, x.pace.settle >= slowOfLate+x.held
}
