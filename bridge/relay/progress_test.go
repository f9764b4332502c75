package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/schema"
)

// P1: of each record, the checkpoint says whether it is finished, beside a relay
// that runs: what is held is not, also where what came after it is.
func TestProgressSaysWhichRecordIsFinished(t *testing.T) {
	r := newRig(t, 2)
	r.hold = time.Hour
	run := r.start(r.relay())
	other := "" // a group of the other partition
	for n := 0; other == "" || laneOfKey(streamKey(schema.Stream{GroupID: other}), 2) == laneOfKey(streamKey(schema.Stream{GroupID: "g"}), 2); n++ {
		other = fmt.Sprint("h", n)
	}
	want := map[spool.Position]bool{}
	for _, m := range []struct {
		group    string
		seq      int
		finished bool
	}{{"g", 1, true}, {"g", 3, false}, {other, 1, true}, {"g", 1, true}, {"i" + other, 1, true}} {
		want[r.append(body(m.group, m.seq, uint32(m.seq)))] = m.finished
	}
	await(t, "the checkpoint says so", func() bool {
		p, err := ReadProgress(func(fn func([]byte) error) error { return spool.ReadCheckpoint(r.dir, fn) })
		if err != nil {
			t.Fatal(err)
		}
		right := true
		if err := spool.Walk(r.dir, 0, func(e spool.Entry) error {
			if p.Has(&e) && !want[e.Position] {
				t.Errorf("the record at %d is finished; it is held", e.Position)
			}
			right = right && p.Has(&e) == want[e.Position]
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return right
	})
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	var none Progress
	if none.Has(&spool.Entry{Position: 1}) {
		t.Error("without a checkpoint a record is finished")
	}
}
