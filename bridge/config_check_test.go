package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/publisher"
)

// validConfig has no fault.
func validConfig() Config {
	cfg := DefaultConfig()
	cfg.Apps = []AppConfig{{SDKAppID: 1400000000, Tokens: []string{"token"}}}
	return cfg
}

// checkConfigFaults compares a Config's faults with one, or none if want is empty.
func checkConfigFaults(t *testing.T, cfg Config, want ...string) {
	t.Helper()
	if len(want) == 1 && want[0] == "" {
		want = nil
	}
	var got []string
	for _, f := range cfg.Faults() {
		got = append(got, f.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestCrossChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"apps: there is none; give at least one with its sdk_app_id, or no callback would be accepted", func(c *Config) { c.Apps = nil }},
		{"apps[0].sdk_app_id: is missing; it is the number that the Tencent console shows as SDKAppID", func(c *Config) { c.Apps[0].SDKAppID = 0 }},
		{"apps[1].sdk_app_id: is 1400000000, as that of apps[0]; put all tokens of an app into one entry", func(c *Config) { c.Apps = append(c.Apps, c.Apps[0]) }},
		{"apps[0].sdk_app_id: is 9223372036854775808, which is no app's number; copy it again from the Tencent console", func(c *Config) { c.Apps[0].SDKAppID = 1 << 63 }},
		{"resequence.floor: is 0s; it must be more than 0; resequence.hold: 0 lets nothing wait", func(c *Config) { c.Resequence.Floor, c.Resequence.Ceiling = 0, 0 }},
		{"apps[0].tokens: token 1 has 0 bytes; a token has 1 to 128", func(c *Config) { c.Apps[0].Tokens = []string{""} }},
		{"apps[0].tokens: token 2 has 129 bytes; a token has 1 to 128", func(c *Config) { c.Apps[0].Tokens = []string{"a", strings.Repeat("k", 129)} }},
		{"apps[0].tokens: token 1 begins or ends with a space, or holds a control character; copy it again", func(c *Config) { c.Apps[0].Tokens = []string{"a\n"} }},
		{"http.listen: \"8080\" is not an address; write host:port, such as 127.0.0.1:8080, or :8080 for every interface", func(c *Config) { c.HTTP.Listen = "8080" }},
		{"http.listen: \":65536\" has no port between 0 and 65535", func(c *Config) { c.HTTP.Listen = ":65536" }},
		{"http.listen: \"a b:80\" has a host that is neither an IP address nor a name", func(c *Config) { c.HTTP.Listen = "a b:80" }},
		{"http.path: must begin with /, as /callback does", func(c *Config) { c.HTTP.Path = "" }},
		{"http.path: may hold only parts made of letters, digits and - . _ ~, with one / before each", func(c *Config) { c.HTTP.Path = "/a?b=c" }},
		{"http.path: may hold only parts made of letters, digits and - . _ ~, with one / before each", func(c *Config) { c.HTTP.Path = "/a//b" }},
		{"http.path: may hold only parts made of letters, digits and - . _ ~, with one / before each", func(c *Config) { c.HTTP.Path = "/a/../b" }},
		{"http.path: has 256 bytes; it may have 255", func(c *Config) { c.HTTP.Path = "/" + strings.Repeat("a", 255) }},
		{"http.max_body: is 512B; it must be between 1KiB and 8MiB", func(c *Config) { c.HTTP.MaxBody = 512 }},
		{"http.max_body: is 9MiB; it must be between 1KiB and 8MiB", func(c *Config) { c.HTTP.MaxBody = 9 * MiB }},
		{"spool.dir: is empty; name a directory on a disk that keeps its data", func(c *Config) { c.Spool.Dir = "" }},
		{"spool.max_bytes: is 255MiB; it must be at least 256MiB", func(c *Config) { c.Spool.MaxBytes = 255 * MiB }},
		{"spool.min_free: is 31MiB; it must be at least 32MiB", func(c *Config) { c.Spool.MinFree = 31 * MiB }},
		{`spool.when_full: "drop" is not known; use refuse or hold`, func(c *Config) { c.Spool.WhenFull = "drop" }},
		{"kafka.sasl.mechanism: must be written as one of: , PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", func(c *Config) {
			c.Kafka.SASL = KafkaSASL{Mechanism: "plain", Username: "u", Password: "p"}
		}},
		{"resequence.floor: is 2s; it must not be more than resequence.ceiling, which is 1s", func(c *Config) { c.Resequence.Floor = 2 * time.Second }},
		{"resequence.ceiling: is 20m; it must not be more than 1m", func(c *Config) { c.Resequence.Ceiling = 20 * time.Minute }},
		{"resequence.hold: is 2h; it must not be more than 1m", func(c *Config) { c.Resequence.Hold = Hold{Fixed: 2 * time.Hour} }},
		{"kafka.brokers: is empty; give at least one broker as host:port", func(c *Config) { c.Kafka.Brokers = nil }},
		{`kafka.brokers: "kafka" is not a broker; write host:port, such as kafka-1.example:9092`, func(c *Config) { c.Kafka.Brokers = []string{"kafka"} }},
		{`kafka.brokers: ":9092" is not a broker; write host:port, such as kafka-1.example:9092`, func(c *Config) { c.Kafka.Brokers = []string{":9092"} }},
		{`kafka.brokers: "PLAINTEXT://k:9092" has a scheme; write host:port alone`, func(c *Config) { c.Kafka.Brokers = []string{"PLAINTEXT://k:9092"} }},
		{`kafka.brokers: "a:1,b:2" is more than one broker; make each an entry of its own`, func(c *Config) { c.Kafka.Brokers = []string{"a:1,b:2"} }},
		{`kafka.brokers: "a:0" has no port between 1 and 65535`, func(c *Config) { c.Kafka.Brokers = []string{"a:0"} }},
		{`kafka.topic: ".." is not a name that Kafka takes; use 1 to 249 letters, digits and . _ -`, func(c *Config) { c.Kafka.Topic = ".." }},
		{`kafka.dead_letter_topic: "" is not a name that Kafka takes; use 1 to 249 letters, digits and . _ -`, func(c *Config) { c.Kafka.DeadLetterTopic = "" }},
		{`kafka.dead_letter_topic: "chat.group-messages" is kafka.topic too (. and _ are the same to Kafka); each needs a topic of its own`, func(c *Config) { c.Kafka.DeadLetterTopic = c.Kafka.Topic }},
		{`kafka.callbacks_topic: "chat_group-messages" is kafka.topic too (. and _ are the same to Kafka); each needs a topic of its own`, func(c *Config) { c.Kafka.CallbacksTopic = "chat_group-messages" }},
		{"kafka.partitions: is 0; it must be between 1 and 100000", func(c *Config) { c.Kafka.Partitions = 0 }},
		{"kafka.replication_factor: is -1; it must be between 1 and 1000", func(c *Config) { c.Kafka.ReplicationFactor = -1 }},
		{"kafka.sasl.mechanism: is empty, but a username or password is given; name the mechanism, such as SCRAM-SHA-512, or remove them", func(c *Config) { c.Kafka.SASL.Username = "u" }},
		{"kafka.sasl.password_file: is missing, but kafka.sasl.mechanism asks for a password; name a file that holds it", func(c *Config) {
			c.Kafka.SASL = KafkaSASL{Mechanism: "PLAIN", Username: "u"}
		}},
		{"kafka.sasl.username: is missing, but kafka.sasl.mechanism asks for one", func(c *Config) {
			c.Kafka.SASL = KafkaSASL{Mechanism: "PLAIN", Password: "p"}
		}},
		{"ops.listen: is also http.listen; the operator's listener needs an address of its own", func(c *Config) { c.Ops.Listen = c.HTTP.Listen }},
		{`ops.listen: ":9090" can be reached from other machines, and nothing guards it: set ops.password_file (the user is operator), or ops.tls with client_ca_file, or listen on 127.0.0.1`, func(c *Config) { c.Ops.Listen = ":9090" }},
		{`ops.listen: "10.0.0.1:9090" can be reached from other machines, and nothing guards it: set ops.password_file (the user is operator), or ops.tls with client_ca_file, or listen on 127.0.0.1`, func(c *Config) { c.Ops.Listen = "10.0.0.1:9090" }},
		{"ops.password: is shorter than 12 characters; make a long one, as openssl rand -hex 16 does", func(c *Config) { c.Ops.Password = "short" }},
		{"shutdown_timeout: must be more than 0; 20s is usual", func(c *Config) { c.ShutdownTimeout = 0 }},
	} {
		cfg := validConfig()
		c.change(&cfg)
		checkConfigFaults(t, cfg, c.want)
	}
}

