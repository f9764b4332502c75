package publisher

import (
	"context"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// TopicSpec is what a topic should be like.
type TopicSpec struct {
	Name              string
	Partitions        int  // 0 = don't care, and the cluster's default when created
	ReplicationFactor int  // 0 = don't care, and the cluster's default when created
	MaxMessageBytes   int  // the largest batch that must be taken; 0 = don't care
	MinInSyncReplicas int  // 0 = don't care
	Optional          bool // its absence is a warning only
}

// Level of a Finding.
type Level string

// The levels, from good to bad.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn" // works, with a risk
	LevelFail Level = "fail" // does not work, or loses data
)

// Finding is one line of a check.
type Finding struct {
	Level    Level
	Topic    string // "" = about the cluster
	What     string // a short constant such as "reachable", "exists", "partitions"
	Sentence string // what was found and, unless it is ok, what to do next
	Cause    string // the error behind it, for who looks closer; "" = none
}

// findings collects.
type findings struct{ list []Finding }

func (f *findings) add(level Level, topic, what, format string, args ...any) {
	f.list = append(f.list, Finding{Level: level, Topic: topic, What: what, Sentence: fmt.Sprintf(format, args...)})
}

// because adds the cause of what was added last.
func (f *findings) because(err error) { f.list[len(f.list)-1].Cause = err.Error() }

// Check looks whether the cluster and the topics are fit for publishing, and changes nothing. Each thing is tried once: what is wrong
// is a Finding; the error is only ErrClosed or the context's.
func (c *Client) Check(ctx context.Context, specs []TopicSpec) ([]Finding, error) {
	var f findings
	m, ok := c.survey(ctx, &f, specs)
	if ok {
		c.checkBrokers(ctx, &f, m)
		c.checkProducer(ctx, &f)
		for _, spec := range specs {
			c.checkTopic(ctx, &f, spec, m)
		}
	}
	return f.list, c.end(ctx)
}

// end is ErrClosed or the context's error, if either has ended.
func (c *Client) end(ctx context.Context) error {
	if c.closed() {
		return ErrClosed
	}
	return ctx.Err()
}

// survey asks for the topics and what the user may do with them.
func (c *Client) survey(ctx context.Context, f *findings, specs []TopicSpec) (*metadata.Response, bool) {
	names := make([]string, 0, len(specs))
	for _, s := range specs {
		names = append(names, s.Name)
	}
	m, err := c.cluster.askAny(ctx, &metadata.Request{TopicNames: names, IncludeTopicAuthorizedOperations: true})
	if err != nil {
		f.add(LevelFail, "", "reachable", "no broker of %s can be used: %s", strings.Join(c.cfg.Brokers, ", "), judge(&lookupError{err}).sentence)
		f.because(err)
		return nil, false
	}
	return m.(*metadata.Response), true
}

// checkBrokers tries each broker at the address that it advertises: a wrong one is found only when its first partition is needed.
func (c *Client) checkBrokers(ctx context.Context, f *findings, m *metadata.Response) {
	good := 0
	for _, b := range m.Brokers {
		addr := hostPort(b.Host, b.Port)
		if _, err := c.cluster.ask(ctx, addr, &metadata.Request{TopicNames: []string{}}, c.cfg.RequestTimeout, true); err != nil {
			f.add(LevelFail, "", "reachable", "broker %d advertises itself as %s, where it cannot be used from here: %s; or correct its advertised.listeners",
				b.NodeID, addr, judge(&lookupError{err}).sentence)
			f.because(err)
			continue
		}
		good++
	}
	if good == len(m.Brokers) {
		f.add(LevelOK, "", "reachable", "%s of cluster %s can be used", count(good, "broker"), m.ClusterID)
	}
}

// checkProducer asks for a producer id, and waits a moment for a cluster that has just started.
func (c *Client) checkProducer(ctx context.Context, f *findings) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	for {
		_, err := c.newProducer(ctx)
		if err == nil {
			f.add(LevelOK, "", "producer-id", "producer ids are handed out")
			return
		}
		if judge(err).label != "coordinator-loading" || c.sleep(ctx, c.cfg.RetryMax) != nil {
			f.add(LevelFail, "", "producer-id", "no producer id: %s", judge(err).sentence)
			f.because(err)
			return
		}
	}
}

