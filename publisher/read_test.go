package publisher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz returns a franz-go client of the world, an independent reader and writer.
func (w *world) franz(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	opts = append(opts, kgo.SeedBrokers(w.brokers()...))
	if w.network != nil {
		opts = append(opts, kgo.Dialer(w.network.DialContext))
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// flat is a record in a form that both clients can be brought to.
type flat struct {
	Offset  int64
	Time    int64
	Key     string
	Value   string
	Headers []string
}

func TestBatchesOfEveryCodecAreReadBackByAnotherClient(t *testing.T) {
	for codec := None; codec <= Zstd; codec++ {
		t.Run(codec.String(), func(t *testing.T) {
			w := newRealWorld(t, 1, 1)
			p := w.client(func(c *Config) { c.Compression = codec }).Partition(testTopic, 0)
			const batches, size = 5, 40
			var want []flat
			for b := range batches {
				msgs := sample(size, uint64(b))
				if _, err := p.Publish(t.Context(), Batch{Messages: msgs, From: -1}); err != nil {
					t.Fatal(err)
				}
				for _, m := range msgs {
					f := flat{Offset: int64(len(want)), Time: m.Time.UnixMilli(), Key: string(m.Key), Value: string(m.Value)}
					for _, h := range m.Headers {
						f.Headers = append(f.Headers, h.Key+"="+string(h.Value))
					}
					want = append(want, f)
				}
			}
			var theirs []flat
			other := w.franz(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{testTopic: {0: kgo.NewOffset().AtStart()}}))
			for len(theirs) < batches*size {
				fetches := other.PollFetches(t.Context())
				if err := fetches.Err(); err != nil {
					t.Fatal(err)
				}
				fetches.EachRecord(func(r *kgo.Record) {
					f := flat{Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: string(r.Key), Value: string(r.Value)}
					for _, h := range r.Headers {
						f.Headers = append(f.Headers, h.Key+"="+string(h.Value))
					}
					theirs = append(theirs, f)
				})
			}
			if diff := cmp.Diff(want, theirs); diff != "" {
				t.Errorf("as franz-go reads it: %s", diff)
			}
			if diff := cmp.Diff(want, flatten(t, p, 0)); diff != "" {
				t.Errorf("as we read it: %s", diff)
			}
			if diff := cmp.Diff(want[57:], flatten(t, p, 57)); diff != "" {
				t.Errorf("from the middle of a batch: %s", diff)
			}
		})
	}
}

func flatten(t *testing.T, p *Partition, from int64) []flat {
	t.Helper()
	var list []flat
	next, err := p.Read(t.Context(), from, func(r *Record) error {
		f := flat{Offset: r.Offset, Time: r.Time.UnixMilli(), Key: string(r.Key), Value: string(r.Value)}
		for _, h := range r.Headers {
			f.Headers = append(f.Headers, h.Key+"="+string(h.Value))
		}
		list = append(list, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 0 && next != list[len(list)-1].Offset+1 {
		t.Errorf("next offset %d after %d", next, list[len(list)-1].Offset)
	}
	return list
}

func TestBatchesOfAnotherClientAreReadBack(t *testing.T) {
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		t.Run(fmt.Sprint(codec), func(t *testing.T) {
			w := newRealWorld(t, 1, 1)
			other := w.franz(kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(testTopic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			var want []string
			for range 10 {
				var recs []*kgo.Record
				for i := range 30 {
					v := fmt.Sprintf("value %d %d", len(want), i*i)
					want = append(want, v)
					recs = append(recs, &kgo.Record{Value: []byte(v)})
				}
				if err := other.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, values(t, w.client().Partition(testTopic, 0))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Markers of transactions are offsets without a record.
func TestControlRecordsAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		other := w.franz(kgo.TransactionalID("tx"), kgo.DefaultProduceTopic(testTopic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		p := w.client().Partition(testTopic, 0)
		for i := range 3 {
			if err := other.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := other.ProduceSync(t.Context(), &kgo.Record{Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := other.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
		}
		var offsets []int64
		next, err := p.Read(t.Context(), 0, func(r *Record) error { offsets = append(offsets, r.Offset); return nil })
		if err != nil || next != 6 {
			t.Errorf("next %d, %v", next, err)
		}
		if diff := cmp.Diff([]int64{0, 2, 4}, offsets); diff != "" {
			t.Error(diff)
		}
		mustPublish(t, p, new(ledger), "ours") // and a tail read passes them
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut})
		if base, err := p.Publish(t.Context(), Batch{Messages: texts("again"), From: 0}); base != 7 || err != nil {
			t.Errorf("offset %d, %v", base, err)
		}
	})
}

func TestReadStartsWhereThereIsSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		for _, v := range []string{"a", "b", "c", "d"} {
			mustPublish(t, p, new(ledger), v)
		}
		if err := w.cluster.DeleteRecords(testTopic, 0, 2); err != nil {
			t.Fatal(err)
		}
		for from, want := range map[int64][]string{-5: {"c", "d"}, 0: {"c", "d"}, 2: {"c", "d"}, 3: {"d"}, 4: nil, 900: nil} {
			var got []string
			next, err := p.Read(t.Context(), from, func(r *Record) error { got = append(got, string(r.Value)); return nil })
			if err != nil || next != 4 {
				t.Errorf("from %d: next %d, %v", from, next, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("from %d: %s", from, diff)
			}
		}
		if start, end, err := p.Offsets(t.Context()); start != 2 || end != 4 || err != nil {
			t.Errorf("offsets %d-%d, %v", start, end, err)
		}
	})
}

func TestReadHandsOutTheBatchesIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a", "b")
		mustPublish(t, p, &l, "c", "d", "e")
		var got, want []Identity
		var bases []int64
		if _, err := p.Read(t.Context(), 0, func(r *Record) error {
			got = append(got, Identity{r.ProducerID, r.ProducerEpoch, r.BaseSequence})
			bases = append(bases, r.BaseOffset)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want = append(want, l.ids[0], l.ids[0], l.ids[1], l.ids[1], l.ids[1])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int64{0, 0, 2, 2, 2}, bases); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReadEndsWithItsFunctionsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		mustPublish(t, p, new(ledger), "a", "b", "c")
		enough := errors.New("enough")
		next, err := p.Read(t.Context(), 0, func(r *Record) error {
			if r.Offset == 1 {
				return enough
			}
			return nil
		})
		if next != 1 || err != enough { //nolint:errorlint // it must come back as it is
			t.Errorf("next %d, %v", next, err)
		}
	})
}

// For tail -f: a read with MaxWait returns as soon as there is something, or after it.
func TestReadWaitsForNewRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		c := w.client()
		p := c.Partition(testTopic, 0)
		wait := func(from int64) (got []string, took time.Duration) {
			begin := time.Now()
			if _, err := p.ReadWith(t.Context(), from, ReadOptions{MaxWait: 10 * time.Second}, func(r *Record) error {
				got = append(got, string(r.Value))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return got, time.Since(begin)
		}
		if got, took := wait(0); got != nil || took != 10*time.Second {
			t.Errorf("%v after %v", got, took)
		}
		published := make(chan struct{})
		go func() {
			time.Sleep(3 * time.Second)
			mustPublish(t, p, new(ledger), "a")
			close(published)
		}()
		if got, took := wait(0); len(got) != 1 || took != 3*time.Second {
			t.Errorf("%v after %v", got, took)
		}
		<-published
	})
}

func TestOffsetAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		begin := time.UnixMilli(1_700_000_000_000)
		for i := range 5 {
			msg := []Message{{Value: []byte("x"), Time: begin.Add(time.Duration(i) * time.Minute)}}
			if _, err := p.Publish(t.Context(), Batch{Messages: msg, From: -1}); err != nil {
				t.Fatal(err)
			}
		}
		for minutes, want := range map[float64]int64{-1: 0, 0: 0, 0.5: 1, 4: 4, 5: 5} {
			got, err := p.OffsetAt(t.Context(), begin.Add(time.Duration(minutes*float64(time.Minute))))
			if got != want || err != nil {
				t.Errorf("at %v minutes: %d, %v; want %d", minutes, got, err, want)
			}
		}
	})
}

// Each record is handed out once, whatever happens to the fetches.
func TestReadSurvivesFaultsAndHandsOutEachRecordOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 1)
		f := w.fabric(0)
		p := w.client(through(f)).Partition(testTopic, 0)
		var want []string
		for i := range 60 {
			want = append(want, fmt.Sprint(i))
			mustPublish(t, p, new(ledger), want[i])
		}
		r := rand.New(rand.NewPCG(1, 1))
		f.use(func(key protocol.ApiKey, _ string) fate {
			if key == protocol.Fetch && r.IntN(2) == 0 {
				return []fate{cutBefore, loseAnswer, hang}[r.IntN(3)]
			}
			return pass
		})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 10, When: func(kmsg.Request) bool { return r.IntN(3) == 0 }})
		var got []string
		if _, err := p.ReadWith(t.Context(), 0, ReadOptions{MaxBytes: 300}, func(rec *Record) error {
			got = append(got, string(rec.Value))
			if rec.Offset%10 == 5 {
				return w.cluster.MoveTopicPartition(testTopic, 0, int32(r.IntN(3)))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestToolsGiveUpAfterTheirPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client(func(c *Config) { c.Patience = 10 * time.Second }).Partition("nowhere", 0)
		begin := time.Now()
		_, err := p.Read(t.Context(), 0, func(*Record) error { return nil })
		var u *UnavailableError
		if !errors.As(err, &u) || !errors.Is(err, kafka.UnknownTopicOrPartition) || time.Since(begin) > 12*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Publish(ctx, Batch{Messages: texts("a"), From: 0}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("publish must not give up: %v", err)
		}
	})
}

