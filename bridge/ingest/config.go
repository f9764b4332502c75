package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// Store is where callbacks are kept; *spool.Spool is one.
type Store interface {
	// Append returns once r is durable. It copies what it keeps of r before it
	// returns nil, spool.ErrFull or *spool.PoisonedError; only after an error of
	// ctx may it still read r. Many goroutines call it.
	Append(ctx context.Context, r spool.Record) (spool.Position, error)
	// Err is why the store cannot store now; nil means that it can.
	Err() error
}

// App is one chat application whose callbacks are accepted.
type App struct {
	ID     uint64   // the provider's SdkAppid; at most math.MaxInt64, as schema reads it back
	Tokens []string // any of them may sign; none: unsigned callbacks are accepted
}

// Policy says what happens to a callback that the store cannot take.
type Policy uint8

// The policies.
const (
	Refuse Policy = iota // answer 503 with Retry-After at once
	Hold                 // keep it, answer when the store can, or 503 after Config.HoldTimeout
)

// TLS names the files of the server's certificate; both empty means plain HTTP.
// Files that are renewed in place are picked up without a restart.
type TLS struct {
	CertFile string // PEM, the leaf first
	KeyFile  string // PEM
}

// Config is what the endpoint needs to know. A zero number or duration stands
// for the default that its comment names.
type Config struct {
	Listen string // host:port; port 0 takes any free one
	Path   string // starts with "/"; compared whole, in constant time; may hold a secret segment
	TLS    TLS
	Apps   []App

	Tracer Tracer // nil: callbacks are not traced

	WhenFull       Policy
	StoreCallbacks bool // keep other commands too, instead of answering and counting them

	MaxBody        int64 // bytes of one body; 1 MiB
	MaxHeaderBytes int   // request line and headers; 16 KiB, net/http adds 4 KiB
	MaxConnections int   // 4096
	MaxRequests    int   // authenticated requests whose body is being read or stored; 4096
	MaxMemory      int64 // bytes of bodies in memory, all requests; 64 MiB, at least 4 × MaxBody
	MaxHeld        int   // requests held for a store that cannot store; half of MaxRequests

	ReadHeaderTimeout time.Duration // for the request line, the headers and the TLS handshake; 5 s
	ReadTimeout       time.Duration // for the whole request; 10 s
	IdleTimeout       time.Duration // of a kept connection; 10 min, longer than the proxies before it keep theirs
	HoldTimeout       time.Duration // longest hold; 5 s, longer than the provider waits (2 s)
	AnswerTimeout     time.Duration // for storing and answering, on top of reading and holding; 30 s
}

const (
	defaultMaxBody        = 1 << 20
	defaultMaxHeaderBytes = 16 << 10
	defaultMaxConnections = 4096
	defaultMaxRequests    = 4096
	defaultMaxMemory      = 64 << 20

	defaultReadHeaderTimeout = 5 * time.Second
	defaultReadTimeout       = 10 * time.Second
	defaultIdleTimeout       = 10 * time.Minute
	defaultHoldTimeout       = 5 * time.Second
	defaultAnswerTimeout     = 30 * time.Second

	// maxPath bounds Config.Path: a longer request path can be refused by its length.
	maxPath = 255
)

// withDefaults returns c with every zero number replaced.
func (c Config) withDefaults() Config {
	c.MaxBody = orDefault(c.MaxBody, defaultMaxBody)
	c.MaxHeaderBytes = orDefault(c.MaxHeaderBytes, defaultMaxHeaderBytes)
	c.MaxConnections = orDefault(c.MaxConnections, defaultMaxConnections)
	c.MaxRequests = orDefault(c.MaxRequests, defaultMaxRequests)
	c.MaxMemory = max(orDefault(c.MaxMemory, defaultMaxMemory), 4*c.MaxBody)
	c.MaxHeld = orDefault(c.MaxHeld, (c.MaxRequests+1)/2)
	c.ReadHeaderTimeout = orDefault(c.ReadHeaderTimeout, defaultReadHeaderTimeout)
	c.ReadTimeout = orDefault(c.ReadTimeout, defaultReadTimeout)
	c.IdleTimeout = orDefault(c.IdleTimeout, defaultIdleTimeout)
	c.HoldTimeout = orDefault(c.HoldTimeout, defaultHoldTimeout)
	c.AnswerTimeout = orDefault(c.AnswerTimeout, defaultAnswerTimeout)
	return c
}

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// validate reports every fault of c at once, naming keys as the configuration
// file spells them.
func (c Config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Listen == "" {
		fault("http.listen is empty: give an address such as :8080")
	}
	if !strings.HasPrefix(c.Path, "/") || len(c.Path) > maxPath {
		fault("http.path must start with / and have at most %d bytes", maxPath)
	}
	if strings.ContainsAny(c.Path, "?#% ") {
		fault("http.path must not contain a space, ?, # or %%: the provider's console refuses such a URL")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		fault("http.tls needs both cert_file and key_file, or neither")
	}
	if len(c.Apps) == 0 {
		fault("apps is empty: every callback would be refused; name at least one sdk_app_id")
	}
	seen := make(map[uint64]bool, len(c.Apps))
	for _, app := range c.Apps {
		if seen[app.ID] {
			fault("apps names sdk_app_id %d twice: put all its tokens into one entry", app.ID)
		}
		seen[app.ID] = true
		if app.ID > math.MaxInt64 {
			fault("apps names sdk_app_id %d, which no reader of a stored callback takes for a number", app.ID)
		}
		for _, token := range app.Tokens {
			if token == "" {
				fault("apps has an empty token for sdk_app_id %d: anyone could sign with it", app.ID)
			}
		}
	}
	if c.anyNegative() {
		fault("a limit or timeout of http is negative: use 0 for the default")
	}
	return errors.Join(faults...)
}

func (c Config) anyNegative() bool {
	return min(c.MaxBody, c.MaxMemory) < 0 ||
		min(c.MaxHeaderBytes, c.MaxConnections, c.MaxRequests, c.MaxHeld) < 0 ||
		min(c.ReadHeaderTimeout, c.ReadTimeout, c.IdleTimeout, c.HoldTimeout, c.AnswerTimeout) < 0
}
