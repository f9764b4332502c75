package bridge

import (
	"bytes"
	"crypto/tls"
	stdlog "log"
	"strings"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/ops"
)

// openOps binds the operator's listener.
func (b *Bridge) openOps() error {
	server := ops.New(ops.Options{
		Address: b.cfg.Ops.Listen,
		Door:    b.cfg.Ops.door(),
		Log:     stdlog.New(opsJournal{b.opt.Logger.Named("ops")}, "", 0),
		Now:     b.opt.Now,
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

// opsJournal takes what net/http says of the operator's listener. Most of it is
// about strangers who do not speak TLS, which nobody is to be woken for.
type opsJournal struct{ log *zap.Logger }

func (j opsJournal) Write(line []byte) (int, error) {
	say := j.log.Debug
	if bytes.HasPrefix(line, []byte("http: panic")) {
		say = j.log.Error
	}
	say("the operator's listener", zap.ByteString("said", bytes.TrimSpace(line)))
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
