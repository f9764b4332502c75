package bridge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/schema"
)

// What is refused is judged over alertWindow, as the alert Refusing does it.
const (
	manyRefusals  = 15 // the alert's 0.05 a second; strangers knock at every door
	shareRefusals = .1 // of all that comes
)

// cures are what to do about refusals that a sender of real callbacks can meet.
func cures() map[ingest.Outcome]string {
	return map[ingest.Outcome]string{
		ingest.SignatureMissing: "Switch on authentication for this URL in the chat console.",
		ingest.SignatureWrong:   "Compare the token in the chat console with the app's tokens in the configuration.",
		ingest.SignatureStale:   "Set this machine's clock: it differs from the sender's by more than a minute.",
		ingest.UnknownApp:       "Compare the SDKAppID of the chat console with apps[].sdk_app_id.",
		ingest.NotFound:         "Compare the path of the URL in the chat console with http.path.",
		ingest.TooLarge:         "Raise http.max_body, if callbacks may be so large.",
	}
}

// refused judges what the sender does wrong. Where nothing at all is taken, each
// refusal may be a callback; where callbacks are taken, strangers are left out.
func (x *situation) refused() (ops.State, bool) {
	n, taken := x.window.refused(), x.window.taken()
	if taken == 0 {
		return x.noneTaken(), n > 0
	}
	if x.pace.taken() > 0 && x.pace.refused() == 0 {
		return ops.State{}, false // it is over
	}
	outcomes := []ingest.Outcome{ingest.SignatureMissing, ingest.SignatureWrong, ingest.SignatureStale, ingest.UnknownApp, ingest.TooLarge}
	if x.window.answered[ingest.NotFound] > taken {
		outcomes = append(outcomes, ingest.NotFound)
	}
	worst, n := x.window.worst(outcomes...)
	return ops.State{
		Level: x.refusedLevel(), Fault: ops.FaultSender,
		Sentence: fmt.Sprintf("%.0f of the last 5 minutes' %.0f callbacks were refused, most of them for %s", n, n+taken, worst),
		Safe:     safeButRefused, Next: cures()[worst],
	}, n > manyRefusals && n >= shareRefusals*(n+taken)
}

const safeButRefused = "What is refused is lost where it was a real callback; nothing else is touched."

// noneTaken is the state where only refusals came.
func (x *situation) noneTaken() ops.State {
	worst, _ := x.window.worst(refusals()...)
	next, known := cures()[worst]
	if !known {
		next = "Look at what comes, at its path, method and size: docs/runbook.md, Refusing."
	}
	return ops.State{
		Level: x.refusedLevel(), Fault: ops.FaultSender,
		Sentence: fmt.Sprintf("No callback was taken in the last 5 minutes; %.0f refused (%s)", x.window.refused(), x.window.why()),
		Safe:     safeButRefused, Next: next,
	}
}

// refusedLevel is trouble where the alert is critical: it is likely the chat itself
// that is refused, and more of it than is taken.
func (x *situation) refusedLevel() ops.Level {
	if n := x.window.count(ingest.SignatureMissing, ingest.SignatureWrong, ingest.SignatureStale, ingest.UnknownApp); n > manyRefusals && n > x.window.taken() {
		return ops.Trouble
	}
	return ops.Degraded
}

// unreadable judges the dead letters, by the most frequent of their reasons.
func (x *situation) unreadable() (ops.State, bool) {
	var reasons []schema.Reason
	n := 0.0
	for _, reason := range slices.Sorted(maps.Keys(x.pace.letters)) {
		if x.pace.letters[reason] > 0 {
			reasons, n = append(reasons, reason), n+x.pace.letters[reason]
		}
	}
	if n == 0 {
		return ops.State{}, false
	}
	worst := slices.MaxFunc(reasons, func(a, b schema.Reason) int { return cmp.Compare(x.pace.letters[a], x.pace.letters[b]) })
	most := ""
	if len(reasons) > 1 {
		most = "most of them "
	}
	s := ops.State{
		Level:    ops.Degraded,
		Sentence: fmt.Sprintf("%s of the last minute went to the dead-letter topic, %sfor %s", count(int64(n), "callback"), most, worst),
		Safe:     "They are whole in the dead-letter topic, each with its reason.",
	}
	s.Fault, s.Next = blame(worst)
	return s, true
}

// blame says whose fault dead letters of a reason are, and what to do.
func blame(reason schema.Reason) (ops.Fault, string) {
	switch reason {
	case schema.ReasonTooLargeForTopic:
		return ops.FaultKafka, "Raise the topic's max.message.bytes; chatbridge topics check names the figure."
	case schema.ReasonRejected:
		return ops.FaultKafka, "Read the bridge's log, which has Kafka's words."
	case schema.ReasonNormalizerFault:
		return ops.FaultBridge, "It is a fault of chatbridge; report it with the record."
	}
	return ops.FaultSender, "Look at the last dead letters and their reasons: chatbridge tail --topic with the dead-letter topic's name."
}
