package publisher

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that has not heard of the newest election must not lead back to the former leader, until the newest has refused too.
func TestOlderLeaderEpochIsNotBelieved(t *testing.T) {
	k := newCluster(&Config{})
	k.use("t")
	answer := func(leader, epoch int32) *metadata.Response {
		return &metadata.Response{
			Brokers: []metadata.ResponseBroker{{NodeID: 1, Host: "a", Port: 1}, {NodeID: 2, Host: "b", Port: 2}},
			Topics:  []metadata.ResponseTopic{{Name: "t", Partitions: []metadata.ResponsePartition{{LeaderID: leader, LeaderEpoch: epoch}}}},
		}
	}
	leads := func() int32 {
		p, err := k.known("t", 0)
		if err != nil {
			t.Fatal(err)
		}
		return p.node
	}
	for _, step := range []struct {
		leader, epoch int32
		refused       bool // by the leader known so far, before the answer
		want          int32
	}{{1, 5, false, 1}, {2, 6, false, 2}, {1, 5, false, 2}, {1, 5, true, 1}, {2, 0, false, 1}, {2, 0, true, 2}} {
		if step.refused {
			p, err := k.known("t", 0)
			if err != nil {
				t.Fatal(err)
			}
			k.mistrust("t", 0, p)
		}
		k.adopt(answer(step.leader, step.epoch), []string{"t"}, time.Now())
		if got := leads(); got != step.want {
			t.Errorf("after %+v: leader %d", step, got)
		}
	}
}

func TestLeaderThatCannotBeUsedIsSaid(t *testing.T) {
	k := newCluster(&Config{})
	k.use("t")
	for _, tc := range []struct {
		partition metadata.ResponsePartition
		want      error
	}{
		{metadata.ResponsePartition{LeaderID: -1}, kafka.LeaderNotAvailable},
		{metadata.ResponsePartition{LeaderID: -1, ErrorCode: 9}, kafka.ReplicaNotAvailable},
		{metadata.ResponsePartition{LeaderID: 7}, kafka.BrokerNotAvailable},
		{metadata.ResponsePartition{PartitionIndex: 1, LeaderID: 7}, kafka.LeaderNotAvailable},
	} {
		k.adopt(&metadata.Response{Topics: []metadata.ResponseTopic{{Name: "t", Partitions: []metadata.ResponsePartition{tc.partition}}}}, []string{"t"}, time.Now())
		if _, err := k.known("t", 0); err != tc.want { //nolint:errorlint // the code itself
			t.Errorf("%+v: %v", tc.partition, err)
		}
	}
}

// Twelve partitions that lose their leaders together ask for metadata together.
func TestRefreshesAtTheSameTimeAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 12)
		f := w.fabric(time.Second)
		c := w.client(through(f))
		f.use(func(key protocol.ApiKey, _ string) fate {
			if key == protocol.Metadata {
				return slow
			}
			return pass
		})
		done := make(chan error)
		for id := range 12 {
			go func() { _, err := c.cluster.leader(t.Context(), testTopic, id); done <- err }()
		}
		for range 12 {
			if err := <-done; err != nil && err != kafka.LeaderNotAvailable { //nolint:errorlint // the code itself
				t.Error(err)
			}
		}
		if n := f.count(protocol.Metadata); n > 2 {
			t.Errorf("%d metadata requests", n)
		}
	})
}

// A broker that does not know the debugging replica gives the high watermark instead of the log's end.
func TestLogEndFallsBackToTheHighWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		mustPublish(t, p, new(ledger), "a")
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.InvalidRequest, Count: -1, When: func(r kmsg.Request) bool {
			return r.(*kmsg.ListOffsetsRequest).ReplicaID == replicaDebug
		}})
		if err := p.atLeader(t.Context(), func(at place) error {
			end, err := p.logEnd(t.Context(), at)
			if end != 1 {
				t.Errorf("end %d", end)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// A topic that is deleted and made anew while it is in use: its offsets and its producers start again.
func TestTopicMadeAnewIsGoneOnWith(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, 1)
			f := w.fabric(0)
			p := w.client(through(f)).Partition(testTopic, 0)
			mustPublish(t, p, new(ledger), "a")
			mustPublish(t, p, new(ledger), "b")
			if err := w.cluster.DeleteTopic(testTopic); err != nil {
				t.Fatal(err)
			}
			if err := w.cluster.CreateTopic(testTopic, 1, nil); err != nil {
				t.Fatal(err)
			}
			if lost {
				f.next(protocol.Produce, 1, loseAnswer)
			}
			if base, err := p.Publish(t.Context(), Batch{Messages: texts("c"), From: 2}); base != 0 || err != nil {
				t.Errorf("offset %d, %v", base, err)
			}
			mustPublish(t, p, new(ledger), "d")
			mustHold(t, p, "c", "d")
		})
	}
}

// A session that the broker ends after a while is left before.
func TestLoginsThatEndAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1, kfake.EnableSASL(), kfake.Superuser(MechanismPlain, "bridge", "secret"), kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "10000"}))
		f := w.fabric(0)
		retried := 0
		p := w.client(through(f), func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismPlain, Username: "bridge", Password: "secret"}
			c.Hooks.Retried = func(string, int, string, error) { retried++ }
		}).Partition(testTopic, 0)
		for range 10 {
			mustPublish(t, p, new(ledger), "a")
			time.Sleep(3 * time.Second)
		}
		if n := f.count(protocol.SaslAuthenticate); n < 3 || retried != 0 {
			t.Errorf("%d logins in 30 seconds, %d failed attempts", n, retried)
		}
	})
}

func TestRecordsOfALogAppendTimeTopicHaveTheBrokersTime(t *testing.T) {
	var f frame
	if err := f.encode(sample(3, 1), None, time.Time{}); err != nil {
		t.Fatal(err)
	}
	b := f.batch()
	binary.BigEndian.PutUint16(b[atAttributes:], attrAppend) // as the broker does
	binary.BigEndian.PutUint64(b[atMaxTime:], 1_800_000_000_123)
	binary.BigEndian.PutUint32(b[atCRC:], crc32.Checksum(b[atAttributes:], castagnoli()))
	list, err := decodeAll(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if diff := cmp.Diff(time.UnixMilli(1_800_000_000_123), r.Time); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFetchVersionsThatBrokersMaySpeak(t *testing.T) {
	for version := int16(fetchVersionMin); version <= fetchVersionMax; version++ {
		w := newRealWorld(t, 1, 1)
		p := w.client().Partition(testTopic, 0)
		mustPublish(t, p, new(ledger), "a")
		w.cluster.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			res := req.ResponseKind().(*kmsg.ApiVersionsResponse)
			for key, highest := range map[kmsg.Key]int16{kmsg.Fetch: version, kmsg.Metadata: 6, kmsg.ListOffsets: 3} { // 6: without leader epochs
				k := kmsg.NewApiVersionsResponseApiKey()
				k.ApiKey, k.MaxVersion = int16(key), highest
				res.ApiKeys = append(res.ApiKeys, k)
			}
			return res, nil, true
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var got []string
		_, err := w.client().Partition(testTopic, 0).Read(ctx, 0, func(r *Record) error { got = append(got, string(r.Value)); return nil })
		cancel()
		if diff := cmp.Diff([]string{"a"}, got); diff != "" || err != nil {
			t.Errorf("version %d: %s, %v", version, diff, err)
		}
	}
}
