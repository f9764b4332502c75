package publisher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ledger records the identities announced to it.
type ledger struct{ ids []Identity }

func (l *ledger) announce(id Identity) error {
	l.ids = append(l.ids, id)
	return nil
}

func (l *ledger) last() *Identity { return &l.ids[len(l.ids)-1] }

// mustPublish publishes values as one batch.
func mustPublish(t *testing.T, p *Partition, l *ledger, values ...string) int64 {
	t.Helper()
	base, err := p.Publish(t.Context(), Batch{Messages: texts(values...), From: -1, Announce: l.announce})
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func mustHold(t *testing.T, p *Partition, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, values(t, p)); diff != "" {
		t.Errorf("the log is not what was published, once and in order (-want +got):\n%s", diff)
	}
}

func TestPublishedBatchesAreReadBackOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 2)
		p := w.client().Partition(testTopic, 1)
		var l ledger
		if base := mustPublish(t, p, &l, "a", "b"); base != 0 {
			t.Errorf("first batch at offset %d", base)
		}
		if base := mustPublish(t, p, &l, "c"); base != 2 {
			t.Errorf("second batch at offset %d", base)
		}
		mustHold(t, p, "a", "b", "c")
		id := l.ids[0]
		if diff := cmp.Diff([]Identity{{id.ProducerID, id.Epoch, 0}, {id.ProducerID, id.Epoch, 2}}, l.ids); diff != "" {
			t.Error(diff)
		}
	})
}

// P4: whatever the network does to a Produce request, the batch is in the log once, and the next one behind it.
func TestProduceRequestsThatMeetTroubleAreSettledOnce(t *testing.T) {
	for name, what := range map[string]fate{"cut before": cutBefore, "answer lost": loseAnswer, "answer never comes": hang, "arrives late": late, "slow": slow} {
		for _, times := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", name, times), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 1, 1)
					f := w.fabric(25 * time.Second)
					p := w.client(through(f)).Partition(testTopic, 0)
					var l ledger
					mustPublish(t, p, &l, "a")
					f.next(protocol.Produce, times, what)
					mustPublish(t, p, &l, "b", "c")
					mustPublish(t, p, &l, "d")
					f.late.wait()
					mustPublish(t, p, &l, "e")
					mustHold(t, p, "a", "b", "c", "d", "e")
					if !p.Status().OK {
						t.Errorf("status after success: %+v", p.Status())
					}
					if n := len(p.client.cluster.busy); n != 0 {
						t.Errorf("%d failed connections are kept", n)
					}
				})
			})
		}
	}
}

