package bridge

import (
	"errors"
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

func (x *situation) stopping() (ops.State, bool) {
	return ops.State{
		Level:    ops.Degraded,
		Sentence: fmt.Sprintf("The bridge is being stopped: no callback is taken, and the %d stored ones are drained to Kafka", x.spool.Records),
		Safe:     safeInSpool, Next: "Wait for it to end; the next start publishes what is left.",
	}, x.draining
}

func (x *situation) diskFails() (ops.State, bool) {
	var poisoned *spool.PoisonedError
	if !errors.As(x.store, &poisoned) {
		return ops.State{}, false
	}
	return ops.State{
		Level: ops.Trouble, Fault: ops.FaultDisk,
		Sentence: fmt.Sprintf("The spool's disk fails since %s: callbacks %s", x.clock(poisoned.Since), x.turnedAway()),
		Safe:     safeInSpool,
		Next:     "Check the disk and the kernel's log (dmesg). The bridge tries by itself, and stores again once the disk does.",
	}, true
}

func (x *situation) full() (ops.State, bool) {
	if !errors.Is(x.store, spool.ErrFull) {
		return ops.State{}, false
	}
	s := ops.State{Level: ops.Trouble, Fault: ops.FaultKafka, Safe: safeInSpool}
	const say = "The spool is full: callbacks %s%s"
	switch why, next, down := x.away(); {
	case !x.paused.IsZero():
		s.Fault, s.Next = "", resumeIt
		s.Sentence = fmt.Sprintf(say, x.turnedAway(), ", since publishing is paused by the operator since "+x.clock(x.paused))
	case down:
		s.Sentence, s.Next = fmt.Sprintf(say, x.turnedAway(), "; "+why), next
	case x.spool.FreeBytes < x.spool.MinFree+x.spool.MinFree/4 && x.spool.Bytes < x.spool.MaxBytes/2:
		s.Fault = ops.FaultDisk
		s.Sentence = fmt.Sprintf(say, x.turnedAway(), fmt.Sprintf(", since only %s are free on its disk", about(x.spool.FreeBytes)))
		s.Next = "Free space on the spool's disk: spool.min_free must stay free for others."
	default:
		s.Sentence = fmt.Sprintf(say, x.turnedAway(), ", since Kafka takes less than comes in")
		s.Next = "It stores again as the spool drains. Look at Kafka's speed, and give the spool more room (spool.max_bytes)."
	}
	return s, true
}

func (x *situation) notStored() (ops.State, bool) {
	if x.store == nil {
		return ops.State{}, false
	}
	return ops.State{
		Level: ops.Trouble, Fault: ops.FaultBridge, Sentence: "Callbacks cannot be stored: " + x.store.Error(),
		Safe: safeInSpool, Next: "Read the bridge's log, and start it again.",
	}, true
}

const resumeIt = "Resume publishing on the page, once what it was paused for is done."

func (x *situation) heldBack() (ops.State, bool) {
	if x.paused.IsZero() {
		return ops.State{}, false
	}
	return x.urgent(ops.State{
		Level:    ops.Degraded,
		Sentence: "Publishing is paused by the operator since " + x.clock(x.paused) + "; callbacks are stored, " + x.room(),
		Safe:     safeInSpool, Next: resumeIt,
	}), true
}

func (x *situation) relayDown() (ops.State, bool) {
	if x.relay == nil {
		return ops.State{}, false
	}
	return x.urgent(ops.State{
		Level: ops.Degraded, Fault: ops.FaultDisk, Sentence: "Nothing is published, for " + x.relay.Error() + "; callbacks are stored, " + x.room(),
		Safe: safeInSpool, Next: "It starts again by itself. Check the spool's disk: chatbridge spool verify.",
	}), true
}

func (x *situation) overloaded() (ops.State, bool) {
	n := x.pace.count(ingest.Overloaded, ingest.StoreFailed, ingest.Panicked)
	return ops.State{
		Level: ops.Trouble, Fault: ops.FaultBridge,
		Sentence: fmt.Sprintf("The bridge cannot keep up: %.0f of the last minute's callbacks were refused", n),
		Safe:     safeInSpool,
		Next:     "Compare the machine's load, and the time that its disk takes for a sync (chatbridge_spool_fsync_seconds), with what is usual.",
	}, n > 0
}

func (x *situation) slow() (ops.State, bool) {
	return ops.State{
		Level: ops.Degraded, Fault: ops.FaultDisk,
		Sentence: fmt.Sprintf("Answers are slow: one of a hundred takes longer than %s, and the sender waits 2 s", short(x.pace.answer)),
		Safe:     "What was stored is published also where the sender did not wait for the answer.",
		Next:     "Compare the time that the disk takes for a sync (chatbridge_spool_fsync_seconds) with what is usual; who else uses it?",
	}, x.pace.answer >= slowAnswer
}

func (x *situation) damaged() (ops.State, bool) {
	if x.damage == nil {
		return ops.State{}, false
	}
	return ops.State{
		Level: ops.Degraded, Fault: ops.FaultDisk,
		Sentence: fmt.Sprintf("A part of the spool was damaged, with %s in it; %s", count(x.spool.Lost, "callback"), x.doing()),
		Safe:     "The damaged file is kept aside, and all that is not in it goes on.",
		Next:     "Run chatbridge spool verify, and check the disk: " + x.damage.Error() + ".",
	}, true
}

func (x *situation) turnedAway() string {
	if x.hold {
		return "wait for room until their sender gives up"
	}
	return "are refused"
}
