package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCommandsOnALiveBridge: spool stat and verify look into a spool that is in
// use, and tail and audit at the topic that it becomes.
func TestCommandsOnALiveBridge(t *testing.T) {
	t.Parallel()
	dice(t)
	kafka := newKafka(t, spec{})
	b := startBridge(t, kafka)
	ledger := newLedger(t)
	s := send(b, ledger, "--rate", "0", "--count", "1000")

	var stat struct {
		Records uint64 `json:"records"`
	}
	stdout, stderr, code := run(t, append([]string{"spool", "stat", "--json"}, b.settings()...)...)
	if err := json.Unmarshal([]byte(stdout), &stat); err != nil || code != 0 {
		t.Fatalf("spool stat: exit %d, %q, %s: %v", code, stdout, stderr, err)
	}
	if stat.Records != s.OK {
		t.Errorf("spool stat says %d records, %d callbacks were answered OK", stat.Records, s.OK)
	}
	if stdout, stderr, code := run(t, append([]string{"spool", "verify"}, b.settings()...)...); code != 0 {
		t.Errorf("spool verify of a live spool: exit %d, %s%s", code, stdout, stderr)
	}

	kafka.start()
	audit(b, ledger)
	inOrderAsTailHasIt(t, b, s.MessagesStored)

	// An audit can fail: what is left out counts as lost.
	stdout, stderr, code = run(t, append([]string{"audit", "--json", "--ledger", ledger, "--from", "3"}, b.settings()...)...)
	if code != 1 || !strings.Contains(stdout, `"lost"`) {
		t.Errorf("audit of a part of the topic: exit %d, %s%s", code, stdout, stderr)
	}
}

// inOrderAsTailHasIt judges the order once more, by tail's lines and by nothing of
// the program's own.
func inOrderAsTailHasIt(t *testing.T, b *bridge, want uint64) {
	t.Helper()
	stdout, stderr, code := run(t, append([]string{"tail", "--from", "earliest", "--follow=false", "--json"}, b.settings()...)...)
	if code != 0 {
		t.Fatalf("tail: exit %d, %s", code, stderr)
	}
	type place struct {
		partition int
		offset    int64
	}
	last, seen, at := map[string]string{}, map[string]bool{}, map[string]place{}
	for line := range strings.Lines(stdout) {
		var r struct {
			Partition int
			Offset    int64
			Headers   map[string]string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("tail: %q: %v", line, err)
		}
		stream, number, order := r.Headers["ce_source"], r.Headers["ce_sequence"], r.Headers["chatbridge-order"]
		if seen[r.Headers["ce_id"]] {
			t.Errorf("%s %s is there twice", stream, number)
		}
		seen[r.Headers["ce_id"]] = true
		// Ten digits each: texts compare as their numbers do.
		if order != "late" && number <= last[stream] {
			t.Errorf("%s %s comes after %s, and is marked %s", stream, number, last[stream], order)
		}
		last[stream] = max(last[stream], number)
		if before, known := at[stream]; known && (before.partition != r.Partition || before.offset >= r.Offset) {
			t.Errorf("%s: tail shows %v before %v", stream, before, place{r.Partition, r.Offset})
		}
		at[stream] = place{r.Partition, r.Offset}
	}
	if uint64(len(seen)) != want {
		t.Errorf("tail shows %d messages, %d were stored", len(seen), want)
	}
}
