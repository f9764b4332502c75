package bridge

import (
	"strings"

	"github.com/chatbridge/chatbridge/publisher"
)

// messageOverhead is what a record may have besides the body of its callback:
// key, headers (the query among them, which ingest bounds to 16 KiB) and framing.
const messageOverhead = 32 * KiB

// Publisher returns how to reach Kafka, for the bridge itself and for every
// command that reads or checks topics. Certificates and the password file are
// read again for each connection, so that rotated ones need no restart. The
// caller adds its ClientID, Logger and Hooks.
func (c *Config) Publisher() publisher.Config {
	k := c.Kafka
	out := publisher.Config{
		Brokers:     k.Brokers,
		Compression: k.Compression.codec(),
		SASL: publisher.SASL{
			Mechanism:    strings.ToUpper(k.SASL.Mechanism),
			Username:     k.SASL.Username,
			Password:     k.SASL.Password,
			PasswordFile: k.SASL.PasswordFile,
		},
	}
	if k.TLS.Enabled {
		out.TLSFiles = &publisher.TLSFiles{CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile}
	}
	return out
}

// codec is the publisher's word for a codec.
func (c Compression) codec() publisher.Compression {
	switch c {
	case CompressionGzip:
		return publisher.Gzip
	case CompressionSnappy:
		return publisher.Snappy
	case CompressionLZ4:
		return publisher.LZ4
	case CompressionZstd:
		return publisher.Zstd
	case CompressionNone:
	}
	return publisher.None
}

// TopicSpecs returns what the topics should be like: the events topic, the
// dead-letter topic and, where it is used, the callbacks topic. Each should take
// the largest callback that is accepted, and lose nothing with one replica. A
// topic that serve creates itself may be missing before.
func (c *Config) TopicSpecs() []publisher.TopicSpec {
	k := c.Kafka
	names := c.topics()
	// What Kafka takes by default is enough for the default max_body: real bodies
	// are far smaller, and the few bytes between the two are no fault to report.
	maxMessage := publisher.DefaultMaxBatchBytes
	if c.HTTP.MaxBody > 1*MiB {
		maxMessage = int(c.HTTP.MaxBody + messageOverhead)
	}
	specs := make([]publisher.TopicSpec, 0, len(names))
	for _, name := range names {
		specs = append(specs, publisher.TopicSpec{
			Name:              name,
			Partitions:        k.Partitions,
			ReplicationFactor: k.ReplicationFactor,
			MaxMessageBytes:   maxMessage,
			MinInSyncReplicas: max(1, min(2, k.ReplicationFactor-1)),
			Optional:          k.CreateTopics,
		})
	}
	return specs
}

// topics lists the topics that are published to.
func (c *Config) topics() []string {
	names := []string{c.Kafka.Topic, c.Kafka.DeadLetterTopic}
	if c.Kafka.CallbacksTopic != "" {
		names = append(names, c.Kafka.CallbacksTopic)
	}
	return names
}