// P4: a reader of the whole log waits for what the replicas do not have yet, and no longer for what the log has lost since.
func TestReadOfTheWholeLogWaitsForWhatIsNotReplicatedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		var l ledger
		mustPublish(t, p, &l, "a")
		mustPublish(t, p, &l, "b")
		behind := time.Now().Add(time.Minute)
		w.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			fetch := req.(*kmsg.FetchRequest)
			if fetch.Topics[0].Partitions[0].FetchOffset < 1 || time.Now().After(behind) {
				return nil, nil, false
			}
			return oneReplicated(w, req), nil, true
		})
		for _, whole := range []bool{false, true} {
			begin := time.Now()
			var got []string
			next, err := p.ReadWith(t.Context(), 1, ReadOptions{Whole: whole}, func(r *Record) error {
				got = append(got, string(r.Value))
				return nil
			})
			waited := time.Since(begin) > 30*time.Second
			if err != nil || waited != whole || (next == 2) != whole || (len(got) == 1) != whole {
				t.Errorf("whole %v: read %v up to %d, waited %v: %v", whole, got, next, waited, err)
			}
		}
	})
}

// oneReplicated is a Fetch response of a partition of which one record is replicated, and nothing is to be had behind it.
func oneReplicated(w *world, req kmsg.Request) kmsg.Response {
	res := req.ResponseKind().(*kmsg.FetchResponse)
	part := kmsg.NewFetchResponseTopicPartition()
	part.HighWatermark, part.LastStableOffset, part.LogStartOffset = 1, 1, 0
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.Partitions = testTopic, append(topic.Partitions, part)
	res.Topics = append(res.Topics, topic)
	w.cluster.SleepControl(func() { time.Sleep(500 * time.Millisecond) })
	return res
}

