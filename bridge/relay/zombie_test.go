package relay

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/publisher"
)

// The keys of requests that matter here (Kafka protocol, api keys).
const (
	keyProduce = 0
	keyFetch   = 1
)

// A wire carries requests between a client and its broker. It can keep the first
// Produce request back, beyond the life of whoever sent it.
type wire struct {
	hold     bool
	answered func(key int16) // called with each request whose answer the client gets; may be nil

	mu   sync.Mutex
	held chan struct{} // closed once a request is kept
	kept []byte
	up   net.Conn // on which it will go
	wg   sync.WaitGroup
}

func newWire(t *testing.T, hold bool) *wire {
	w := &wire{hold: hold, held: make(chan struct{})}
	t.Cleanup(w.wg.Wait)
	return w
}

// dial is for publisher.Config.Dial.
func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	up, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	client, inner := net.Pipe()
	w.wg.Go(func() { w.carry(inner, up) })
	return client, nil
}

// carry takes one request after the other to the broker, and its answer back.
func (w *wire) carry(inner, up net.Conn) {
	defer inner.Close()
	for {
		request, err := readFrame(inner)
		if err != nil {
			up.Close()
			return
		}
		key := int16(binary.BigEndian.Uint16(request[4:]))
		if key == keyProduce && w.keep(request, up) {
			_, _ = io.Copy(io.Discard, inner) // until the client is gone
			return
		}
		if _, err := up.Write(request); err != nil {
			return
		}
		answer, err := readFrame(up)
		if err != nil {
			return
		}
		if _, err := inner.Write(answer); err != nil {
			up.Close()
			return
		}
		if w.answered != nil {
			w.answered(key)
		}
	}
}

func (w *wire) keep(request []byte, up net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hold {
		return false
	}
	w.hold, w.kept, w.up = false, request, up
	close(w.held)
	return true
}

// deliver lets the broker have the request that was kept, and returns when it
// has answered.
func (w *wire) deliver(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.up.Close()
	if _, err := w.up.Write(w.kept); err != nil {
		t.Errorf("deliver what was kept: %v", err)
	}
	if _, err := readFrame(w.up); err != nil {
		t.Errorf("the broker does not answer what was kept: %v", err)
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	frame := make([]byte, 4)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// through makes relays talk to Kafka over w.
func (r *rig) through(w *wire) {
	r.config = func(o *Options) {
		o.Connect = func() (*publisher.Client, error) {
			return publisher.New(publisher.Config{Brokers: r.kafka.ListenAddrs(), RequestTimeout: 2 * time.Second, Dial: w.dial})
		}
	}
}

// forgetfulLog loses all that is written from the first announcement on, as a
// machine that loses power.
type forgetfulLog struct {
	Log
	lost bool
}

func (f *forgetfulLog) Append(entry []byte) error {
	f.lost = f.lost || entryKind(entry[0]) == entryIntent
	if f.lost {
		return nil
	}
	return f.Log.Append(entry)
}

func (f *forgetfulLog) Rewrite(write func(add func([]byte) error) error) error {
	if f.lost {
		return nil
	}
	return f.Log.Rewrite(write)
}

// P4: a batch is still on its way to the broker when the bridge has died, and the
// broker reads it only after the next run has looked for it. Where the checkpoint
// does not name it, that run must not have sent anything by then.
func TestABatchOnItsWayWhenTheBridgeDiedIsPublishedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		log  func(Log) Log // of the first run
		boot string        // of the second
	}{
		"the process was killed":     {func(l Log) Log { return l }, testBoot},
		"the machine lost power":     {func(l Log) Log { return &forgetfulLog{Log: l} }, "the boot after"},
		"the checkpoint was deleted": {func(Log) Log { return &memoryLog{} }, testBoot},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			want := newChat(11, 5, 60)
			for _, b := range want.bodies {
				r.append(b)
			}
			first := newWire(t, true)
			r.through(first)
			relay := r.relay()
			relay.journal.log = &endlessLog{c.log(relay.journal.log)}
			run := r.start(relay)
			<-first.held
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			r.reopen()

			second := newWire(t, false)
			var once sync.Once
			second.answered = func(key int16) {
				if key == keyFetch {
					once.Do(func() { first.deliver(t) })
				}
			}
			r.through(second)
			connect := r.config
			r.config = func(o *Options) { connect(o); o.Boot = c.boot }
			r.quiet = 2 * time.Second
			r.drain()
			r.check(want)
		})
	}
}

// endlessLog has no good end: the process is killed before it could write one.
type endlessLog struct{ Log }

func (e *endlessLog) Append(entry []byte) error {
	if entryKind(entry[0]) == entryRun {
		return nil
	}
	return e.Log.Append(entry)
}

// P4: the doubt about a batch on its way outlives a run that dies while it waits.
func TestADoubtfulCheckpointStaysSoUntilEveryLaneHasRecovered(t *testing.T) {
	r := newRig(t, 2)
	for seq := 1; seq <= 10; seq++ {
		r.append(body("g", seq, uint32(seq)))
	}
	relay := r.relay() // there is no checkpoint beside the records
	relay.quiet = time.Hour
	run := r.start(relay)
	await(t, "the first run waits", func() bool { return relay.journal.log.Size() > 0 })
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	again := r.relay()
	run = r.start(again)
	await(t, "every lane has recovered, and everything is settled", func() bool {
		return run.left((*lane).open) == 0 && again.recovering.Load() == 0
	})
	if !again.doubtful {
		t.Error("the second run trusts a checkpoint that the first one did not")
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.append(body("g", 11, 11))
	r.reopen()
	third := r.relay()
	run = r.start(third)
	await(t, "everything is settled", func() bool { return run.left((*lane).open) == 0 })
	if third.doubtful {
		t.Error("the third run does not trust a checkpoint that ended well")
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
}
