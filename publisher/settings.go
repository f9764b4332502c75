package publisher

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

func checkConfigs(f *findings, spec TopicSpec, configs topicConfigs, t *metadata.ResponseTopic) {
	limit := configs.number("max.message.bytes", DefaultMaxBatchBytes)
	if limit < spec.MaxMessageBytes {
		f.add(LevelFail, spec.Name, "max.message.bytes", "it takes batches of up to %d bytes, %d are needed; raise max.message.bytes (chatbridge topics apply), or larger messages go to the dead-letter topic", limit, spec.MaxMessageBytes)
	} else {
		f.add(LevelOK, spec.Name, "max.message.bytes", "it takes batches of up to %d bytes", limit)
	}
	checkInSync(f, spec, configs.number("min.insync.replicas", 1), t)
	if strings.Contains(configs["cleanup.policy"], "compact") {
		f.add(LevelFail, spec.Name, "cleanup.policy", "it is compacted: Kafka would keep only the newest message of each group; set cleanup.policy to delete")
	}
	checkTimes(f, spec.Name, configs)
}

// checkTimes looks for limits of record times that messages of an outage, or of a clock that is a little wrong, would not pass.
func checkTimes(f *findings, topic string, configs topicConfigs) {
	const week, hour = 7 * 24 * time.Hour, time.Hour
	for _, limit := range []struct {
		name  string
		least time.Duration
	}{{"message.timestamp.before.max.ms", week}, {"message.timestamp.after.max.ms", hour}} {
		if v := configs.number(limit.name, -1); v >= 0 && v < int(limit.least.Milliseconds()) {
			f.add(LevelWarn, topic, limit.name, "records whose time is further than %v from the broker's are refused, and would go to the dead-letter topic; set %s to at least %d",
				time.Duration(v)*time.Millisecond, limit.name, limit.least.Milliseconds())
		}
	}
}

func checkInSync(f *findings, spec TopicSpec, minimum int, t *metadata.ResponseTopic) {
	replicas, worst := 0, -1
	for i := range t.Partitions {
		replicas = max(replicas, len(t.Partitions[i].ReplicaNodes))
		if n := len(t.Partitions[i].IsrNodes); worst < 0 || n < worst {
			worst = n
		}
	}
	switch {
	case minimum > replicas:
		f.add(LevelFail, spec.Name, "min.insync.replicas", "it is %d with only %s: nothing can ever be written; lower min.insync.replicas or add replicas", minimum, count(replicas, "replica"))
	case worst >= 0 && worst < minimum:
		f.add(LevelFail, spec.Name, "min.insync.replicas", "it is %d and a partition has only %d in sync: writes to it wait; bring the missing brokers up", minimum, worst)
	case minimum < spec.MinInSyncReplicas:
		f.add(LevelWarn, spec.Name, "min.insync.replicas", "it is %d, %d are configured; raise it (chatbridge topics apply)", minimum, spec.MinInSyncReplicas)
	case minimum == replicas && replicas > 1:
		f.add(LevelWarn, spec.Name, "min.insync.replicas", "it is %d, as many as there are replicas: one broker down stops all writing", minimum)
	case minimum == 1 && replicas > 2:
		f.add(LevelWarn, spec.Name, "min.insync.replicas", "it is 1: a message may be confirmed while only one broker has it; 2 is usual")
	default:
		f.add(LevelOK, spec.Name, "min.insync.replicas", "it is %d", minimum)
	}
}

// topicConfigs are a topic's settings in force.
type topicConfigs map[string]string

func (t topicConfigs) number(name string, otherwise int) int {
	n, err := strconv.ParseInt(t[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return int(n)
}

const resourceTopic = 2

// describe asks for the topic's settings, once.
func (c *Client) describe(ctx context.Context, topic string) (topicConfigs, error) {
	m, err := c.cluster.askAny(ctx, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{{ResourceType: resourceTopic, ResourceName: topic}}})
	if err != nil {
		return nil, &lookupError{err}
	}
	res := m.(*describeconfigs.Response)
	if len(res.Resources) != 1 {
		return nil, &lookupError{errors.New("the answer does not name the topic")}
	}
	r := &res.Resources[0]
	if code := kafka.Error(r.ErrorCode); code != 0 {
		return nil, &lookupError{c.cfg.denied("DescribeConfigs", topic, code)}
	}
	configs := make(topicConfigs, len(r.ConfigEntries))
	for i := range r.ConfigEntries {
		configs[r.ConfigEntries[i].ConfigName] = r.ConfigEntries[i].ConfigValue
	}
	return configs, nil
}
