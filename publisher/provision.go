package publisher

import (
	"context"
	"errors"
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
	switch err := c.createTopic(ctx, spec, false); {
	case err == nil:
		f.add(LevelOK, spec.Name, "created", "the topic was created")
		c.awaitTopic(ctx, spec.Name)
	case errors.Is(err, kafka.TopicAlreadyExists):
		f.add(LevelOK, spec.Name, "created", "somebody else has just created the topic")
	default:
		c.notCreated(f, spec, brokers, err)
	}
}

// createTopic asks for the topic to be created, or, with dry, whether it could be.
func (c *Client) createTopic(ctx context.Context, spec TopicSpec, dry bool) error {
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
	_, err := c.cluster.askController(ctx, &createtopics.Request{Topics: []createtopics.RequestTopic{req}, TimeoutMs: c.timeoutMs(), ValidateOnly: dry}, func(m protocol.Message) kafka.Error {
		if res := m.(*createtopics.Response); len(res.Topics) == 1 {
			code, message = kafka.Error(res.Topics[0].ErrorCode), res.Topics[0].ErrorMessage
		}
		return code
	})
	if err != nil {
		return &lookupError{err}
	}
	return answered(c.cfg.denied("Create", spec.Name, code), code, message)
}

// notCreated says why the topic is not, or could not be, created.
func (c *Client) notCreated(f *findings, spec TopicSpec, brokers int, err error) {
	if errors.Is(err, kafka.InvalidReplicationFactor) {
		f.add(LevelFail, spec.Name, "created", "the topic cannot be created: %d replicas are configured, the cluster has %s; lower kafka.replication_factor or add brokers", spec.ReplicationFactor, count(brokers, "broker"))
	} else {
		f.add(LevelFail, spec.Name, "created", "the topic cannot be created: %s", whyNot(err))
	}
	f.because(err)
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
	if err = c.changed(err, "Alter", spec.Name, code, message); err != nil {
		f.add(LevelFail, spec.Name, "partitions", "they could not be raised from %d to %d: %s", have, spec.Partitions, whyNot(err))
		f.because(err)
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
	if err = c.changed(err, "AlterConfigs", topic, code, message); err != nil {
		f.add(LevelFail, topic, name, "it could not be set to %d: %s", want, whyNot(err))
		f.because(err)
		return
	}
	f.add(LevelOK, topic, name, "it was raised to %d", want)
}

// changed is the error of a request that changes a topic: err, or the broker's answer.
func (c *Client) changed(err error, operation, topic string, code kafka.Error, message string) error {
	if err != nil {
		return &lookupError{err}
	}
	return answered(c.cfg.denied(operation, topic, code), code, message)
}

// answered is a broker's answer as an error, with its message; nil where the code is 0.
func answered(err error, code kafka.Error, message string) error {
	if code == 0 {
		return nil
	}
	if message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}

// whyNot says why the cluster did not do what it was asked for.
func whyNot(err error) string {
	var denied *deniedError
	var link *linkError
	if errors.As(err, &denied) || errors.As(err, &link) {
		return judge(err).sentence
	}
	return "the cluster refuses it; ask who runs it"
}

func (c *Client) timeoutMs() int32 { return int32((c.cfg.RequestTimeout * 2 / 3).Milliseconds()) }
