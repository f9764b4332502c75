package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// stage says how far a request came; what follows from a failure depends on it.
type stage string

const (
	stageDial    stage = "dial"    // no connection
	stageFiles   stage = "files"   // a certificate or the password could not be read
	stageTLS     stage = "tls"     // no handshake
	stageHello   stage = "hello"   // no answer to the first request of a connection
	stageLogin   stage = "login"   // SASL refused
	stageRequest stage = "request" // the connection was ready
)

// linkError is a failure below Kafka's own error codes.
type linkError struct {
	stage stage
	addr  string
	sent  bool // bytes of the request may have reached the broker
	fresh bool // no request was answered on the connection yet, beside those that made it ready
	cfg   *Config
	err   error
}

// settings are how the link was to be made; none where they are not known.
func (e *linkError) settings() *Config {
	if e.cfg == nil {
		return new(Config)
	}
	return e.cfg
}

func (e *linkError) Error() string { return fmt.Sprintf("%s %s: %v", e.stage, e.addr, e.err) }
func (e *linkError) Unwrap() error { return e.err }

// link is one connection to one broker. It carries one request at a time, in the caller's goroutine: when roundTrip has
// returned, nothing uses the request's buffers any more, and cancelling the context cuts the connection at once.
type link struct {
	addr     string
	cfg      *Config
	raw      net.Conn // with TLS, where there is any; deadlines are set here
	tap      *tap
	pc       *protocol.Conn
	noEpochs bool      // the broker's metadata has no leader epochs (before Kafka 2.1)
	expires  time.Time // the login ends; zero = never
	lastUsed time.Time
	ready    bool // versions are known and the login is over
	proven   bool // a request was answered since
}

// tap notes whether anything was written.
type tap struct {
	net.Conn
	wrote atomic.Bool
}

func (t *tap) Write(b []byte) (int, error) {
	t.wrote.Store(true)
	return t.Conn.Write(b)
}

// connect dials addr and makes the connection ready: TLS, versions, login, all within cfg.DialTimeout.
func connect(ctx context.Context, cfg *Config, addr string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.DialTimeout)
	defer cancel()
	raw, err := cfg.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, &linkError{stage: stageDial, addr: addr, cfg: cfg, err: reason(ctx, err)}
	}
	l, err := prepare(ctx, cfg, addr, raw)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return l, nil
}

func prepare(ctx context.Context, cfg *Config, addr string, raw net.Conn) (*link, error) {
	tc, err := cfg.tlsFor(addr)
	if err != nil {
		return nil, &linkError{stage: stageFiles, addr: addr, cfg: cfg, err: err}
	}
	if tc != nil {
		secure := tls.Client(raw, tc)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, &linkError{stage: stageTLS, addr: addr, cfg: cfg, err: reason(ctx, err)}
		}
		raw = secure
	}
	t := &tap{Conn: raw}
	l := &link{addr: addr, cfg: cfg, raw: raw, tap: t, pc: protocol.NewConn(t, cfg.ClientID), lastUsed: time.Now()}
	if err := l.hello(ctx); err != nil {
		return nil, l.atStage(stageHello, err)
	}
	if cfg.SASL.Mechanism != "" {
		m, err := cfg.SASL.mechanism()
		if err != nil {
			return nil, l.atStage(stageFiles, err)
		}
		if err := l.login(ctx, m); err != nil {
			return nil, l.atStage(stageLogin, err)
		}
	}
	l.ready = true
	return l, nil
}

// atStage names the stage of the connection's set-up at which err came.
func (l *link) atStage(s stage, err error) error {
	var le *linkError
	if errors.As(err, &le) {
		err = le.err
	}
	return &linkError{stage: s, addr: l.addr, cfg: l.cfg, err: err}
}

// hello asks for the versions that the broker speaks.
func (l *link) hello(ctx context.Context) error {
	m, err := l.roundTrip(ctx, new(apiversions.Request))
	if err != nil {
		return err
	}
	res := m.(*apiversions.Response)
	if res.ErrorCode != 0 {
		return kafka.Error(res.ErrorCode)
	}
	versions := make(map[protocol.ApiKey]int16, len(res.ApiKeys))
	for _, k := range res.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
		if key == protocol.Fetch {
			if k.MinVersion > fetchVersionMax || k.MaxVersion < fetchVersionMin {
				return fmt.Errorf("the broker speaks Fetch versions %d to %d, this program %d to %d: %w",
					k.MinVersion, k.MaxVersion, fetchVersionMin, fetchVersionMax, kafka.UnsupportedVersion)
			}
			versions[key] = min(k.MaxVersion, fetchVersionMax)
		}
	}
	l.noEpochs = versions[protocol.Metadata] < 7
	l.pc.SetVersions(versions)
	return nil
}

// roundTrip sends req and reads the answer. It ends with ctx, at once. After an error the link must be closed.
func (l *link) roundTrip(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	l.tap.wrote.Store(false)
	if err := ctx.Err(); err != nil {
		return nil, &linkError{stage: stageRequest, addr: l.addr, cfg: l.cfg, err: err}
	}
	stop := context.AfterFunc(ctx, func() { _ = l.raw.SetDeadline(time.Unix(1, 0)) })
	res, err := l.pc.RoundTrip(req)
	if !stop() && err == nil {
		// The answer came while the context ended: it is good, the link is not, since its deadline has passed.
		l.expires = time.Unix(1, 0)
	}
	if err != nil {
		return nil, &linkError{stage: stageRequest, addr: l.addr, cfg: l.cfg, sent: l.tap.wrote.Load(), fresh: !l.proven, err: reason(ctx, err)}
	}
	l.lastUsed, l.proven = time.Now(), l.ready
	if m, ok := res.(*metadata.Response); ok && l.noEpochs {
		for i := range m.Topics {
			for j := range m.Topics[i].Partitions {
				m.Topics[i].Partitions[j].LeaderEpoch = -1
			}
		}
	}
	return res, nil
}

// reason prefers the context's end over the network error that it caused.
func reason(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// usable says whether the link may carry another request at now.
func (l *link) usable(now time.Time, idle time.Duration) bool {
	return now.Sub(l.lastUsed) < idle && (l.expires.IsZero() || now.Before(l.expires))
}

func (l *link) close() { _ = l.raw.Close() }
