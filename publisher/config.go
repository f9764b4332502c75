package publisher

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"go.uber.org/zap"
)

// Compression is the codec of the batches sent. Its values are Kafka's.
type Compression uint8

// The codecs of Kafka's v2 record batches.
const (
	None Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// SASL says how to log in. The zero value means without.
type SASL struct {
	Mechanism    string // "", "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"
	Username     string
	Password     string
	PasswordFile string // read anew for each connection, used when Password is empty; one trailing newline is cut
}

// TLSFiles names the files of a TLS connection; they are read anew for each connection, so that renewed ones work without a restart.
type TLSFiles struct {
	CAFile     string // "" = the system's
	CertFile   string // "" = no client certificate
	KeyFile    string
	ServerName string // "" = the broker's host
}

// Config of a Client. Only Brokers has no default.
type Config struct {
	Brokers        []string // host:port, at least one
	ClientID       string   // default "chatbridge"
	Compression    Compression
	TLS            *tls.Config // nil and TLSFiles nil: plaintext
	TLSFiles       *TLSFiles   // used instead of TLS when set
	SASL           SASL
	DialTimeout    time.Duration // for a connection to be ready, handshakes and login included; default 5 s
	RequestTimeout time.Duration // for one answer; default 10 s
	IdleTimeout    time.Duration // unused connections are closed after; default 1 min
	RetryMin       time.Duration // first wait after a failure; default 20 ms
	RetryMax       time.Duration // longest wait between attempts; default 1 s
	Quarantine     time.Duration // see doc.go; default 1 min
	Patience       time.Duration // reads and look-ups give up after so long without success; 0 = only when their context ends
	Dial           func(ctx context.Context, network, address string) (net.Conn, error)
	Logger         *zap.Logger
	Hooks          Hooks
}
