package publisher

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// levels is the worst level of each thing.
func levels(list []Finding) map[string]Level {
	worst := make(map[string]Level)
	for _, f := range list {
		if was := worst[f.What]; was == LevelFail || was == LevelWarn && f.Level == LevelOK {
			continue
		}
		worst[f.What] = f.Level
	}
	return worst
}

func mustFind(t *testing.T, list []Finding, want map[string]Level) {
	t.Helper()
	got := levels(list)
	for what, level := range want {
		if got[what] != level {
			t.Errorf("%s is %q, want %q in %+v", what, got[what], level, list)
		}
	}
	for _, f := range list {
		if f.Sentence == "" || f.What == "" || f.Level != LevelOK && !strings.Contains(f.Sentence, ";") && !strings.Contains(f.Sentence, ":") && !strings.Contains(f.Sentence, "replica that is") {
			t.Errorf("a finding that does not say what to do: %+v", f)
		}
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 4)
		topics := map[string]map[string]string{
			"small":     {"max.message.bytes": "5000"},
			"compacted": {"cleanup.policy": "compact"},
			"past":      {"message.timestamp.before.max.ms": "3600000"},
			"unwritten": {"min.insync.replicas": "5"},
		}
		for name, configs := range topics {
			if err := w.cluster.CreateTopic(name, 1, configs); err != nil {
				t.Fatal(err)
			}
		}
		c := w.client()
		for _, tc := range []struct {
			spec TopicSpec
			want map[string]Level
		}{
			{TopicSpec{Name: testTopic, Partitions: 4, ReplicationFactor: 3}, map[string]Level{"reachable": LevelOK, "producer-id": LevelOK, "exists": LevelOK, "partitions": LevelOK, "replication": LevelOK, "max.message.bytes": LevelOK}},
			{TopicSpec{Name: testTopic, Partitions: 12}, map[string]Level{"partitions": LevelWarn}},
			{TopicSpec{Name: testTopic, Partitions: 2}, map[string]Level{"partitions": LevelWarn}},
			{TopicSpec{Name: testTopic, ReplicationFactor: 5}, map[string]Level{"replication": LevelWarn}},
			{TopicSpec{Name: testTopic, MaxMessageBytes: 2 << 20}, map[string]Level{"max.message.bytes": LevelFail}},
			{TopicSpec{Name: testTopic, MinInSyncReplicas: 2}, map[string]Level{"min.insync.replicas": LevelWarn}},
			{TopicSpec{Name: "small", MaxMessageBytes: 6000}, map[string]Level{"max.message.bytes": LevelFail}},
			{TopicSpec{Name: "compacted"}, map[string]Level{"cleanup.policy": LevelFail}},
			{TopicSpec{Name: "past"}, map[string]Level{"message.timestamp.before.max.ms": LevelWarn}},
			{TopicSpec{Name: "unwritten"}, map[string]Level{"min.insync.replicas": LevelFail}},
			{TopicSpec{Name: "nowhere"}, map[string]Level{"exists": LevelFail}},
			{TopicSpec{Name: "nowhere", Optional: true}, map[string]Level{"exists": LevelWarn}},
		} {
			list, err := c.Check(t.Context(), []TopicSpec{tc.spec})
			if err != nil {
				t.Fatal(err)
			}
			mustFind(t, list, tc.want)
		}
	})
}

func TestCheckOfAClusterThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.cluster.Close()
		list, err := w.client().Check(t.Context(), []TopicSpec{{Name: testTopic}})
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, list, map[string]Level{"reachable": LevelFail})
	})
}

// A broker that advertises an address that does not lead to it is found before its first partition is needed.
func TestCheckTriesEveryAdvertisedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, 1)
		c := w.client()
		w.cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if len(req.(*kmsg.MetadataRequest).Topics) == 0 {
				return nil, nil, false
			}
			res := req.ResponseKind().(*kmsg.MetadataResponse)
			for i, port := range []int32{9092, 4444} {
				b := kmsg.NewMetadataResponseBroker()
				b.NodeID, b.Host, b.Port = int32(i), "127.0.0.1", port
				res.Brokers = append(res.Brokers, b)
			}
			return res, nil, true
		})
		list, err := c.Check(t.Context(), []TopicSpec{{Name: testTopic}})
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, list, map[string]Level{"reachable": LevelFail})
	})
}

func TestCheckWaitsForProducerIDsAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: 3})
		list, err := w.client().Check(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, list, map[string]Level{"producer-id": LevelOK})
	})
}

func TestApplyCreatesAndRaisesAndNeverReduces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 4)
		c := w.client()
		spec := []TopicSpec{
			{Name: "new", Partitions: 6, ReplicationFactor: 3, MaxMessageBytes: 3 << 20, MinInSyncReplicas: 2},
			{Name: testTopic, Partitions: 8, MaxMessageBytes: 2 << 20, MinInSyncReplicas: 2},
			{Name: "optional", Optional: true},
		}
		list, err := c.Apply(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, list, map[string]Level{"created": LevelOK, "partitions": LevelOK, "max.message.bytes": LevelOK})
		less := []TopicSpec{{Name: "new", Partitions: 2, MaxMessageBytes: 100, MinInSyncReplicas: 1}, {Name: testTopic, Partitions: 1}}
		if _, err := c.Apply(t.Context(), less); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, topic := range []string{"new", testTopic, "optional"} {
			if got[topic], err = c.PartitionCount(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
		}
		limit, err := c.MaxBatchBytes(t.Context(), "new")
		if err != nil {
			t.Fatal(err)
		}
		got["limit"] = limit
		if diff := cmp.Diff(map[string]int{"new": 6, testTopic: 8, "optional": 10, "limit": 3 << 20}, got); diff != "" {
			t.Error(diff)
		}
		for _, p := range []int{0, 5} {
			mustPublish(t, c.Partition("new", p), new(ledger), "a")
		}
	})
}

func TestApplySaysWhyItCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.InvalidReplicationFactor})
		list, err := w.client().Apply(t.Context(), []TopicSpec{{Name: "new", ReplicationFactor: 3}})
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, list, map[string]Level{"created": LevelFail, "exists": LevelFail})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreatePartitions, kmsg.IncrementalAlterConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		list, err = w.client().Apply(t.Context(), []TopicSpec{{Name: "new"}, {Name: testTopic, Partitions: 2, MaxMessageBytes: 2 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, list, map[string]Level{"created": LevelFail, "partitions": LevelFail, "max.message.bytes": LevelFail})
	})
}

// A topic that is missing and will be created is no fault, unless it could not be: that is tried, and nothing is created by it.
func TestCheckTriesWhetherAMissingTopicCanBeCreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		c := w.client()
		spec := []TopicSpec{{Name: "new", Partitions: 2, Optional: true}}
		for range 2 {
			list, err := c.Check(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			mustFind(t, list, map[string]Level{"exists": LevelWarn, "created": ""})
		}
		for code, words := range map[*kerr.Error]string{
			kerr.TopicAuthorizationFailed: "User:ANONYMOUS may not create the topic new; grant the ACL Create",
			kerr.InvalidReplicationFactor: "lower kafka.replication_factor",
			kerr.PolicyViolation:          "ask who runs it",
		} {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: code})
			list, err := c.Check(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			mustFind(t, list, map[string]Level{"exists": LevelWarn, "created": LevelFail})
			if last := list[len(list)-1]; !strings.Contains(last.Sentence, words) || last.Cause == "" {
				t.Errorf("%v: %+v", code, last)
			}
		}
	})
}
