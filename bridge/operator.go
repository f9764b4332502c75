package bridge

import (
	"bytes"
	"crypto/tls"
	stdlog "log"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
	"github.com/chatbridge/chatbridge/bridge/ops"
)

// openOps binds the operator's listener.
func (b *Bridge) openOps() error {
	server := ops.New(ops.Options{
		Address: b.cfg.Ops.Listen,
		Door:    b.cfg.Ops.door(),
		Log:     stdlog.New(opsJournal{b.opt.Logger.Named("ops")}, "", 0),
		Now:     b.opt.Now,
		Failed:  (&secretsJournal{log: b.opt.Logger.Named("ops"), now: b.opt.Now}).wrong,
		Sources: ops.Sources{
			Status: b.Status, Ready: b.ready, Group: b.Group, Metrics: b.metrics.handler(),
			Charts: b.charts, Events: b.recent.events, Config: b.masked(), Actions: b.actions(),
		},
	})
	if err := server.Listen(); err != nil {
		return err
	}
	b.ops = server
	return nil
}

// masked is the configuration as it may be shown.
func (b *Bridge) masked() string {
	var text strings.Builder
	if err := (&Settings{Config: b.cfg}).WriteYAML(&text, false); err != nil {
		return err.Error()
	}
	return text.String()
}

// secretsJournal says in the log who gives a wrong password or token.
type secretsJournal struct {
	log                     *zap.Logger
	now                     func() time.Time
	passwordLine, tokenLine loglimit.Limit
}

func (j *secretsJournal) wrong(peer, what string) {
	fields := []zap.Field{zap.String("what", what), zap.String("peer", peer)}
	if what == ops.Token {
		j.tokenLine.Warn(j.log, j.now(), "a secret of the operator's listener was given wrong", fields...)
	} else {
		j.passwordLine.Warn(j.log, j.now(), "a secret of the operator's listener was given wrong", fields...)
	}
}

// opsJournal takes what net/http says of the operator's listener. Most of it is
// about strangers who do not speak TLS, which nobody is to be woken for.
type opsJournal struct{ log *zap.Logger }

func (j opsJournal) Write(line []byte) (int, error) {
	said := zap.ByteString("said", bytes.TrimSpace(line))
	if bytes.HasPrefix(line, []byte("http: panic")) {
		j.log.Error("panic while answering the operator", said)
	} else {
		j.log.Debug("the operator's listener", said)
	}
	return len(line), nil
}

// door is who may look, as it is configured.
func (o OpsConfig) door() ops.Door {
	d := ops.Door{Certificates: o.TLS.ClientCAFile != ""}
	if o.Password != "" || o.PasswordFile != "" {
		d.Password = o.ReadPassword
	}
	if o.TLS.CertFile != "" {
		d.TLS = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return o.TLS.read() },
		}
	}
	return d
}

// expiry is when the certificate expires; false: there is none that can be read.
func (t OpsTLS) expiry() (time.Time, bool) {
	if t.CertFile == "" {
		return time.Time{}, false
	}
	pair, err := readKeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return time.Time{}, false
	}
	return pair.Leaf.NotAfter, true
}

// read makes a configuration of the files as they are now. A client without a
// certificate is let in as far as to the door: probes have none.
func (t OpsTLS) read() (*tls.Config, error) {
	pair, err := readKeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{*pair}}
	if t.ClientCAFile != "" {
		c.ClientAuth = tls.VerifyClientCertIfGiven
		if c.ClientCAs, err = readCertPool(t.ClientCAFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}
