//go:build !race

package relay

import (
	"testing"

	"github.com/chatbridge/chatbridge/bridge/resequence"
)

// allocationsWithoutTracing is what an event took from the spool to Kafka's message
// before there was any tracing. Under the race detector pools forget at random.
const allocationsWithoutTracing = 13

// Tracing that is off costs an event no allocation on its way to Kafka.
func TestTracingThatIsOffCostsAnEventNothing(t *testing.T) {
	entry := benchEntry(1_000_000_000)
	var r recordReader
	var p parcel
	batch := make([]*outgoing, 1)
	n := testing.AllocsPerRun(1000, func() {
		batch[0], _ = r.read(&entry)
		batch[0].fact.Verdict = resequence.InOrder
		p.pack(batch)
	})
	if n > allocationsWithoutTracing {
		t.Errorf("an event takes %v allocations; without tracing it took %d", n, allocationsWithoutTracing)
	}
}
