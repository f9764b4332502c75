package publisher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// P3 and P4: whatever comes, in whatever order, each partition holds each record once and in order. Every seed is one schedule of
// network faults, broker errors, leader moves, broker restarts (with and without the memory of producers) and crashes of the
// publishing process. CHATBRIDGE_SEEDS sets how many; a failing one is run again by its name.
func TestAnySchedulePublishesOnceAndInOrder(t *testing.T) {
	seeds := 16
	if s := os.Getenv("CHATBRIDGE_SEEDS"); s != "" {
		var err error
		if seeds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newSchedule(t, uint64(seed)).run() })
		})
	}
}

const (
	chaosPartitions = 2
	chaosBatches    = 25
)

// schedule is one run. Its random source is used under the fabric's lock or by the one goroutine that drives the run.
type schedule struct {
	t      *testing.T
	random *rand.Rand // of the driver
	net    *rand.Rand // of the network
	world  *world
	fabric *fabric
	dir    string
	forget bool // restarts lose the memory of producers; then no fault may need it
	client *Client
	lanes  [chaosPartitions]*lane
}

// lane is what the relay keeps of a partition: what it published, and what it announced last.
type lane struct {
	want  []string
	next  int64 // the last settled offset + 1
	open  []string
	ident *Identity
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := &schedule{t: t, random: rand.New(rand.NewPCG(seed, 1)), net: rand.New(rand.NewPCG(seed, 2)), dir: t.TempDir()}
	s.forget = seed%4 == 3
	s.world = newWorld(t, 3, chaosPartitions, kfake.DataDir(s.dir))
	s.fabric = s.world.fabric(time.Duration(5+s.random.IntN(40)) * time.Second)
	for i := range s.lanes {
		s.lanes[i] = &lane{}
	}
	s.begin()
	return s
}

// begin is the start of a publishing process.
func (s *schedule) begin() {
	if s.client != nil {
		s.client.Close()
	}
	s.client = s.world.client(through(s.fabric), func(c *Config) { c.Compression = Compression(s.random.IntN(4)) })
}

func (s *schedule) run() {
	for range chaosBatches {
		s.trouble()
		for id, l := range s.lanes {
			s.publish(id, l)
		}
	}
	s.fabric.use(nil)
	for id, l := range s.lanes {
		for l.open != nil {
			s.publish(id, l)
		}
	}
	s.fabric.late.wait() // whatever is still on its way arrives
	for id, l := range s.lanes {
		if diff := cmp.Diff(l.want, values(s.t, s.client.Partition(testTopic, id))); diff != "" {
			s.t.Errorf("partition %d (-want +got):\n%s", id, diff)
		}
	}
}

// publish sends the lane's open batch again, or a new one; now and then the process ends meanwhile.
func (s *schedule) publish(id int, l *lane) {
	ctx, cancel := context.WithCancel(s.t.Context())
	if s.random.IntN(6) == 0 {
		ctx, cancel = context.WithTimeout(s.t.Context(), time.Duration(s.random.IntN(30_000))*time.Millisecond)
	}
	defer cancel()
	b := Batch{From: l.next, Resend: l.ident, Announce: func(id Identity) error {
		l.ident = &id
		return nil
	}}
	if l.open == nil {
		for range 1 + s.random.IntN(4) {
			l.open = append(l.open, fmt.Sprintf("%d-%d", id, len(l.want)+len(l.open)))
		}
	}
	b.Messages = texts(l.open...)
	base, err := s.client.Partition(testTopic, id).Publish(ctx, b)
	switch {
	case err == nil:
		l.want = append(l.want, l.open...)
		l.next, l.open, l.ident = base+int64(len(l.open)), nil, nil
	case errors.Is(err, context.DeadlineExceeded):
		s.begin() // the process ended; a new one goes on with what was announced
	default:
		s.t.Fatalf("partition %d: %v", id, err)
	}
}

// trouble sets what will go wrong next.
func (s *schedule) trouble() {
	rate := []int{0, 0, 10, 30, 60}[s.random.IntN(5)]
	s.fabric.use(func(key protocol.ApiKey, _ string) fate {
		if s.net.IntN(100) >= rate {
			return pass
		}
		what := []fate{cutBefore, loseAnswer, hang, slow, late}[s.net.IntN(5)]
		if what == late && (s.forget || key != protocol.Produce) {
			return loseAnswer // a request that comes after its producer was forgotten is beyond what can be held, see doc.go
		}
		return what
	})
	switch s.random.IntN(8) {
	case 0:
		_ = s.world.cluster.MoveTopicPartition(testTopic, int32(s.random.IntN(chaosPartitions)), int32(s.random.IntN(3)))
	case 1:
		s.restart()
	case 2, 3, 4:
		errs := []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.NotEnoughReplicas, kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition,
			kerr.KafkaStorageError, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch, kerr.UnknownProducerID, kerr.DuplicateSequenceNumber, kerr.UnknownServerError}
		s.world.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: errs[s.random.IntN(len(errs))], Count: 1 + s.random.IntN(3)})
	case 5:
		errs := []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownLeaderEpoch, kerr.FencedLeaderEpoch, kerr.OffsetNotAvailable, kerr.UnknownTopicOrPartition}
		s.world.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata}, Err: errs[s.random.IntN(len(errs))], Count: 1 + s.random.IntN(5)})
	}
}

func (s *schedule) restart() {
	s.world.cluster.Close()
	if s.forget {
		for _, name := range []string{"pids.log", "seq_windows.json"} {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				s.t.Fatal(err)
			}
		}
	}
	s.world.start()
}
