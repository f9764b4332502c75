package integration

import (
	"strconv"
	"testing"
)

// TestOrderUnderDisorder: P1, P3, P4, P5, shown by P9. A fifth of the messages is
// overtaken, every twentieth comes twice, and numbers are missing.
func TestOrderUnderDisorder(t *testing.T) {
	t.Parallel()
	dice(t)
	kafka := sharedKafka(t)
	b := startBridge(t, kafka)
	ledger := newLedger(t)
	s := send(b, ledger, "--rate", "0", "--count", strconv.Itoa(sizes.messages))
	t.Log(s)
	if s.OK != s.Callbacks || s.MessagesStored != uint64(sizes.messages) {
		t.Errorf("not every callback was answered OK: %v", s)
	}
	v := audit(b, ledger)
	t.Log(v)
	if v.Messages != uint64(sizes.messages) {
		t.Errorf("%d messages in the topic", v.Messages)
	}
	if missing := v.Holes.Skipped - v.Holes.Filled; missing != v.Holes.Dropped {
		t.Errorf("%d holes, %d of them dropped by the sender", missing, v.Holes.Dropped)
	}
}
