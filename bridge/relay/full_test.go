package relay

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// P3: a message is held, its lane is full, and the missing neighbour lies in the
// spool, unread, for longer than the hold.
func TestAFullLaneWaitsForWhatLiesUnread(t *testing.T) {
	for _, partitions := range []int32{1, 2} {
		t.Run(fmt.Sprintf("%d partitions", partitions), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, partitions)
			r.hold = time.Second
			begun := time.Now()
			var passed atomic.Int64
			r.config = func(o *Options) {
				o.Now = func() time.Time { return begun.Add(time.Duration(passed.Load())) }
			}
			relay := r.relay()
			relay.queueBytes = 1 // the least there is
			run := r.start(relay)
			id := publisher.PartitionFor([]byte("g"), int(partitions))
			filler := groupIn(id, int(partitions))
			r.appendAt(begun, body("g", 1, 1))
			await(t, "the lane works", func() bool { return r.inPartition(id) == 1 })
			stuck := r.kafka.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Partitions: []int32{int32(id)}, Err: kerr.NotLeaderForPartition, Count: -1,
			})
			r.appendAt(begun, body("g", 3, 3))
			await(t, "the message behind the hole is held", func() bool { return run.Stats().Resequence.Held == 1 })
			l := relay.lanes[id]
			for seq := 1; l.hasRoom(); seq++ {
				r.appendAt(begun, body(filler, seq, uint32(seq)))
				await(t, "it is read", func() bool { return !l.hasRoom() || relay.dispatcher.standsAtEnd() })
			}
			r.appendAt(begun, body("g", 2, 2))
			// The clock stands once main has the record in its hands, and nowhere to go with it.
			await(t, "nobody reads on", func() bool { _, ticking := l.clock.read(); return !ticking })
			passed.Store(int64(3 * time.Second)) // longer than the hold
			signal(l.wake)
			await(t, "the lane has looked at its clock", func() bool { return len(l.wake) == 0 })
			stuck.Remove()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if left := run.Settle(ctx); left != 0 {
				t.Fatalf("%d records are left", left)
			}
			if got := run.Stats().Resequence; got.AfterHole != 0 || got.Late != 0 {
				t.Errorf("%d were given up and %d came late; want all in order", got.AfterHole, got.Late)
			}
		})
	}
}

// P3: what a lane holds when it was passed by and has caught up is given up in its
// time, though nothing more comes.
func TestALaneThatHasCaughtUpGoesOnWithTime(t *testing.T) {
	r := newRig(t, 2)
	relay := r.relay()
	relay.queueBytes = 1 // the least there is
	id := publisher.PartitionFor([]byte("g"), 2)
	stuck := r.kafka.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Partitions: []int32{int32(id)}, Err: kerr.NotLeaderForPartition, Count: -1,
	})
	run := r.start(relay)
	await(t, "the lanes are there", func() bool { return len(run.Stats().Lanes) == 2 })
	for seq := 1; !run.Stats().Lanes[id].Parked; seq++ {
		r.append(body(groupIn(id, 2), seq, uint32(seq)))
		await(t, "it is read", func() bool { return run.Stats().Lanes[id].Parked || relay.dispatcher.standsAtEnd() })
	}
	r.append(body("g", 1, 1))
	r.append(body("g", 3, 3))
	await(t, "the lane is passed by", relay.dispatcher.standsAtEnd)
	stuck.Remove()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := run.Settle(ctx); left != 0 {
		t.Fatalf("%d records are left: %+v", left, run.Stats())
	}
}

// groupIn is a group of a partition among n.
func groupIn(partition, n int) string {
	for i := 0; ; i++ {
		if group := fmt.Sprintf("filler-%d", i); publisher.PartitionFor([]byte(group), n) == partition {
			return group
		}
	}
}

func (r *rig) appendAt(received time.Time, body []byte) {
	r.t.Helper()
	if _, err := r.spool.Append(r.t.Context(), spool.Record{
		ReceivedAt: received.UTC(), Query: query(schema.CommandAfterSend), Body: body,
	}); err != nil {
		r.t.Fatal(err)
	}
}

// standsAtEnd reports whether main has read all there is. While it waits for a
// full lane it keeps the mutex.
func (d *dispatcher) standsAtEnd() bool {
	if !d.mu.TryLock() {
		return false
	}
	defer d.mu.Unlock()
	return d.atEnd
}
