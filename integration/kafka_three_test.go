package integration

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestThreeBrokers: on three brokers the topics have three replicas, of which two
// must be in sync. With one broker killed all goes on. With two killed nothing is
// confirmed any more, and /sinkz says so; callbacks are answered OK all the same
// (P2). When the brokers are back everything is there, once and in order (P1, P3, P4).
func TestThreeBrokers(t *testing.T) {
	needsReal(t, "kfake is one broker")
	needsOwn(t, "it kills two of three brokers")
	t.Parallel()
	kafka := startKafka(t, spec{nodes: 3})
	b := startBridge(t, kafka)
	ledger := newLedger(t)
	send(b, ledger, "--rate", "0", "--count", "500")
	b.drained()
	for _, topic := range []string{b.events, b.dead} {
		if got := kafka.setting(topic, "min.insync.replicas"); got != "2" {
			t.Errorf("%s: min.insync.replicas is %s, want 2", topic, got)
		}
		if got := kafka.replicasOf(topic); got != 3 {
			t.Errorf("%s: %d replicas, want 3", topic, got)
		}
	}
	kafka.nodes[0].kill()
	published := b.metric("chatbridge_publish_records_total")
	s := send(b, ledger, "--rate", "0", "--count", "500")
	eventually(t, "two brokers of three take all there is", func() error {
		return b.above("chatbridge_publish_records_total", published+float64(s.MessagesStored)-1)
	})
	kafka.nodes[1].kill()
	published = b.metric("chatbridge_publish_records_total")
	if s := send(b, ledger, "--rate", "0", "--count", "500"); s.OK != s.Callbacks {
		t.Errorf("%d of %d callbacks were answered OK", s.OK, s.Callbacks)
	}
	eventually(t, "/sinkz says that Kafka takes nothing", func() error { return b.probe("/sinkz", 503) })
	if now := b.metric("chatbridge_publish_records_total"); now != published {
		t.Errorf("%v records were confirmed by one broker of three", now-published)
	}
	kafka.nodes[0].start()
	kafka.nodes[1].start()
	kafka.answers()
	audit(b, ledger)
}

// setting is what a topic's setting is on the broker.
func (c *cluster) setting(topic, name string) string {
	c.t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{name}
	req.Resources = append(req.Resources, r)
	res := ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0]
	if err := kerr.ErrorForCode(res.ErrorCode); err != nil || len(res.Configs) != 1 || res.Configs[0].Value == nil {
		c.t.Fatalf("%s of %s: %v, %+v", name, topic, err, res.Configs)
	}
	return *res.Configs[0].Value
}

// replicasOf is how many replicas each partition of a topic has; -1 where they differ.
func (c *cluster) replicasOf(topic string) int {
	c.t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	res := ask[*kmsg.MetadataResponse](c, req).Topics[0]
	if err := kerr.ErrorForCode(res.ErrorCode); err != nil || len(res.Partitions) == 0 {
		c.t.Fatalf("metadata of %s: %v, %s", topic, err, fmt.Sprint(len(res.Partitions), " partitions"))
	}
	n := len(res.Partitions[0].Replicas)
	for _, p := range res.Partitions {
		if len(p.Replicas) != n {
			return -1
		}
	}
	return n
}
