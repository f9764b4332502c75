package relay

import (
	"sync/atomic"
	"testing"
	"time"
)

// deadLog writes nothing any more once the process is dead.
type deadLog struct {
	Log
	dead atomic.Bool
}

func (d *deadLog) Append(entry []byte) error {
	if d.dead.Load() {
		return errCrash
	}
	return d.Log.Append(entry)
}

func (d *deadLog) Sync() error {
	if d.dead.Load() {
		return errCrash
	}
	return d.Log.Sync()
}

func (d *deadLog) Rewrite(write func(add func([]byte) error) error) error {
	if d.dead.Load() {
		return errCrash
	}
	return d.Log.Rewrite(write)
}

// P4: the process is killed when Kafka has a batch, just after the checkpoint was
// saved. Neither the low mark nor the offset in it may be past a batch of whose end
// it does not know: the next runs would look for it behind where it lies, and
// publish a part of it once more.
func TestWhatIsSavedDoesNotPassABatchThatIsNotSettledInTheLog(t *testing.T) {
	for n := int32(1); n <= 2; n++ {
		r := newRig(t, 1)
		c := newChat(uint64(20+n), 8, 400)
		var relay *Relay
		log := &deadLog{}
		var left atomic.Int32
		left.Store(n)
		r.config = func(o *Options) {
			o.Hooks.Settled = func(int, []time.Duration) {
				if left.Add(-1) == 0 {
					_ = relay.save() // it happens at any time, and so here
					log.dead.Store(true)
				}
			}
		}
		relay = r.relay()
		log.Log, relay.journal.log = relay.journal.log, log
		run := r.start(relay)
		for _, b := range c.bodies {
			r.append(b)
		}
		await(t, "the crash", log.dead.Load)
		_ = run.stop() // it has crashed
		r.config = func(*Options) {}
		r.reopen()
		r.checkPending()
		r.drain()
		r.check(c)
	}
}