func (c *Client) checkTopic(ctx context.Context, f *findings, spec TopicSpec, m *metadata.Response) {
	t := topicOf(m, spec.Name)
	switch {
	case t == nil || kafka.Error(t.ErrorCode) == kafka.UnknownTopicOrPartition:
		c.checkMissing(ctx, f, spec, len(m.Brokers))
		return
	case t.ErrorCode != 0:
		code := kafka.Error(t.ErrorCode)
		f.add(LevelFail, spec.Name, "exists", "the topic cannot be looked at: %s", judge(c.cfg.denied("Describe", spec.Name, code)).sentence)
		f.because(code)
		return
	}
	f.add(LevelOK, spec.Name, "exists", "the topic exists")
	checkShape(f, spec, t)
	c.checkPermissions(f, spec.Name, t.TopicAuthorizedOperations)
	configs, err := c.describe(ctx, spec.Name)
	if err != nil {
		f.add(LevelWarn, spec.Name, "configs", "the topic's settings cannot be read, so its size limits are not checked: %s", judge(err).sentence)
		f.because(err)
		return
	}
	checkConfigs(f, spec, configs, t)
}

// checkMissing says what follows from a topic's absence. Where it will be created, that is tried, without doing it.
func (c *Client) checkMissing(ctx context.Context, f *findings, spec TopicSpec, brokers int) {
	if !spec.Optional {
		f.add(LevelFail, spec.Name, "exists", "the topic does not exist; create it (chatbridge topics apply), or set kafka.create_topics")
		return
	}
	f.add(LevelWarn, spec.Name, "exists", "the topic does not exist; chatbridge serve creates it, and so does chatbridge topics apply")
	if err := c.createTopic(ctx, spec, true); err != nil {
		c.notCreated(f, spec, brokers, err)
	}
}

// checkShape looks at partitions, leaders and replicas.
func checkShape(f *findings, spec TopicSpec, t *metadata.ResponseTopic) {
	have := len(t.Partitions)
	switch {
	case spec.Partitions == 0 || have == spec.Partitions:
		f.add(LevelOK, spec.Name, "partitions", "it has %s", count(have, "partition"))
	case have < spec.Partitions:
		f.add(LevelWarn, spec.Name, "partitions", "it has %s, %d are configured; add them (chatbridge topics apply) before it is in use, since keys move when they are added later", count(have, "partition"), spec.Partitions)
	default:
		f.add(LevelWarn, spec.Name, "partitions", "it has %s, %d are configured; partitions cannot be removed, so set kafka.partitions to %d", count(have, "partition"), spec.Partitions, have)
	}
	replicas, leaderless, behind := 0, 0, 0
	for i := range t.Partitions {
		p := &t.Partitions[i]
		replicas = max(replicas, len(p.ReplicaNodes))
		if p.LeaderID < 0 {
			leaderless++
		} else if len(p.IsrNodes) < len(p.ReplicaNodes) {
			behind++
		}
	}
	if leaderless > 0 {
		f.add(LevelFail, spec.Name, "leaders", "%s of %d without a leader; bring the brokers that hold them up", count(leaderless, "partition"), have)
	}
	if behind > 0 {
		f.add(LevelWarn, spec.Name, "in-sync", "%s of %d with a replica that is down or behind", count(behind, "partition"), have)
	}
	switch {
	case spec.ReplicationFactor > replicas:
		f.add(LevelWarn, spec.Name, "replication", "it has %s of each partition, %d are configured; raise it with kafka-reassign-partitions.sh", count(replicas, "replica"), spec.ReplicationFactor)
	case replicas == 1:
		f.add(LevelWarn, spec.Name, "replication", "it has one replica of each partition: a broker's disk lost is data lost; three are usual")
	default:
		f.add(LevelOK, spec.Name, "replication", "it has %s of each partition", count(replicas, "replica"))
	}
}

// The bits of authorized operations in Metadata, by Kafka's numbers of ACL operations.
const (
	mayRead     = 1 << 3
	mayWrite    = 1 << 4
	mayDescribe = 1 << 8
	mayUnknown  = -1 << 31 // the broker does not say
)

func (c *Client) checkPermissions(f *findings, topic string, may int32) {
	if may == mayUnknown || may == 0 {
		return
	}
	lacks := false
	for _, op := range []struct {
		bit  int32
		name string
	}{{mayWrite, "Write"}, {mayRead, "Read"}, {mayDescribe, "Describe"}} {
		if may&op.bit == 0 {
			lacks = true
			f.add(LevelFail, topic, "permissions", "%s", judge(c.cfg.denied(op.name, topic, kafka.TopicAuthorizationFailed)).sentence)
		}
	}
	if !lacks {
		f.add(LevelOK, topic, "permissions", "%s may write, read and describe it", c.cfg.user())
	}
}

func topicOf(m *metadata.Response, name string) *metadata.ResponseTopic {
	for i := range m.Topics {
		if m.Topics[i].Name == name {
			return &m.Topics[i]
		}
	}
	return nil
}

// count is "1 broker", "3 brokers".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
