package publisher

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// P4: a process that ended after it had announced a batch; its successor sends it again under the announced identity.
func TestResendAfterACrashIsSettledOnce(t *testing.T) {
	for _, tc := range []struct {
		name string
		what fate // of the former process's request
	}{
		{"the batch was appended", hang},
		{"the batch never left", cutBefore},
		{"the batch is still on its way", late},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, 1)
				f := w.fabric(20 * time.Second)
				former := w.client(through(f))
				var l ledger
				base := mustPublish(t, former.Partition(testTopic, 0), &l, "a")
				f.next(protocol.Produce, 99, tc.what)
				ctx, crash := context.WithTimeout(t.Context(), 5*time.Second)
				_, err := former.Partition(testTopic, 0).Publish(ctx, Batch{Messages: texts("b", "c"), From: base + 1, Announce: l.announce})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("error %v", err)
				}
				crash()
				former.Close()
				f.use(nil)

				p := w.client(through(f)).Partition(testTopic, 0)
				announced := len(l.ids)
				if base, err := p.Publish(t.Context(), Batch{Messages: texts("b", "c"), Resend: l.last(), Announce: l.announce, From: base + 1}); err != nil || base != 1 {
					t.Fatalf("offset %d, %v", base, err)
				}
				if len(l.ids) != announced {
					t.Errorf("a batch that was sent again was announced again: %v", l.ids)
				}
				mustPublish(t, p, &l, "d")
				f.late.wait()
				mustHold(t, p, "a", "b", "c", "d")
				if l.last().ProducerID == l.ids[0].ProducerID {
					t.Error("the successor goes on under its predecessor's producer id")
				}
			})
		})
	}
}

// A batch sent again under an identity that the broker does not accept any more, and that is not in the log, gets a new one.
func TestResendThatTheBrokerRefusesGetsANewIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		c := w.client()
		var l ledger
		for range 3 {
			mustPublish(t, c.Partition(testTopic, 0), &l, "a")
		}
		p := w.client().Partition(testTopic, 0)
		gap := Identity{ProducerID: l.ids[0].ProducerID, Epoch: l.ids[0].Epoch, Sequence: 100}
		begin := time.Now()
		if _, err := p.Publish(t.Context(), Batch{Messages: texts("b"), Resend: &gap, Announce: l.announce, From: 3}); err != nil {
			t.Fatal(err)
		}
		if l.last().ProducerID == gap.ProducerID || len(l.ids) != 4 {
			t.Errorf("announced: %v", l.ids)
		}
		if waited := time.Since(begin); waited < time.Minute {
			t.Errorf("the former attempt had %v to arrive, want the quarantine", waited)
		}
		mustHold(t, p, "a", "a", "a", "b")
	})
}

// The tail is looked through from the start where the caller does not know from where, and after a topic was made anew.
func TestResendFindsItsBatchWhereverItLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		var l ledger
		c := w.client()
		mustPublish(t, c.Partition(testTopic, 0), &l, "a")
		mustPublish(t, c.Partition(testTopic, 0), &l, "b")
		f := w.fabric(0)
		defer func() {
			if n := f.count(protocol.Produce); n != 0 {
				t.Errorf("%d batches were sent although they were there", n)
			}
		}()
		for _, from := range []int64{-1, 0, 1, 1000} { // 1000: the log is shorter than it was
			p := w.client(through(f)).Partition(testTopic, 0)
			if base, err := p.Publish(t.Context(), Batch{Messages: texts("b"), Resend: &l.ids[1], From: from}); base != 1 || err != nil {
				t.Errorf("from %d: settled at %d, %v", from, base, err)
			}
		}
		if err := w.cluster.DeleteRecords(testTopic, 0, 1); err != nil {
			t.Fatal(err)
		}
		p := w.client(through(f)).Partition(testTopic, 0)
		if base, err := p.Publish(t.Context(), Batch{Messages: texts("b"), Resend: &l.ids[1], From: 0}); base != 1 || err != nil {
			t.Errorf("with the start removed: settled at %d, %v", base, err)
		}
		mustHold(t, p, "b")
	})
}

func TestResendCutDifferentlyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		var l ledger
		mustPublish(t, w.client().Partition(testTopic, 0), &l, "a", "b")
		p := w.client().Partition(testTopic, 0)
		_, err := p.Publish(t.Context(), Batch{Messages: texts("a"), Resend: &l.ids[0], From: 0})
		var fatal *FatalError
		if !errors.As(err, &fatal) {
			t.Errorf("error %v", err)
		}
	})
}

// After a cancelled Publish the outcome is unknown: another batch would overtake it, so only the same one is taken.
func TestCancelledBatchMustBeSettledFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		f := w.fabric(0)
		p := w.client(through(f)).Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		f.next(protocol.Produce, 1, hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Publish(ctx, Batch{Messages: texts("b"), From: 1, Announce: l.announce}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		if _, err := p.Publish(t.Context(), Batch{Messages: texts("c"), From: 1}); !errors.Is(err, ErrUnresolved) {
			t.Fatalf("error %v", err)
		}
		if _, err := p.Publish(t.Context(), Batch{Messages: texts("c"), From: 1, Resend: &l.ids[0]}); !errors.Is(err, ErrUnresolved) {
			t.Fatalf("error %v", err)
		}
		if base, err := p.Publish(t.Context(), Batch{Messages: texts("b"), From: 1, Resend: l.last()}); base != 1 || err != nil {
			t.Fatalf("offset %d, %v", base, err)
		}
		mustPublish(t, p, &l, "c")
		mustHold(t, p, "a", "b", "c")
		if l.last().Sequence != 2 || l.last().ProducerID != l.ids[0].ProducerID {
			t.Errorf("announced: %v", l.ids)
		}
	})
}

