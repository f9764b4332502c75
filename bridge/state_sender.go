package bridge

import (
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
)

func (x *situation) refused() (ops.State, bool) {
	worst, n, all := ingest.SignatureWrong, 0.0, x.pace.taken()
	for _, o := range []ingest.Outcome{ingest.SignatureMissing, ingest.SignatureWrong, ingest.SignatureStale, ingest.UnknownApp} {
		if x.pace.answered[o] > x.pace.answered[worst] {
			worst = o
		}
		n += x.pace.answered[o]
	}
	next := map[ingest.Outcome]string{
		ingest.SignatureMissing: "Switch on authentication for this URL in the chat console.",
		ingest.SignatureWrong:   "Compare the token in the chat console with the app's tokens in the configuration.",
		ingest.SignatureStale:   "Set this machine's clock: it differs from the sender's by more than a minute.",
		ingest.UnknownApp:       "Compare the SDKAppID of the chat console with apps[].sdk_app_id.",
	}
	level := ops.Degraded
	if n > all {
		level = ops.Trouble
	}
	return ops.State{
		Level: level, Fault: ops.FaultSender,
		Sentence: fmt.Sprintf("%.0f of the last minute's %.0f callbacks were refused, most of them for %s", n, n+all, worst),
		Safe:     "What is refused is lost where it was a real callback; nothing else is touched.", Next: next[worst],
	}, n >= fewRefusals && n >= shareRefusals*(n+all)
}

func (x *situation) unreadable() (ops.State, bool) {
	return ops.State{
		Level: ops.Degraded, Fault: ops.FaultSender,
		Sentence: count(int64(x.pace.letters), "callback") + " of the last minute went to the dead-letter topic",
		Safe:     "They are whole in the dead-letter topic, each with its reason.",
		Next:     "Look at the last dead letters and their reasons: chatbridge tail --topic with the dead-letter topic's name.",
	}, x.pace.letters > 0
}
