package relay

import (
	"context"
	"testing"
	"time"
)

// P3: the wall clock is set back by an hour while a message is held and callbacks
// go on coming. The wait stays bounded: it does not last until the wall clock has
// come back to where it was, neither in the run that saw it nor in the next one.
func TestAWallClockThatIsSetBackStallsNoHold(t *testing.T) {
	for name, restart := range map[string]bool{"in one run": false, "between two runs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.hold = time.Second
			if restart {
				r.hold = time.Hour
			}
			run := r.start(r.relay())
			r.append(body("g", 1, 1))
			r.append(body("g", 3, 3))
			if restart {
				await(t, "the message behind the hole is held", func() bool { return run.Stats().Resequence.Held == 1 })
				if err := run.stop(); err != nil {
					t.Fatal(err)
				}
				r.reopen()
				r.hold = time.Second
				run = r.start(r.relay())
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for seq := 1; r.inPartition(0) < seq+1; seq++ { // each of the others is settled before the next comes
				r.appendAt(time.Now().Add(-time.Hour), body("others", seq, uint32(seq)))
				if left := run.Drain(ctx); left != 0 {
					t.Fatalf("message 3 is still held after a minute in which %d others came: %+v", seq, run.Stats().Resequence)
				}
			}
		})
	}
}
