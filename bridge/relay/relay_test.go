package relay

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// P1, P3, P4, P5: what is in the spool comes out in order and once.
func TestDisorderlyCallbacksComeOutInOrderAndOnce(t *testing.T) {
	r := newRig(t, 3)
	c := newChat(1, 20, 3000)
	for _, b := range c.bodies {
		r.append(b)
	}
	r.drain()
	r.check(c)
}

// The same while the callbacks come in.
func TestEventsFollowTheirCallbacksLive(t *testing.T) {
	r := newRig(t, 3)
	run := r.start(r.relay())
	c := newChat(2, 10, 400)
	for _, b := range c.bodies {
		r.append(b)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.drain()
	r.check(c)
}

// P1, P3, P4: the process may end at any operation on the checkpoint, whether
// that operation was done or not. The next start goes on as if nothing happened.
func TestACrashAtAnyCheckpointWriteLosesAndDoublesNothing(t *testing.T) {
	c := newChat(3, 6, 240)
	total := crashAt(t, c, 0, false)
	if total < 10 {
		t.Fatalf("only %d operations on the checkpoint: the run is too short to mean anything", total)
	}
	t.Logf("%d crash points, each before and after the write", total)
	for k := 1; k <= total; k++ {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("at-%d-done-%v", k, done), func(t *testing.T) {
				t.Parallel() // each waits more than it works
				crashAt(t, c, k, done)
			})
		}
	}
}

// crashAt runs a relay that crashes at the kth operation on the checkpoint, and
// then one that does not. It returns how many operations the first one did.
func crashAt(t *testing.T, c *chat, k int, done bool) int {
	t.Helper()
	r := newRig(t, 2)
	r.hold = 10 * time.Millisecond
	half := len(c.bodies) / 2
	for _, b := range c.bodies[:half] {
		r.append(b)
	}
	operations := r.crash(k, done, c.bodies[half:])
	r.drain()
	r.check(c)
	return operations
}

// crash runs a relay that crashes at the kth operation on the checkpoint, while
// more callbacks come, and opens the spool again. k = 0: it does not crash, but
// runs until everything is settled.
func (r *rig) crash(k int, done bool, more [][]byte) (operations int) {
	r.t.Helper()
	relay := r.relay()
	log := &crashLog{Log: relay.journal.log, n: k, done: done}
	relay.journal.log = log
	run := r.start(relay)
	for _, b := range more {
		r.append(b)
	}
	// A run may have fewer operations this time than the one that was counted.
	await(r.t, "the crash or the end", func() bool { return log.crashed() || run.left((*lane).unheld) == 0 })
	if err := run.stop(); err != nil && !errors.Is(err, errCrash) {
		r.t.Fatal(err)
	}
	r.reopen()
	r.checkPending()
	return log.seen
}

// checkPending holds the checkpoint against the topic: a batch that is to be
// sent again unless it is found must not lie where nobody will look for it. The
// broker's memory would hide that here; a real one forgets.
func (r *rig) checkPending() {
	r.t.Helper()
	state, err := restore(func(fn func([]byte) error) error { return spool.ReadCheckpoint(r.dir, fn) }, newTestBuffer)
	if err != nil {
		r.t.Fatal(err)
	}
	r.read(testTopic, func(p int, rec *publisher.Record) {
		if p >= len(state.lanes) {
			return
		}
		l := &state.lanes[p]
		if l.pending != nil && *l.pending == identityOf(rec) && rec.Offset < l.next {
			r.t.Errorf("partition %d: the batch %+v is to be looked for from offset %d, but lies at %d", p, *l.pending, l.next, rec.BaseOffset)
		}
	})
}

// P4: the next start may crash as well, at any of its first operations.
func TestACrashWhileRecoveringLosesAndDoublesNothing(t *testing.T) {
	c := newChat(4, 6, 200)
	half := len(c.bodies) / 2
	for first := 6; first <= 40; first += 4 {
		for second := 1; second <= 6; second++ {
			t.Run(fmt.Sprintf("at-%d-then-%d", first, second), func(t *testing.T) {
				t.Parallel() // each waits more than it works
				r := newRig(t, 2)
				r.hold = 10 * time.Millisecond
				for _, b := range c.bodies[:half] {
					r.append(b)
				}
				r.crash(first, true, c.bodies[half:])
				r.crash(second, second%2 == 0, nil)
				r.drain()
				r.check(c)
			})
		}
	}
}

