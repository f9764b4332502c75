package bridge

import (
	"net"
	"regexp"
	"strconv"
	"strings"
)

// maxReplicationFactor and maxPartitions are far from any use; the second
// keeps a slip of the keyboard from asking a cluster for millions.
const (
	maxReplicationFactor = 1000
	maxPartitions        = 100_000
)

// topicForm is what Kafka allows as a topic's name (org.apache.kafka.common.internals.Topic).
var topicForm = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (c *checker) topics() {
	k := c.config.Kafka
	seen := map[string]string{} // name as Kafka's metrics see it → key
	for _, t := range []struct {
		key, name string
		optional  bool
	}{
		{"kafka.topic", k.Topic, false},
		{"kafka.dead_letter_topic", k.DeadLetterTopic, false},
		{"kafka.callbacks_topic", k.CallbacksTopic, true},
	} {
		if t.name == "" && t.optional {
			continue
		}
		if !topicForm.MatchString(t.name) || t.name == "." || t.name == ".." {
			c.fault(t.key, "%s is not a name that Kafka takes; use 1 to 249 letters, digits and . _ -", quote(t.name))
			continue
		}
		// Kafka refuses a topic whose name differs from another only in . and _.
		folded := strings.ReplaceAll(t.name, ".", "_")
		if other, taken := seen[folded]; taken {
			c.fault(t.key, "%s is %s too (. and _ are the same to Kafka); each needs a topic of its own", quote(t.name), other)
			continue
		}
		seen[folded] = t.key
	}
	if k.Partitions < 1 || k.Partitions > maxPartitions {
		c.fault("kafka.partitions", "is %d; it must be between 1 and %d", k.Partitions, maxPartitions)
	}
	if k.ReplicationFactor < 1 || k.ReplicationFactor > maxReplicationFactor {
		c.fault("kafka.replication_factor", "is %d; it must be between 1 and %d", k.ReplicationFactor, maxReplicationFactor)
	}
}

func (c *checker) brokers() {
	if len(c.config.Kafka.Brokers) == 0 {
		c.fault("kafka.brokers", "is empty; give at least one broker as host:port")
	}
	for _, broker := range c.config.Kafka.Brokers {
		host, port, err := net.SplitHostPort(broker)
		n, portErr := strconv.Atoi(port)
		switch {
		case strings.Contains(broker, "://"):
			c.fault("kafka.brokers", "%s has a scheme; write host:port alone", quote(broker))
		case strings.Contains(broker, ","):
			c.fault("kafka.brokers", "%s is more than one broker; make each an entry of its own", quote(broker))
		case err != nil || !validHost(host):
			c.fault("kafka.brokers", "%s is not a broker; write host:port, such as kafka-1.example:9092", quote(broker))
		case portErr != nil || n < 1 || n > 65535:
			c.fault("kafka.brokers", "%s has no port between 1 and 65535", quote(broker))
		}
	}
}

func (c *checker) kafkaTLS() {
	t := c.config.Kafka.TLS
	if !t.Enabled {
		if t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" {
			c.fault("kafka.tls.enabled", "is false, but certificates are given; set it to true or remove them")
		}
		return
	}
	if t.CAFile != "" {
		if _, err := readCertPool(t.CAFile); err != nil {
			c.fault("kafka.tls.ca_file", "%v", err)
		}
	}
	c.keyPair("kafka.tls", t.CertFile, t.KeyFile)
}

// keyPair checks a certificate and its key under section: both or none, and both good.
func (c *checker) keyPair(section, certFile, keyFile string) {
	switch {
	case certFile == "" && keyFile == "":
	case keyFile == "":
		c.fault(section+".cert_file", "is given without key_file; give both or none")
	case certFile == "":
		c.fault(section+".key_file", "is given without cert_file; give both or none")
	default:
		if _, err := readKeyPair(certFile, keyFile); err != nil {
			c.fault(section+".cert_file", "%v", err)
		}
	}
}

func (c *checker) sasl() {
	s := c.config.Kafka.SASL
	if s.Mechanism == "" {
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			c.fault("kafka.sasl.mechanism", "is empty, but a username or password is given; name the mechanism, such as SCRAM-SHA-512, or remove them")
		}
		return
	}
	if s.Username == "" {
		c.fault("kafka.sasl.username", "is missing, but kafka.sasl.mechanism asks for one")
	}
	switch {
	case s.Password != "" && s.PasswordFile != "":
		c.fault("kafka.sasl.password_file", "is given and password as well; give one of them")
	case s.Password == "" && s.PasswordFile == "":
		c.fault("kafka.sasl.password_file", "is missing, but kafka.sasl.mechanism asks for a password; name a file that holds it")
	default:
		if _, err := s.ReadPassword(); err != nil {
			c.fault("kafka.sasl.password_file", "%v", err)
		}
	}
}
