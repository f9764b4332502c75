package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leaders that move, while records flow.

func leaderMoved() hazard {
	kinds := []kind{
		{"reassigned", reassign}, {"preferred", electPreferred}, {"reassigned, again", reassign}, {"preferred, again", electPreferred},
		{"reassigned, once more", reassign}, {"preferred, once more", electPreferred}, {"rolling restart", restartInTurn},
	}
	return hazard{
		name: "leader moved", least: 50,
		how: "all partitions reassigned to other replicas; another replica preferred and elected; three brokers restarted by SIGTERM, one after the other",
		scenes: []scene{
			{name: "Retrying", on: ground{nodes: 3}, sends: sendsAgain, part: 2, kinds: kinds},
			{name: "Default", on: ground{nodes: 3}, sends: sendsOnce, part: 1, kinds: kinds},
			{name: "Old", on: ground{nodes: 3}, sends: sendsAgainOld, part: 2, kinds: kinds},
		},
	}
}

// reassign takes one replica away from each partition, the leader of most, and
// gives it back.
func reassign(s *stage, u turn) {
	s.flows()
	hold(u.between(0, 0, 300*time.Millisecond))
	shuffled := s.shuffledReplicas(u)
	two := map[int32][]int32{}
	for p, replicas := range shuffled {
		two[p] = replicas[:2]
	}
	s.assign(two)
	hold(u.between(1, 0, 500*time.Millisecond))
	s.assign(shuffled)
	s.elect()
}

// electPreferred makes another replica the preferred leader of each partition,
// and has it elected.
func electPreferred(s *stage, u turn) {
	s.flows()
	hold(u.between(0, 0, 300*time.Millisecond))
	s.assign(s.shuffledReplicas(u))
	s.elect()
}

func restartInTurn(s *stage, u turn) {
	for i := range s.kafka.nodes {
		n := s.kafka.nodes[(i+u.pick(0, len(s.kafka.nodes)))%len(s.kafka.nodes)]
		s.flows()
		n.stop()
		hold(u.between(1, 0, 300*time.Millisecond))
		n.start()
		s.kafka.answers()
	}
}

// shuffledReplicas is all nodes for each partition of the bridge's topic, in an
// order by the turn's luck.
func (s *stage) shuffledReplicas(u turn) map[int32][]int32 {
	s.t.Helper()
	rnd := rand.New(rand.NewPCG(uint64(u.luck[2]*(1<<52)), uint64(u.luck[3]*(1<<52))))
	leaders := s.kafka.leadersNow(s.bridge.events)
	all := map[int32][]int32{}
	for p := range leaders {
		var replicas []int32
		for _, i := range rnd.Perm(len(s.kafka.nodes)) {
			replicas = append(replicas, int32(i+1))
		}
		all[int32(p)] = replicas
	}
	return all
}

// assign gives the partitions of the bridge's topic these replicas, and waits
// until they are in sync.
func (s *stage) assign(to map[int32][]int32) {
	s.t.Helper()
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = 10_000
	topic := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	topic.Topic = s.bridge.events
	for p, replicas := range to {
		part := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		part.Partition, part.Replicas = p, replicas
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	client := s.kafka.client()
	defer client.Close()
	eventually(s.t, "partitions are reassigned", func() error {
		answer, err := req.RequestWith(s.t.Context(), client)
		if err != nil {
			return err
		}
		errs := kerr.ErrorForCode(answer.ErrorCode)
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				errs = errors.Join(errs, kerr.ErrorForCode(p.ErrorCode))
			}
		}
		return errs
	})
	eventually(s.t, "replicas are in sync", func() error {
		t, err := s.kafka.topic(s.bridge.events)
		if err != nil {
			return err
		}
		for _, p := range t.Partitions {
			if want := to[p.Partition]; len(p.ISR) != len(want) || len(p.Replicas) != len(want) || p.Replicas[0] != want[0] {
				return fmt.Errorf("partition %d: replicas %v, in sync %v, want %v", p.Partition, p.Replicas, p.ISR, want)
			}
		}
		return nil
	})
}

// elect has the first replica of each partition elected, and waits until it leads.
func (s *stage) elect() {
	s.t.Helper()
	client := s.kafka.client()
	defer client.Close()
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = 10_000
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic = s.bridge.events
	for p := range s.kafka.leadersNow(s.bridge.events) {
		topic.Partitions = append(topic.Partitions, int32(p))
	}
	req.Topics = append(req.Topics, topic)
	eventually(s.t, "the preferred replicas lead", func() error {
		if _, err := req.RequestWith(s.t.Context(), client); err != nil {
			return err
		}
		t, err := s.kafka.topic(s.bridge.events)
		if err != nil {
			return err
		}
		for _, p := range t.Partitions {
			if p.Leader != p.Replicas[0] {
				return fmt.Errorf("partition %d is led by %d, not by %d", p.Partition, p.Leader, p.Replicas[0])
			}
		}
		return nil
	})
}

// topic is what Kafka says of a topic.
func (c *cluster) topic(name string) (*kmsg.MetadataResponseTopic, error) {
	client := c.client(kgo.RetryTimeout(5 * time.Second))
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 {
		return nil, fmt.Errorf("kafka says nothing of topic %s", name)
	}
	return &answer.Topics[0], kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

// leaders are those of a topic's partitions; an error where one has none.
func (c *cluster) leaders(topic string) ([]int32, error) {
	t, err := c.topic(topic)
	if err != nil {
		return nil, err
	}
	list := make([]int32, len(t.Partitions))
	for _, p := range t.Partitions {
		if p.Leader < 1 {
			return nil, fmt.Errorf("partition %d has no leader", p.Partition)
		}
		list[p.Partition] = p.Leader
	}
	return list, nil
}

// leadersNow waits until each partition of a topic has one.
func (c *cluster) leadersNow(topic string) (list []int32) {
	c.t.Helper()
	eventuallyWithin(c.t, healing, "the topic has leaders", func() (err error) {
		list, err = c.leaders(topic)
		return err
	})
	return list
}