func (c *crashLog) crashed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n > 0 && c.seen >= c.n
}

// P1: on a full disk the checkpoint makes itself small, and draining goes on.
func TestAFullCheckpointIsRewritten(t *testing.T) {
	r := newRig(t, 2)
	c := newChat(9, 6, 300)
	for _, b := range c.bodies {
		r.append(b)
	}
	relay := r.relay()
	log := &fullLog{Log: relay.journal.log, room: 3}
	relay.journal.log = log
	run := r.start(relay)
	await(t, "everything is settled", func() bool { return run.left((*lane).open) == 0 })
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	if log.rewrites < 2 {
		t.Errorf("%d rewrites: the log was never full", log.rewrites)
	}
	r.check(c)
}

// fullLog has room for so many entries after each Rewrite.
type fullLog struct {
	Log
	mu             sync.Mutex
	room, rewrites int
	used           int
}

func (f *fullLog) Append(entry []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.used == f.room {
		return spool.ErrFull
	}
	f.used++
	return f.Log.Append(entry)
}

func (f *fullLog) Rewrite(write func(add func([]byte) error) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used, f.rewrites = 0, f.rewrites+1
	return f.Log.Rewrite(write)
}

// P6: what cannot be understood goes to the dead letters, whole, with the reason.
func TestUnreadableCallbacksAreDeadLettered(t *testing.T) {
	r := newRig(t, 2)
	bad := []byte(`{"CallbackCommand":"Group.CallbackAfterSendMsg","Type":"Public"`)
	r.append(body("g", 1, 1))
	r.append(bad)
	r.append(body("g", 2, 2))
	r.drain()
	if got := len(r.events()); got != 2 {
		t.Errorf("%d events; want 2", got)
	}
	var letters []publisher.Record
	r.read(testDeadTopic, func(_ int, rec *publisher.Record) { letters = append(letters, *rec) })
	if len(letters) != 1 || string(letters[0].Value) != string(bad) {
		t.Fatalf("dead letters: %v; want the body as it came", letters)
	}
	if reason, _ := headerOf(&letters[0])(schema.HeaderReason); reason != string(schema.ReasonNotJSON) {
		t.Errorf("reason %q; want %q", reason, schema.ReasonNotJSON)
	}
}

// P1, P6: a callback whose query names no command was answered as a message's;
// it is published or dead-lettered as one.
func TestACallbackWithoutACommandIsAMessage(t *testing.T) {
	r := newRig(t, 2)
	for _, b := range [][]byte{body("g", 1, 1), []byte("not JSON")} {
		record := recordOf("", b)
		record.Query = []byte("SdkAppid=1400000000")
		if _, err := r.spool.Append(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	r.drain()
	letters := 0
	r.read(testDeadTopic, func(int, *publisher.Record) { letters++ })
	if events := len(r.events()); events != 1 || letters != 1 {
		t.Errorf("%d events and %d dead letters; want 1 and 1", events, letters)
	}
}

// Other commands go to their topic where there is one, and nowhere else.
func TestOtherCommandsGoToTheCallbacksTopic(t *testing.T) {
	r := newRig(t, 2)
	r.config = func(o *Options) { o.CallbacksTopic = testOther }
	other := []byte(`{"CallbackCommand":"State.StateChange"}`)
	_, err := r.spool.Append(t.Context(), recordOf("State.StateChange", other))
	if err != nil {
		t.Fatal(err)
	}
	r.drain()
	n := 0
	r.read(testOther, func(_ int, rec *publisher.Record) {
		n++
		if command, _ := headerOf(rec)(schema.HeaderCommand); command != "State.StateChange" || string(rec.Value) != string(other) {
			t.Errorf("got command %q, value %q", command, rec.Value)
		}
	})
	if n != 1 || len(r.events()) != 0 {
		t.Errorf("%d callbacks and %d events; want 1 and 0", n, len(r.events()))
	}
}

// What a drained spool still holds on its disk does not count as waiting.
func TestProgressSaysThatEverythingIsFinished(t *testing.T) {
	r := newRig(t, 3)
	for seq := 1; seq <= 10; seq++ {
		r.append(body("g", seq, uint32(seq)))
	}
	r.drain()
	p, err := ReadProgress(func(fn func([]byte) error) error { return spool.ReadCheckpoint(r.dir, fn) })
	if err != nil || p.Low != r.spool.End() || p.Finished != 0 {
		t.Errorf("progress %+v, %v; want everything below %d finished", p, err, r.spool.End())
	}
}