// P4: each error code a broker may answer Produce with, before or after it has appended.
func TestProduceErrorsAreSettledOnce(t *testing.T) {
	for _, tc := range []struct {
		err   *kerr.Error
		label string
		pids  int // producer ids in use at the end
	}{
		{kerr.RequestTimedOut, "timed-out", 1},                          // kfake appends
		{kerr.NotEnoughReplicasAfterAppend, "not-enough-replicas", 1},   // kfake appends
		{kerr.NotEnoughReplicas, "not-enough-replicas", 1},              // the rest it does not
		{kerr.NotLeaderForPartition, "not-leader", 1},                   //
		{kerr.LeaderNotAvailable, "no-leader", 1},                       //
		{kerr.UnknownTopicOrPartition, "unknown-topic", 1},              //
		{kerr.KafkaStorageError, "broker-storage", 1},                   //
		{kerr.UnknownServerError, "other", 1},                           //
		{kerr.CorruptMessage, "damaged-on-the-way", 1},                  //
		{kerr.TopicAuthorizationFailed, "not-authorized", 1},            //
		{kerr.ThrottlingQuotaExceeded, "throttled", 1},                  //
		{kerr.BrokerNotAvailable, "broker-unavailable", 1},              //
		{kerr.OutOfOrderSequenceNumber, "sequence", 2},                  //
		{kerr.InvalidProducerEpoch, "sequence", 2},                      //
		{kerr.UnknownProducerID, "sequence", 2},                         //
		{kerr.ProducerFenced, "sequence", 2},                            //
		{kerr.DuplicateSequenceNumber, "duplicate-sequence", 2},         // not in the log: under a new id
		{&kerr.Error{Code: 999, Message: "A_CODE_OF_2030"}, "other", 1}, //
	} {
		t.Run(tc.err.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, 1)
				var labels []string
				p := w.client(func(c *Config) {
					c.Hooks.Retried = func(_ string, _ int, class string, _ error) { labels = append(labels, class) }
				}).Partition(testTopic, 0)
				var l ledger
				mustPublish(t, p, &l, "a")
				w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: tc.err, Count: 2})
				mustPublish(t, p, &l, "b", "c")
				mustPublish(t, p, &l, "d")
				mustHold(t, p, "a", "b", "c", "d")
				if len(labels) == 0 || labels[0] != tc.label {
					t.Errorf("classes of the failures: %v, want %s", labels, tc.label)
				}
				pids := make(map[int64]bool)
				for _, id := range l.ids {
					pids[id.ProducerID] = true
				}
				if tc.pids == 1 && len(pids) != 1 || tc.pids == 2 && len(pids) < 2 {
					t.Errorf("%d producer ids in use", len(pids))
				}
			})
		})
	}
}

// P4: the broker says "duplicate" of a batch that is in the log: settled where it lies, with no second identity.
func TestDuplicateSequenceOfABatchInTheLogIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		f := w.fabric(0)
		p := w.client(through(f)).Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		f.next(protocol.Produce, 1, loseAnswer)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 2})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.DuplicateSequenceNumber, When: func(kmsg.Request) bool { return f.count(protocol.Produce) > 2 }})
		if base := mustPublish(t, p, &l, "b", "c"); base != 1 {
			t.Errorf("settled at offset %d", base)
		}
		mustHold(t, p, "a", "b", "c")
		if len(l.ids) != 2 {
			t.Errorf("announced: %v", l.ids)
		}
	})
}

// Design 11: a record that Kafka never takes goes back to the caller, the rest goes on.
func TestRejectedBatchesGoBackAndLeaveNoGap(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidTimestamp, kerr.InvalidRecord, kerr.PolicyViolation} {
		t.Run(e.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, 1)
				p := w.client().Partition(testTopic, 0)
				var l ledger
				mustPublish(t, p, &l, "a")
				w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e})
				_, err := p.Publish(t.Context(), Batch{Messages: texts("bad", "b"), From: -1, Announce: l.announce})
				var rejected *RejectedError
				if !errors.As(err, &rejected) || rejected.Code != int(e.Code) || !errors.Is(err, kafka.Error(e.Code)) {
					t.Fatalf("error %v", err)
				}
				if s := p.Status(); !s.OK { // the batch is at fault, not Kafka
					t.Errorf("status %+v", s)
				}
				mustPublish(t, p, &l, "b")
				mustHold(t, p, "a", "b")
				if l.ids[0].ProducerID != l.last().ProducerID {
					t.Errorf("the producer changed: %v", l.ids)
				}
			})
		})
	}
}

func TestBatchLargerThanTheTopicTakesIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		if err := w.cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
			t.Fatal(err)
		}
		c := w.client()
		p := c.Partition("small", 0)
		big := texts(string(make([]byte, 3000)))
		_, err := p.Publish(t.Context(), Batch{Messages: big, From: -1})
		var rejected *RejectedError
		if !errors.As(err, &rejected) {
			t.Fatalf("error %v", err)
		}
		if n, err := c.MaxBatchBytes(t.Context(), "small"); n != 2000 || err != nil {
			t.Errorf("max batch bytes %d, %v", n, err)
		}
	})
}