// P4: the tail of a batch that may be in the log cannot be read, for a reason that only a person can mend: the batch is not forgotten.
func TestBatchWhoseTailCannotBeReadIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 1}) // kfake appends
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.InvalidTopicException, Count: 2})
		var fatal *FatalError
		if _, err := p.Publish(t.Context(), Batch{Messages: texts("b"), From: 1, Announce: l.announce}); !errors.As(err, &fatal) {
			t.Fatalf("error %v", err)
		}
		if _, err := p.Publish(t.Context(), Batch{Messages: texts("c"), From: 1}); !errors.Is(err, ErrUnresolved) {
			t.Errorf("error %v", err)
		}
		if base, err := p.Publish(t.Context(), Batch{Messages: texts("b"), From: 1, Resend: l.last()}); base != 1 || err != nil {
			t.Errorf("offset %d, %v", base, err)
		}
		mustPublish(t, p, &l, "c")
		mustHold(t, p, "a", "b", "c")
	})
}

// An error of Announce ends Publish before anything leaves, and the next batch is free to go.
func TestNothingLeavesBeforeItIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		f := w.fabric(0)
		p := w.client(through(f)).Partition(testTopic, 0)
		full := errors.New("the disk is full")
		if _, err := p.Publish(t.Context(), Batch{Messages: texts("a"), From: -1, Announce: func(Identity) error { return full }}); !errors.Is(err, full) {
			t.Errorf("error %v", err)
		}
		if n := f.count(protocol.Produce); n != 0 {
			t.Errorf("%d requests left", n)
		}
		mustPublish(t, p, new(ledger), "b")
		mustHold(t, p, "b")
	})
}

// A producer id is left before its sequences end, and never taken a second time.
func TestSequencesEndInANewProducerID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		p.producer.next = math.MaxInt32 - 1
		mustPublish(t, p, &l, "b", "c")
		mustHold(t, p, "a", "b", "c")
		if diff := cmp.Diff(int32(0), l.last().Sequence); diff != "" || l.last().ProducerID == l.ids[0].ProducerID {
			t.Errorf("announced: %v", l.ids)
		}
	})
}

// A sequence that was used for other messages would be dropped by the broker as known: the shared producer id is used only once
// in a partition, also when asking for another one was cut short.
func TestSharedProducerIsNotTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		refuse := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Publish(ctx, Batch{Messages: texts("b"), From: 1, Announce: l.announce}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		refuse.Remove()
		if p.open != nil {
			if _, err := p.Publish(t.Context(), Batch{Messages: texts("b"), From: 1, Resend: p.open, Announce: l.announce}); err != nil {
				t.Fatal(err)
			}
		} else {
			mustPublish(t, p, &l, "b")
		}
		mustPublish(t, p, &l, "c")
		mustHold(t, p, "a", "b", "c")
	})
}

func TestEverythingEndsPromptlyWithItsContextOrTheClient(t *testing.T) {
	calls := map[string]func(context.Context, *Client) error{
		"publish": func(ctx context.Context, c *Client) error {
			_, err := c.Partition(testTopic, 0).Publish(ctx, Batch{Messages: texts("a"), From: 0, Resend: &Identity{ProducerID: 1}})
			return err
		},
		"publish first": func(ctx context.Context, c *Client) error {
			_, err := c.Partition(testTopic, 0).Publish(ctx, Batch{Messages: texts("a"), From: -1})
			return err
		},
		"read": func(ctx context.Context, c *Client) error {
			_, err := c.Partition(testTopic, 0).Read(ctx, 0, func(*Record) error { return nil })
			return err
		},
		"offsets": func(ctx context.Context, c *Client) error {
			_, _, err := c.Partition(testTopic, 0).Offsets(ctx)
			return err
		},
		"offset at": func(ctx context.Context, c *Client) error {
			_, err := c.Partition(testTopic, 0).OffsetAt(ctx, time.Now())
			return err
		},
		"count": func(ctx context.Context, c *Client) error { _, err := c.PartitionCount(ctx, testTopic); return err },
		"limit": func(ctx context.Context, c *Client) error { _, err := c.MaxBatchBytes(ctx, testTopic); return err },
		"ping":  func(ctx context.Context, c *Client) error { return c.Ping(ctx) },
		"check": func(ctx context.Context, c *Client) error {
			_, err := c.Check(ctx, []TopicSpec{{Name: testTopic}})
			return err
		},
		"apply": func(ctx context.Context, c *Client) error {
			_, err := c.Apply(ctx, []TopicSpec{{Name: testTopic}})
			return err
		},
	}
	for name, call := range calls {
		for _, way := range []string{"cancelled", "closed"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 1, 1)
					f := w.fabric(0)
					f.use(func(protocol.ApiKey, string) fate { return hang }) // a frozen broker
					c := w.client(through(f))
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					done := make(chan error, 1)
					go func() { done <- call(ctx, c) }()
					time.Sleep(1500 * time.Millisecond)
					want := error(context.Canceled)
					if way == "closed" {
						want = ErrClosed
						c.Close()
					} else {
						cancel()
					}
					begin := time.Now()
					if err := <-done; !errors.Is(err, want) {
						t.Errorf("error %v", err)
					}
					if took := time.Since(begin); took != 0 {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

func TestSecondPublishAtTheSameTimeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		_, err := p.Publish(t.Context(), Batch{Messages: texts("a"), From: -1, Announce: func(Identity) error {
			if _, err := p.Publish(t.Context(), Batch{Messages: texts("b"), From: -1}); !errors.Is(err, ErrBusy) {
				t.Errorf("error %v", err)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	})
}
