package publisher

import (
	"context"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createpartitions"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/incrementalalterconfigs"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// Apply creates the topics that are missing, also optional ones, and raises partitions, max.message.bytes and min.insync.replicas
// where they are below spec. It never reduces or deletes. The findings say what was done, then what Check finds afterwards.
func (c *Client) Apply(ctx context.Context, specs []TopicSpec) ([]Finding, error) {
	var f findings
	m, ok := c.survey(ctx, &f, specs)
	if ok {
		for _, spec := range specs {
			if t := topicOf(m, spec.Name); t == nil || kafka.Error(t.ErrorCode) == kafka.UnknownTopicOrPartition {
				c.create(ctx, &f, spec, len(m.Brokers))
			} else if t.ErrorCode == 0 {
				c.raise(ctx, &f, spec, t)
			}
		}
		checked, err := c.Check(ctx, specs)
		return append(f.list, checked...), err
	}
	return f.list, c.end(ctx)
}

func (c *Client) create(ctx context.Context, f *findings, spec TopicSpec, brokers int) {
	orDefault := func(n int) int { // Kafka's -1: the cluster's default
		if n <= 0 {
			return -1
		}
		return n
	}
	req := createtopics.RequestTopic{Name: spec.Name, NumPartitions: int32(orDefault(spec.Partitions)), ReplicationFactor: int16(orDefault(spec.ReplicationFactor))}
	for name, n := range raised(spec) {
		req.Configs = append(req.Configs, createtopics.RequestConfig{Name: name, Value: strconv.Itoa(n)})
	}
	code, message := kafka.Error(0), ""
	_, err := c.cluster.askController(ctx, &createtopics.Request{Topics: []createtopics.RequestTopic{req}, TimeoutMs: c.timeoutMs()}, func(m protocol.Message) kafka.Error {
		if res := m.(*createtopics.Response); len(res.Topics) == 1 {
			code, message = kafka.Error(res.Topics[0].ErrorCode), res.Topics[0].ErrorMessage
		}
		return code
	})
	switch {
	case err != nil:
		f.add(LevelFail, spec.Name, "created", "the topic could not be created: %s (%v)", judge(&lookupError{err}).sentence, err)
	case code == kafka.TopicAlreadyExists:
		f.add(LevelOK, spec.Name, "created", "somebody else has just created the topic")
	case code == kafka.InvalidReplicationFactor:
		f.add(LevelFail, spec.Name, "created", "the topic could not be created: %d replicas are configured, the cluster has %s; lower kafka.replication_factor or add brokers (%s)", spec.ReplicationFactor, count(brokers, "broker"), message)
	case code == kafka.TopicAuthorizationFailed || code == kafka.ClusterAuthorizationFailed:
		f.add(LevelFail, spec.Name, "created", "the user may not create the topic; grant Create on it or on the cluster, or have it created (%v)", code)
	case code != 0:
		f.add(LevelFail, spec.Name, "created", "the topic could not be created: %v (%s)", code, message)
	default:
		f.add(LevelOK, spec.Name, "created", "the topic was created")
		c.awaitTopic(ctx, spec.Name)
	}
}

// awaitTopic waits until the brokers know a topic that was just created or changed, at most the time of a request.
func (c *Client) awaitTopic(ctx context.Context, topic string) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	for {
		m, err := c.cluster.askAny(ctx, &metadata.Request{TopicNames: []string{topic}})
		if err == nil {
			if t := topicOf(m.(*metadata.Response), topic); t != nil && t.ErrorCode == 0 && len(t.Partitions) > 0 && t.Partitions[0].LeaderID >= 0 {
				return
			}
		}
		if c.sleep(ctx, c.cfg.RetryMin) != nil {
			return
		}
	}
}

// raise changes what is below spec.
func (c *Client) raise(ctx context.Context, f *findings, spec TopicSpec, t *metadata.ResponseTopic) {
	if have := len(t.Partitions); have < spec.Partitions {
		c.addPartitions(ctx, f, spec, have)
	}
	configs, err := c.describe(ctx, spec.Name)
	if err != nil {
		return // Check will say so
	}
	for name, want := range raised(spec) {
		if configs.number(name, 0) < want {
			c.setConfig(ctx, f, spec.Name, name, want)
		}
	}
}

// raised lists the settings that spec asks for.
func raised(spec TopicSpec) map[string]int {
	set := make(map[string]int)
	if spec.MaxMessageBytes > 0 {
		set["max.message.bytes"] = spec.MaxMessageBytes
	}
	if spec.MinInSyncReplicas > 0 {
		set["min.insync.replicas"] = spec.MinInSyncReplicas
	}
	return set
}

func (c *Client) addPartitions(ctx context.Context, f *findings, spec TopicSpec, have int) {
	code, message := kafka.Error(0), ""
	_, err := c.cluster.askController(ctx, &createpartitions.Request{
		Topics: []createpartitions.RequestTopic{{Name: spec.Name, Count: int32(spec.Partitions)}}, TimeoutMs: c.timeoutMs(),
	}, func(m protocol.Message) kafka.Error {
		if res := m.(*createpartitions.Response); len(res.Results) == 1 {
			code, message = kafka.Error(res.Results[0].ErrorCode), res.Results[0].ErrorMessage
		}
		return code
	})
	if err = answered(err, code, message); err != nil {
		f.add(LevelFail, spec.Name, "partitions", "they could not be raised from %d to %d: %v; the user needs Alter on the topic", have, spec.Partitions, err)
		return
	}
	f.add(LevelOK, spec.Name, "partitions", "they were raised from %d to %d; groups that now go to another partition are in order only from here on", have, spec.Partitions)
	c.awaitTopic(ctx, spec.Name)
}

const configSet = 0 // IncrementalAlterConfigs: the operation SET

func (c *Client) setConfig(ctx context.Context, f *findings, topic, name string, want int) {
	code, message := kafka.Error(0), ""
	_, err := c.cluster.askController(ctx, &incrementalalterconfigs.Request{Resources: []incrementalalterconfigs.RequestResource{{
		ResourceType: resourceTopic, ResourceName: topic,
		Configs: []incrementalalterconfigs.RequestConfig{{Name: name, ConfigOperation: configSet, Value: strconv.Itoa(want)}},
	}}}, func(m protocol.Message) kafka.Error {
		if res := m.(*incrementalalterconfigs.Response); len(res.Responses) == 1 {
			code, message = kafka.Error(res.Responses[0].ErrorCode), res.Responses[0].ErrorMessage
		}
		return code
	})
	if err = answered(err, code, message); err != nil {
		f.add(LevelFail, topic, name, "it could not be set to %d: %v; the user needs AlterConfigs on the topic", want, err)
		return
	}
	f.add(LevelOK, topic, name, "it was raised to %d", want)
}

// answered is err, or the broker's error code with its message, if either is set.
func answered(err error, code kafka.Error, message string) error {
	switch {
	case err != nil || code == 0:
		return err
	case message == "":
		return code
	}
	return fmt.Errorf("%w: %s", code, message)
}

func (c *Client) timeoutMs() int32 { return int32((c.cfg.RequestTimeout * 2 / 3).Milliseconds()) }
