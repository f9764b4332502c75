package publisher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// The mechanisms that SASL.Mechanism may name.
const (
	MechanismPlain       = "PLAIN"
	MechanismScramSHA256 = "SCRAM-SHA-256"
	MechanismScramSHA512 = "SCRAM-SHA-512"

	mechanisms = MechanismPlain + ", " + MechanismScramSHA256 + " or " + MechanismScramSHA512
)

// SASL says how to log in to a broker. The zero value means without.
type SASL struct {
	Mechanism    string // "", MechanismPlain, MechanismScramSHA256 or MechanismScramSHA512
	Username     string
	Password     string
	PasswordFile string // read anew for each connection, used when Password is empty; see PasswordIn
}

// String never shows the password.
func (s SASL) String() string { return fmt.Sprintf("%s as %q", s.Mechanism, s.Username) }

// GoString never shows the password.
func (s SASL) GoString() string { return s.String() }

func (s SASL) password() (string, error) {
	if s.Password != "" || s.PasswordFile == "" {
		return s.Password, nil
	}
	b, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("the password of kafka.sasl.password_file cannot be read (%w)", err)
	}
	return PasswordIn(string(b)), nil
}

// PasswordIn is the password that the text of a file holds: without the line ends behind it, and without the mark that
// some editors put before it.
func PasswordIn(text string) string {
	return strings.TrimRight(strings.TrimPrefix(text, "\uFEFF"), "\r\n")
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case MechanismPlain:
		return plain.Mechanism{Username: s.Username, Password: password}, nil
	case MechanismScramSHA256:
		return scram.Mechanism(scram.SHA256, s.Username, password)
	case MechanismScramSHA512:
		return scram.Mechanism(scram.SHA512, s.Username, password)
	}
	return nil, fmt.Errorf("SASL mechanism %q is not known: use %s", s.Mechanism, mechanisms)
}

// errRefused says that the broker closed the connection in the middle of a login: most do so on a wrong password.
var errRefused = errors.New("the broker ended the login")

// login authenticates the link.
func (l *link) login(ctx context.Context, m sasl.Mechanism) error {
	res, err := l.roundTrip(ctx, &saslhandshake.Request{Mechanism: m.Name()})
	if err != nil {
		return err
	}
	if h := res.(*saslhandshake.Response); h.ErrorCode != 0 {
		return newMechanismError(m.Name(), h)
	}
	session, state, err := m.Start(ctx)
	if err != nil {
		return err
	}
	for done := false; !done; {
		res, err := l.roundTrip(ctx, &saslauthenticate.Request{AuthBytes: state})
		if err != nil {
			if cut(err) || errors.Is(err, net.ErrClosed) {
				return errRefused
			}
			return err
		}
		a := res.(*saslauthenticate.Response)
		if a.ErrorCode != 0 {
			return fmt.Errorf("%w: %s", kafka.Error(a.ErrorCode), a.ErrorMessage)
		}
		if a.SessionLifetimeMs > 0 { // the broker cuts the connection after it; we leave before
			l.expires = time.Now().Add(time.Duration(a.SessionLifetimeMs) * time.Millisecond * 8 / 10)
		}
		if done, state, err = session.Next(ctx, a.AuthBytes); err != nil {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return nil
}

// TLSFiles names the files of a TLS connection. They are read anew for each connection, so that renewed ones work without a restart.
type TLSFiles struct {
	CAFile     string // PEM; "" = the system's
	CertFile   string // PEM, the client's; "" = none
	KeyFile    string // PEM
	ServerName string // "" = the host that is dialed
}

// Config reads the files.
func (f TLSFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the CA certificates of kafka.tls.ca_file cannot be read (%w)", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the file of kafka.tls.ca_file, %s, holds no certificate in PEM form", f.CAFile)
		}
	}
	if f.CertFile != "" || f.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("the client certificate of kafka.tls.cert_file and kafka.tls.key_file cannot be read (%w)", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Expiry tells when the client certificate expires; not where there is none that can be read.
func (f *TLSFiles) Expiry() (at time.Time, ok bool) {
	pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		return at, false
	}
	return pair.Leaf.NotAfter, true
}

// expired returns until when the client certificate was good, where that is over.
func (f *TLSFiles) expired(now time.Time) (until time.Time, expired bool) {
	until, ok := f.Expiry()
	return until, ok && now.After(until)
}

// secured reports whether connections are TLS.
func (c *Config) secured() bool { return c.TLS != nil || c.TLSFiles != nil }

// tlsFor is the TLS configuration for a connection to addr, nil for plaintext.
func (c *Config) tlsFor(addr string) (*tls.Config, error) {
	tc := c.TLS
	if c.TLSFiles != nil {
		var err error
		if tc, err = c.TLSFiles.Config(); err != nil {
			return nil, err
		}
	}
	if tc == nil || tc.ServerName != "" {
		return tc, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("the broker's address %q is not host:port: %w", addr, err)
	}
	tc = tc.Clone()
	tc.ServerName = host
	return tc, nil
}
