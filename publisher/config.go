package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
)

// Config of a Client. Only Brokers has no default.
type Config struct {
	Brokers     []string // host:port, at least one
	ClientID    string   // what the brokers log; default "chatbridge"
	Compression Compression
	TLS         *tls.Config // nil, and TLSFiles nil: plaintext
	TLSFiles    *TLSFiles   // used instead of TLS when set
	SASL        SASL

	DialTimeout    time.Duration // for a connection to be ready, handshakes and login included; default 5 s
	RequestTimeout time.Duration // for one answer; the brokers get two thirds of it to have a batch replicated; default 10 s
	IdleTimeout    time.Duration // unused connections are not used again after; default 1 min
	RetryMin       time.Duration // wait after a first failure; default 20 ms
	RetryMax       time.Duration // longest wait between attempts; default 1 s
	Quarantine     time.Duration // how long an unanswered request may still arrive, see doc.go; default 1 min
	Patience       time.Duration // reads and look-ups give up after so long without success; 0 = only when their context ends

	// Dial opens a connection; default a net.Dialer with keep-alive. It must end with ctx.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Logger *zap.Logger // default: none
	Hooks  Hooks
}

// withDefaults returns c with every unset field set.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&c.DialTimeout, 5*time.Second)
	set(&c.RequestTimeout, 10*time.Second)
	set(&c.IdleTimeout, time.Minute)
	set(&c.RetryMin, 20*time.Millisecond)
	set(&c.RetryMax, time.Second)
	set(&c.Quarantine, time.Minute)
	c.RetryMax = max(c.RetryMax, c.RetryMin)
	if c.ClientID == "" {
		c.ClientID = "chatbridge"
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

// validate names every fault at once. It reads no file: a certificate that is not there yet is a matter of retrying.
func (c *Config) validate() error {
	var faults []error
	if len(c.Brokers) == 0 {
		faults = append(faults, errors.New("no broker is given"))
	}
	for _, b := range c.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			faults = append(faults, fmt.Errorf("broker %q is not host:port", b))
		}
	}
	if c.Compression > Zstd {
		faults = append(faults, fmt.Errorf("compression %d is not known", c.Compression))
	}
	switch s := c.SASL; s.Mechanism {
	case "":
		if s.Username != "" {
			faults = append(faults, errors.New("a SASL user name is given, but no mechanism"))
		}
	case MechanismPlain, MechanismScramSHA256, MechanismScramSHA512:
		if s.Username == "" {
			faults = append(faults, fmt.Errorf("SASL %s needs a user name", s.Mechanism))
		}
	default:
		faults = append(faults, fmt.Errorf("SASL mechanism %q is not known: use %s", s.Mechanism, mechanisms))
	}
	if f := c.TLSFiles; f != nil && (f.CertFile == "") != (f.KeyFile == "") {
		faults = append(faults, errors.New("a client certificate needs both a certificate file and a key file"))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("configuring the publisher: %w", err)
	}
	return nil
}
