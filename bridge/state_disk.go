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
		Level:    ops.Trouble,
		Sentence: fmt.Sprintf("The bridge is being stopped: no callback is taken while what is stored, %s, is drained to Kafka", count(x.spool.Records, "callback")),
		Safe:     safeInSpool, Next: "Wait for it to end; the next start publishes what is left.",
	}, x.draining
}

func (x *situation) diskFails() (ops.State, bool) {
	if stuck, ok := errors.AsType[*spool.StuckError](x.store); ok {
		return ops.State{
			Level: ops.Trouble, Fault: ops.FaultDisk,
			Sentence: fmt.Sprintf("The spool's disk does not answer since %s: callbacks wait for it until their sender gives up", x.clock(stuck.Since)),
			Safe:     safeInSpool,
			Next:     "Check the volume and the kernel's log (dmesg). The bridge stores again once the disk answers.",
		}, true
	}
	poisoned, ok := errors.AsType[*spool.PoisonedError](x.store)
	if !ok {
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
	case x.relay != nil:
		s.Fault, s.Next = ops.FaultDisk, startsAgain
		s.Sentence = fmt.Sprintf(say, x.turnedAway(), ", since nothing is published: "+x.relay.Error())
	case down:
		s.Sentence, s.Next = fmt.Sprintf(say, x.turnedAway(), "; "+why), next
	case x.fullByOthers():
		s.Fault = ops.FaultDisk
		s.Sentence = fmt.Sprintf(say, x.turnedAway(), fmt.Sprintf(", since only %s are free on its disk", about(x.spool.FreeBytes)))
		s.Next = "Free space on the spool's disk: spool.min_free must stay free for others."
	default:
		s.Sentence = fmt.Sprintf(say, x.turnedAway(), ", since Kafka takes less than comes in")
		s.Next = "It stores again as the spool drains. Look at Kafka's speed, and give the spool more room (spool.max_bytes)."
	}
	return s, true
}

// fullByOthers reports whether the disk has no room although the spool is small.
func (x *situation) fullByOthers() bool {
	return x.spool.FreeBytes < x.spool.MinFree+x.spool.MinFree/4 && x.spool.Bytes < x.spool.MaxBytes/2
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
		Safe: safeInSpool, Next: startsAgain,
	}), true
}

const startsAgain = "It starts again by itself. Check the spool's disk: chatbridge spool verify."

// lost judges what was refused though it was authentic, as the alert CallbacksLost
// does it: nobody sends it again because the bridge is well again.
func (x *situation) lost() (ops.State, bool) {
	worst, n := x.window.worst(ingest.Full, ingest.Poisoned, ingest.StoreFailed, ingest.Overloaded, ingest.Panicked)
	if n == 0 {
		return ops.State{}, false
	}
	were, are, most := "were", "are", ""
	if n == 1 {
		were, are = "was", "is"
	}
	if x.window.answered[worst] < n {
		most = ", most of them"
	}
	s := ops.State{Level: ops.Trouble, Safe: safeInSpool}
	var why string
	s.Fault, why, s.Next = x.refusal(worst)
	s.Sentence = fmt.Sprintf("%s of the last 5 minutes %s refused%s because %s, and %s lost unless the console's retry is on%s",
		count(int64(n), "callback"), were, most, why, are, x.storesAgain(worst))
	return s, true
}

// refusal says whose fault it is that authentic callbacks were refused, why they
// were, and what to do.
func (x *situation) refusal(o ingest.Outcome) (fault ops.Fault, why, next string) {
	switch o {
	case ingest.Full:
		fault = ops.FaultKafka
		if x.fullByOthers() {
			fault = ops.FaultDisk
		} else if x.now.Sub(x.resumed) < alertWindow {
			fault = "" // the operator had it paused
		}
		return fault, "the spool was full", "Give the spool more room (spool.max_bytes), or mend what filled it: Kafka, or who else uses the disk."
	case ingest.Poisoned:
		return ops.FaultDisk, "the spool's disk failed", "Check the disk and the kernel's log (dmesg)."
	case ingest.StoreFailed:
		return ops.FaultDisk, "the spool did not store them", "Read the bridge's log, which has the error, and check the disk."
	case ingest.Panicked:
		return ops.FaultBridge, "of a fault of chatbridge", "Report it with the lines of the bridge's log that say panic."
	}
	return ops.FaultBridge, "more came at once than the bridge can take",
		"Compare the machine's load, and the time that its disk takes for a sync (chatbridge_spool_fsync_seconds), with what is usual."
}

// storesAgain says how it is since callbacks were refused for o.
func (x *situation) storesAgain(o ingest.Outcome) string {
	switch {
	case o == ingest.Full || o == ingest.Poisoned || x.pace.answered[o] == 0:
		return "; it stores again"
	case x.pace.taken() > 0:
		return "; others are stored"
	}
	return ""
}

func (x *situation) slow() (ops.State, bool) {
	return ops.State{
		Level: ops.Degraded, Fault: ops.FaultDisk,
		Sentence: fmt.Sprintf("Answers are slow: one of a hundred takes longer than %s, and the sender waits 2 s", short(x.pace.answer.above)),
		Safe:     "What was stored is published also where the sender did not wait for the answer.",
		Next:     "Compare the time that the disk takes for a sync (chatbridge_spool_fsync_seconds) with what is usual; who else uses it?",
	}, x.pace.answer.above >= slowAnswer
}

func (x *situation) damaged() (ops.State, bool) {
	s := ops.State{Level: ops.Degraded, Fault: ops.FaultDisk}
	switch {
	case x.damage != nil:
		s.Sentence = fmt.Sprintf("A part of the spool was damaged, with %s in it; %s", count(x.spool.Lost, "callback"), x.doing())
		s.Safe = "The damaged file is kept aside, and all that is not in it goes on."
		s.Next = "Run chatbridge spool verify, and check the disk: " + x.damage.Error() + "."
	case x.found != nil:
		s.Sentence = fmt.Sprintf("Verifying the spool at %s found damage in %s; %s", x.clock(x.found.at), x.found, x.doing())
		s.Safe = "All that is whole in the spool goes on."
		s.Next = "Run chatbridge spool verify to see where, and check the disk. This stands until the spool is verified again."
	default:
		return ops.State{}, false
	}
	return s, true
}

func (x *situation) turnedAway() string {
	if x.hold {
		return "wait for room until their sender gives up"
	}
	return "are refused"
}