// highWatermarkOfOne is the answer of a leader whose followers have one record.
func highWatermarkOfOne(ask *kmsg.ListOffsetsRequest) kmsg.Response {
	answer := ask.ResponseKind().(*kmsg.ListOffsetsResponse)
	partition := kmsg.NewListOffsetsResponseTopicPartition()
	partition.Offset, partition.LeaderEpoch = 1, ask.Topics[0].Partitions[0].CurrentLeaderEpoch
	topic := kmsg.NewListOffsetsResponseTopic()
	topic.Topic, topic.Partitions = ask.Topics[0].Topic, []kmsg.ListOffsetsResponseTopicPartition{partition}
	answer.Topics = []kmsg.ListOffsetsResponseTopic{topic}
	return answer
}

// A reader that follows a topic sees what is in it after it was made anew, from its start, whether or not it is longer by then than
// what was read before. One that does not follow ends at the end.
func TestReadOfATopicMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, again := range map[string][]string{"shorter": {"x", "y"}, "longer": {"1", "2", "3", "4", "5", "6", "7"}} {
			w := newWorld(t, 1, 1)
			c := w.client()
			mustPublish(t, c.Partition(testTopic, 0), new(ledger), "a", "b", "c", "d", "e")
			if got := values(t, c.Partition(testTopic, 0)); len(got) != 5 {
				t.Fatalf("%v", got)
			}
			w.deleteTopic(testTopic)
			done := make(chan []string)
			follow := func() {
				var list []string
				if _, err := c.Partition(testTopic, 0).ReadWith(t.Context(), 5, ReadOptions{MaxWait: time.Second, Restart: true}, func(r *Record) error {
					list = append(list, string(r.Value))
					return nil
				}); err != nil {
					t.Error(err)
				}
				done <- list
			}
			publish := func() {
				if err := w.cluster.CreateTopic(testTopic, 1, nil); err != nil {
					t.Fatal(err)
				}
				mustPublish(t, w.client().Partition(testTopic, 0), new(ledger), again...)
			}
			if name == "longer" { // the reader sees that the topic is away
				go follow()
				time.Sleep(time.Second)
				publish()
			} else {
				publish()
				go follow()
			}
			if diff := cmp.Diff(again, <-done); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			next, err := c.Partition(testTopic, 0).Read(t.Context(), 100, func(*Record) error { return nil })
			if err != nil || next != int64(len(again)) {
				t.Errorf("read to offset %d, %v", next, err)
			}
			w.cluster.Close()
		}
	})
}