func TestUsualSettingsHaveNoFault(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*Config){
		func(c *Config) { c.HTTP.Listen, c.Ops.Listen = "127.0.0.1:0", "127.0.0.1:0" },
		func(c *Config) { c.HTTP.Listen = "[::1]:8080" },
		func(c *Config) { c.Ops.Listen = "[::1]:9090" },
		func(c *Config) { c.Ops.Listen = "localhost:9090" },
		func(c *Config) { c.Ops.Listen, c.Ops.Password = ":9090", "a long password" },
		func(c *Config) { c.HTTP.Path = "/" },
		func(c *Config) { c.HTTP.Path = "/a/b-c_d~e.f/" },
		func(c *Config) { c.Spool.MaxBytes, c.Spool.MinFree = 256*MiB, 32*MiB },
		func(c *Config) { c.Resequence.Hold = Hold{} },
		func(c *Config) { c.Kafka.Brokers = []string{"[2001:db8::1]:9092", "kafka_1:9092", "k.example.com.:1"} },
		func(c *Config) { c.Kafka.CallbacksTopic = "chat.callbacks" },
		func(c *Config) { c.Apps[0].Tokens = []string{strings.Repeat("k", 128)} },
		func(c *Config) { c.Apps[0].Tokens = nil },
	} {
		cfg := validConfig()
		change(&cfg)
		checkConfigFaults(t, cfg)
	}
}

