package bridge

import "time"

// Config is everything that can be set, in the shape of the file: one field a
// key, its name in the yaml tag. The tag secret keeps a value out of every
// output; the tag oneof lists the words a value may be, in any case of letters,
// and is what such a value is compared with afterwards.
//
// A Config is a plain value. It is made by [DefaultConfig] or [LoadConfig],
// checked by [Config.Faults], and not changed after the bridge is opened.
type Config struct {
	HTTP       HTTPConfig       `yaml:"http"`
	Apps       []AppConfig      `yaml:"apps"`
	Spool      SpoolConfig      `yaml:"spool"`
	Resequence ResequenceConfig `yaml:"resequence"`
	Kafka      KafkaConfig      `yaml:"kafka"`
	Ops        OpsConfig        `yaml:"ops"`
	Log        LogConfig        `yaml:"log"`
	// ShutdownTimeout is how long a stop may drain before it is cut; > 0.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// HTTPConfig is the listener that Tencent posts to.
type HTTPConfig struct {
	Listen string `yaml:"listen"` // host:port; an empty host is every interface, port 0 any free one
	Path   string `yaml:"path"`   // of the one endpoint; may carry a secret segment, so it stays out of logs
	// MaxBody is the largest body that is read, in bytes; larger ones get 413.
	MaxBody Size           `yaml:"max_body"`
	TLS     ServerTLSFiles `yaml:"tls"`
}

// ServerTLSFiles names a certificate chain and its key, both PEM. Both empty:
// no TLS.
type ServerTLSFiles struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// AppConfig is one Tencent app whose callbacks are taken. Without any token its
// callbacks are taken unsigned.
type AppConfig struct {
	SDKAppID uint64 `yaml:"sdk_app_id"` // not 0
	// Tokens are all valid at once, for rotation; 1 to 128 bytes each.
	Tokens []string `yaml:"tokens" secret:"true"`
	// TokensFile holds tokens, one a line, in place of Tokens.
	TokensFile string `yaml:"tokens_file"`
}

// SpoolConfig is the local log that makes an answer durable.
type SpoolConfig struct {
	Dir      string `yaml:"dir"`
	MaxBytes Size   `yaml:"max_bytes"` // of the whole directory; at least 256 MiB
	MinFree  Size   `yaml:"min_free"`  // of the file system; below it nothing more is stored
	// WhenFull is what a sender gets while nothing can be stored.
	WhenFull   WhenFull   `yaml:"when_full" oneof:"refuse,hold"`
	Durability Durability `yaml:"durability" oneof:"fsync,interval,memory"`
}

// WhenFull says how callbacks are answered while the spool cannot store.
type WhenFull string

// The two answers to a full spool.
const (
	WhenFullRefuse WhenFull = "refuse" // 503 at once
	WhenFullHold   WhenFull = "hold"   // wait until there is room or the sender gives up
)

// Durability says when an appended callback counts as stored.
type Durability string

// The three meanings of stored. Only the first keeps promise P1.
const (
	DurabilityFsync    Durability = "fsync"    // on the disk
	DurabilityInterval Durability = "interval" // handed to the operating system; on the disk a little later
	DurabilityMemory   Durability = "memory"   // handed to the operating system, never synced
)

// ResequenceConfig is how long a message waits for those before it.
type ResequenceConfig struct {
	Hold    Hold          `yaml:"hold"`
	Floor   time.Duration `yaml:"floor"`   // least hold, when adaptive
	Ceiling time.Duration `yaml:"ceiling"` // greatest hold, when adaptive
}

// Hold is how long a message ahead of its turn waits: as observed, or fixed.
// The zero value is off: nothing ever waits.
type Hold struct {
	Adaptive bool
	Fixed    time.Duration // where not Adaptive; 0 = off
}

// KafkaConfig is where events go.
type KafkaConfig struct {
	Brokers []string `yaml:"brokers"` // host:port of some brokers; the rest are learned from them
	Topic   string   `yaml:"topic"`   // events
	// DeadLetterTopic gets what cannot be understood, or never be taken by Topic.
	DeadLetterTopic string `yaml:"dead_letter_topic"`
	// CallbacksTopic gets the other commands, raw; empty: they are answered and counted only.
	CallbacksTopic    string      `yaml:"callbacks_topic"`
	CreateTopics      bool        `yaml:"create_topics"`      // create at start what is missing
	Partitions        int         `yaml:"partitions"`         // of a topic it creates
	ReplicationFactor int         `yaml:"replication_factor"` // of a topic it creates
	Compression       Compression `yaml:"compression" oneof:"none,gzip,snappy,lz4,zstd"`
	TLS               KafkaTLS    `yaml:"tls"`
	SASL              KafkaSASL   `yaml:"sasl"`
}

// Compression names the codec of record batches.
type Compression string

// The codecs that Kafka knows.
const (
	CompressionNone   Compression = "none"
	CompressionGzip   Compression = "gzip"
	CompressionSnappy Compression = "snappy"
	CompressionLZ4    Compression = "lz4"
	CompressionZstd   Compression = "zstd"
)

// KafkaTLS is TLS towards the brokers. An empty CAFile means the system's
// roots; CertFile and KeyFile together make it mutual. All files are PEM.
type KafkaTLS struct {
	Enabled  bool   `yaml:"enabled"`
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// KafkaSASL is how the bridge proves who it is. An empty Mechanism is off.
type KafkaSASL struct {
	Mechanism string `yaml:"mechanism" oneof:",PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"`
	Username  string `yaml:"username"`
	Password  string `yaml:"password" secret:"true"`
	// PasswordFile holds the password, in place of Password. It is read again
	// for every connection, so that a rotated password needs no restart.
	PasswordFile string `yaml:"password_file"`
}

// OpsConfig is the operator's listener: metrics, health, state.
//
// On an address that other machines reach it has to be guarded, by a password or
// by clients' certificates; where it has both, either opens it.
type OpsConfig struct {
	Listen   string `yaml:"listen"`
	Password string `yaml:"password" secret:"true"` // of the user "operator"
	// PasswordFile holds the password, in place of Password. It is read again
	// for each request.
	PasswordFile string `yaml:"password_file"`
	TLS          OpsTLS `yaml:"tls"`
	// ShowContent lets the page show the bodies of dead letters.
	ShowContent bool `yaml:"show_content"`
	// ActionToken lets whoever knows it pause publishing on the page, and have
	// the spool verified. Without one nothing can be done there.
	ActionToken string `yaml:"action_token" secret:"true"`
	// ActionTokenFile holds the token, in place of ActionToken. It is read again
	// for each action.
	ActionTokenFile string `yaml:"action_token_file"`
}

// OpsTLS is TLS of the operator's listener: none without a certificate. With
// ClientCAFile a client's certificate that it signed opens the listener. All
// files are PEM, and are read again for each connection.
type OpsTLS struct {
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"`
}

// LogConfig is the bridge's own log, on standard error.
type LogConfig struct {
	Level  string `yaml:"level" oneof:"debug,info,warn,error"`
	Format string `yaml:"format" oneof:"json,console"`
}

// DefaultConfig returns the settings that hold where nothing else is said. It
// has no app, so it is not yet a configuration that can be served.
func DefaultConfig() Config {
	return Config{
		HTTP: HTTPConfig{Listen: ":8080", Path: "/callback", MaxBody: 1 * MiB},
		Spool: SpoolConfig{
			Dir:        "./data/spool",
			MaxBytes:   10 * GiB,
			MinFree:    1 * GiB,
			WhenFull:   WhenFullRefuse,
			Durability: DurabilityFsync,
		},
		Resequence: ResequenceConfig{
			Hold:    Hold{Adaptive: true},
			Floor:   20 * time.Millisecond,
			Ceiling: time.Second,
		},
		Kafka: KafkaConfig{
			Brokers:           []string{"127.0.0.1:9092"},
			Topic:             "chat.group-messages",
			DeadLetterTopic:   "chat.group-messages.dlq",
			Partitions:        12,
			ReplicationFactor: 3,
			Compression:       CompressionLZ4,
		},
		Ops:             OpsConfig{Listen: "127.0.0.1:9090"},
		Log:             LogConfig{Level: "info", Format: "json"},
		ShutdownTimeout: 20 * time.Second,
	}
}
