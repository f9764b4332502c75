package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
)

// topicFlags are the flags of a command that reads the events topic.
type topicFlags struct {
	config         configFlags
	brokers, topic string
}

// register gives cmd the flags.
func (f *topicFlags) register(cmd *cobra.Command) {
	f.config.register(cmd)
	cmd.Flags().StringVar(&f.brokers, "brokers", "", "Kafka's `host:port`, several with commas; stands for kafka.brokers")
	cmd.Flags().StringVar(&f.topic, "topic", "", "the topic, in place of kafka.topic")
}

// open connects as the configuration and the flags say. Nothing is asked yet.
// release gives the connections back.
func (f *topicFlags) open(env *environment) (t *topic.Topic, release func(), err error) {
	var extra []bridge.Flag
	if f.brokers != "" {
		extra = append(extra, bridge.Flag{Name: "--brokers", Key: "kafka.brokers", Value: f.brokers})
	}
	settings, err := f.config.load(env, extra, "kafka")
	if err != nil {
		return nil, nil, err
	}
	kafka := settings.Config.Publisher()
	kafka.Patience = readPatience
	client, err := publisher.New(kafka)
	if err != nil {
		return nil, nil, err
	}
	// Not as the key kafka.topic: the dead letters are a topic to be read as well,
	// and the bridge could not publish to one topic as both.
	return topic.New(client, cmp.Or(f.topic, settings.Config.Kafka.Topic)), client.Close, nil
}

// readPatience is how long a read goes on without any success.
const readPatience = 15 * time.Second