func TestErrChecksTheNamedSectionsOnly(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, "apps: [{sdk_app_id: 1, tokens_file: /nowhere}]\nkafka: {partitions: 0}\nspool: {min_free: 0}\n")
	want := []string{"c.yaml:2:21: kafka.partitions: is 0; it must be between 1 and 100000"}
	if diff := cmp.Diff(want, faultLines(s, "kafka", "log")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := faultLines(s); len(got) != 3 {
		t.Errorf("all sections: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, "apps: [{sdk_app_id: 1}]\nspool: {durability: memory}\nkafka: {sasl: {mechanism: plain, username: u, password: p}}\n")
	checkFaults(t, s)
	var got []string
	for _, w := range s.Warnings() {
		got = append(got, w.String()[strings.Index(w.String(), "c.yaml"):])
	}
	want := []string{
		"c.yaml:1:8: apps[0]: has no token: whoever knows the URL can send callbacks in its name",
		"c.yaml:2:21: spool.durability: is memory: a power loss can lose callbacks that were answered OK",
		"c.yaml:3:27: kafka.sasl.mechanism: is PLAIN without TLS: the password goes over the network readable",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if cfg := validConfig(); cfg.Warnings() != nil {
		t.Errorf("the defaults warn: %v", cfg.Warnings())
	}
}

func TestPublisherIsReachedAsConfigured(t *testing.T) {
	t.Parallel()
	cfg := validConfig()
	plain := publisher.Config{Brokers: []string{"127.0.0.1:9092"}, Compression: publisher.LZ4}
	if diff := cmp.Diff(plain, cfg.Publisher(), cmp.AllowUnexported()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	cfg.Kafka.TLS = KafkaTLS{Enabled: true, CAFile: "ca", CertFile: "cert", KeyFile: "key"}
	cfg.Kafka.SASL = KafkaSASL{Mechanism: "SCRAM-SHA-512", Username: "u", PasswordFile: "f"}
	got := cfg.Publisher()
	if diff := cmp.Diff(&publisher.TLSFiles{CAFile: "ca", CertFile: "cert", KeyFile: "key"}, got.TLSFiles); diff != "" {
		t.Errorf("TLS (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(publisher.SASL{Mechanism: "SCRAM-SHA-512", Username: "u", PasswordFile: "f"}, got.SASL); diff != "" {
		t.Errorf("SASL (-want +got):\n%s", diff)
	}
	for name, want := range map[Compression]publisher.Compression{
		CompressionNone: publisher.None, CompressionGzip: publisher.Gzip, CompressionSnappy: publisher.Snappy,
		CompressionLZ4: publisher.LZ4, CompressionZstd: publisher.Zstd,
	} {
		if got := name.codec(); got != want {
			t.Errorf("%s is codec %d, want %d", name, got, want)
		}
	}
}

func TestTopicSpecsFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	cfg := validConfig()
	spec := func(name string, minInSync int) publisher.TopicSpec {
		return publisher.TopicSpec{
			Name: name, Partitions: 12, ReplicationFactor: cfg.Kafka.ReplicationFactor,
			MaxMessageBytes: publisher.DefaultMaxBatchBytes, MinInSyncReplicas: minInSync,
		}
	}
	want := []publisher.TopicSpec{spec("chat.group-messages", 2), spec("chat.group-messages.dlq", 2)}
	if diff := cmp.Diff(want, cfg.TopicSpecs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	cfg.Kafka.CallbacksTopic, cfg.Kafka.ReplicationFactor = "c", 1
	cfg.HTTP.MaxBody, cfg.Kafka.CreateTopics = 2*MiB, true
	last := publisher.TopicSpec{
		Name: "c", Partitions: 12, ReplicationFactor: 1,
		MaxMessageBytes: 2<<20 + 32<<10, MinInSyncReplicas: 1, Optional: true,
	}
	if diff := cmp.Diff(last, cfg.TopicSpecs()[2]); diff != "" {
		t.Errorf("third topic, larger bodies, one broker, created by serve (-want +got):\n%s", diff)
	}
}