// P4: an attempt without an answer, then a verdict: the unanswered one gets its time to arrive before the batch is given up.
func TestRejectedAfterAnUnansweredAttemptThatArrivedLateIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		f := w.fabric(40 * time.Second) // later than the first look at the tail, earlier than the quarantine's end
		p := w.client(through(f)).Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		f.next(protocol.Produce, 1, late)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge})
		if base := mustPublish(t, p, &l, "b"); base != 1 {
			t.Errorf("settled at offset %d", base)
		}
		mustHold(t, p, "a", "b")
	})
}

// P4: the same with a sequence error: no second producer id while the first attempt may still land.
func TestResyncWaitsForAnUnansweredAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		f := w.fabric(40 * time.Second)
		p := w.client(through(f)).Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		f.next(protocol.Produce, 1, late)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber})
		mustPublish(t, p, &l, "b")
		mustPublish(t, p, &l, "c")
		f.late.wait()
		mustHold(t, p, "a", "b", "c")
	})
}

func TestLeaderMoveUnderwayLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 1)
		p := w.client().Partition(testTopic, 0)
		var l ledger
		var want []string
		for i := range 9 {
			v := fmt.Sprint(i)
			mustPublish(t, p, &l, v)
			want = append(want, v)
			if err := w.cluster.MoveTopicPartition(testTopic, 0, int32((int(w.cluster.LeaderFor(testTopic, 0))+1)%3)); err != nil {
				t.Fatal(err)
			}
		}
		mustHold(t, p, want...)
	})
}

// Design 11: Kafka away, at the start and later, is waited out; the reason is visible.
func TestBrokerAwayIsWaitedOutAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, 1, 1, kfake.DataDir(dir))
		w.cluster.Close()
		c := w.client()
		p := c.Partition(testTopic, 0)
		var l ledger
		published := make(chan error, 1)
		publish := func(v string) {
			_, err := p.Publish(t.Context(), Batch{Messages: texts(v), From: -1, Announce: l.announce})
			published <- err
		}
		go publish("a")
		time.Sleep(10 * time.Minute)
		if s := p.Status(); s.OK || s.Sentence == "" || s.Attempts < 100 || time.Since(s.Since) < 9*time.Minute {
			t.Errorf("status while Kafka is away: %+v", s)
		}
		if err := c.Ping(t.Context()); err == nil {
			t.Error("ping while Kafka is away")
		}
		w.start()
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"b", "c", "d"} { // each with a restart while it is published
			w.cluster.Close()
			go publish(v)
			time.Sleep(3 * time.Second)
			w.start()
			if err := <-published; err != nil {
				t.Fatal(err)
			}
		}
		mustHold(t, p, "a", "b", "c", "d")
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// P4, the case that the broker's memory cannot carry: the answer is lost, and the broker has forgotten its producers.
func TestAnswerLostAndProducersForgottenIsSettledByTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, 1, 1, kfake.DataDir(dir))
		f := w.fabric(0)
		var found []bool
		p := w.client(through(f), func(c *Config) {
			c.Hooks.TailRead = func(_ string, _ int, there bool) { found = append(found, there) }
		}).Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		f.onLost = func() {
			w.cluster.Close()
			for _, name := range []string{"pids.log", "seq_windows.json"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Error(err)
				}
			}
			w.start()
		}
		f.next(protocol.Produce, 1, loseAnswer)
		mustPublish(t, p, &l, "b")
		mustPublish(t, p, &l, "c")
		mustHold(t, p, "a", "b", "c")
		if len(found) == 0 || !found[0] {
			t.Errorf("tail reads: %v", found)
		}
	})
}

func TestProducerIDsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: 5})
		p := w.client().Partition(testTopic, 0)
		mustPublish(t, p, new(ledger), "a")
		mustHold(t, p, "a")
	})
}

func TestFreshTopicIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		c := w.client()
		go func() {
			time.Sleep(5 * time.Second)
			if err := w.cluster.CreateTopic("later", 3, nil); err != nil {
				t.Error(err)
			}
		}()
		if n, err := c.PartitionCount(t.Context(), "later"); n != 3 || err != nil {
			t.Fatalf("%d partitions, %v", n, err)
		}
		p := c.Partition("later", 2)
		mustPublish(t, p, new(ledger), "a")
		mustHold(t, p, "a")
	})
}

func TestPartitionThatDoesNotExistIsWaitedForUntilCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := w.client().Partition(testTopic, 7)
		_, err := p.Publish(ctx, Batch{Messages: texts("a"), From: -1})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("error %v", err)
		}
	})
}

// One stuck partition holds up only itself.
func TestStuckPartitionDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 2)
		c := w.client()
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{0}, Err: kerr.NotEnoughReplicas, Count: -1})
		ctx, cancel := context.WithCancel(t.Context())
		stuck := make(chan error, 1)
		go func() {
			_, err := c.Partition(testTopic, 0).Publish(ctx, Batch{Messages: texts("stuck"), From: -1})
			stuck <- err
		}()
		time.Sleep(time.Second)
		begin := time.Now()
		for range 100 {
			mustPublish(t, c.Partition(testTopic, 1), new(ledger), "a")
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the other partition waited %v", took)
		}
		cancel()
		if err := <-stuck; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// One frozen broker (it takes connections and never answers) holds up only the partitions it leads.
func TestFrozenBrokerHoldsUpOnlyItsPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 3)
		f := w.fabric(0)
		c := w.client(through(f))
		for id := range 3 {
			if err := w.cluster.MoveTopicPartition(testTopic, int32(id), int32(id)); err != nil {
				t.Fatal(err)
			}
			mustPublish(t, c.Partition(testTopic, id), new(ledger), "a")
		}
		frozen := w.brokers()[0]
		f.use(func(_ protocol.ApiKey, addr string) fate {
			if addr == frozen {
				return hang
			}
			return pass
		})
		done := make(chan struct{})
		go func() {
			mustPublish(t, c.Partition(testTopic, 0), new(ledger), "b")
			close(done)
		}()
		time.Sleep(11 * time.Second) // the first attempt has timed out
		begin := time.Now()
		for id := 1; id < 3; id++ {
			mustPublish(t, c.Partition(testTopic, id), new(ledger), "b")
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the other brokers' partitions waited %v", took)
		}
		if err := w.cluster.MoveTopicPartition(testTopic, 0, 1); err != nil { // what a controller does after a while
			t.Fatal(err)
		}
		begin = time.Now()
		<-done
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("%v from the new leader to the batch settled", took)
		}
		f.use(nil)
		mustHold(t, c.Partition(testTopic, 0), "a", "b")
	})
}

// P4: the batch lies in the leader's log, above the high watermark: a consumer does not see it yet, and it must not be taken for absent.
func TestTailReadWaitsForWhatIsNotReplicatedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		f := w.fabric(0)
		var found []bool
		p := w.client(through(f), func(c *Config) {
			c.Hooks.TailRead = func(_ string, _ int, there bool) { found = append(found, there) }
		}).Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		behind := time.Now().Add(time.Minute)
		w.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if time.Now().After(behind) {
				return nil, nil, false
			}
			return oneReplicated(w, req), nil, true
		})
		w.cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if ask := req.(*kmsg.ListOffsetsRequest); ask.ReplicaID == replicaConsumer && time.Now().Before(behind) {
				return highWatermarkOfOne(ask), nil, true
			}
			return nil, nil, false
		})
		f.next(protocol.Produce, 1, loseAnswer)
		if base := mustPublish(t, p, &l, "b"); base != 1 {
			t.Errorf("settled at offset %d", base)
		}
		if diff := cmp.Diff([]bool{true}, found); diff != "" || f.count(protocol.Produce) != 2 {
			t.Errorf("tail reads %v, %d produce requests", found, f.count(protocol.Produce))
		}
		mustHold(t, p, "a", "b")
	})
}
