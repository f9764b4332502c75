package bridge

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of settings. Those of the spool are what it needs to work at all;
// the others are far from any use, and catch 20m where 20ms was meant.
const (
	minSpoolBytes = 256 * MiB
	minMinFree    = 32 * MiB
	minMaxBody    = 1 * KiB
	maxMaxBody    = 8 * MiB // fits a segment of the smallest spool
	maxHold       = time.Minute
	maxTokenBytes = 128 // Tencent allows 1 to 128
	maxPathBytes  = 255 // ingest's bound
)

// checker collects the faults of one configuration.
type checker struct {
	config *Config
	faults []Fault
}

// fault notes what is wrong with a key.
func (c *checker) fault(key, format string, args ...any) {
	c.faults = append(c.faults, Fault{Key: key, Message: fmt.Sprintf(format, args...)})
}

// Faults returns everything that is wrong with the configuration as such, in the
// order of its keys. It reads the files that the configuration names (tokens,
// passwords, certificates) and, where tracing is on, OpenTelemetry's variables for
// headers; it touches nothing else outside.
func (c *Config) Faults() []Fault {
	check := &checker{config: c}
	check.words()
	check.http()
	check.apps()
	check.spool()
	check.resequence()
	check.topics()
	check.brokers()
	check.kafkaTLS()
	check.sasl()
	check.ops()
	check.tracing()
	if c.ShutdownTimeout <= 0 {
		check.fault("shutdown_timeout", "must be more than 0; 20s is usual")
	}
	order := map[string]int{}
	for i, f := range fieldsOf(reflect.TypeFor[Config]()) {
		order[f.name] = i
	}
	slices.SortStableFunc(check.faults, func(a, b Fault) int {
		return order[sectionOf(a.Key)] - order[sectionOf(b.Key)]
	})
	return check.faults
}

// words checks the leaves that are one of a few words; a Config that was not
// read by LoadConfig may hold any.
func (c *checker) words() {
	for _, l := range c.config.leaves() {
		if len(l.words) == 0 || slices.Contains(l.words, l.value.String()) {
			continue
		}
		if _, err := matchWord(l.value.String(), l.words); err != nil {
			c.fault(l.key, "%v", err)
		} else {
			c.fault(l.key, "must be written as one of: %s", strings.Join(l.words, ", "))
		}
	}
}

// pathForm is what a path may be made of: what needs no escape in a URL and
// means nothing to a router.
var pathForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]*)+$`)

func (c *checker) http() {
	h := c.config.HTTP
	c.listen("http.listen", h.Listen)
	// The path may be a secret: it is not repeated.
	switch {
	case !strings.HasPrefix(h.Path, "/"):
		c.fault("http.path", "must begin with /, as /callback does")
	case len(h.Path) > maxPathBytes:
		c.fault("http.path", "has %d bytes; it may have %d", len(h.Path), maxPathBytes)
	case !pathForm.MatchString(h.Path), strings.Contains(h.Path, "//"),
		slices.ContainsFunc(strings.Split(h.Path, "/"), func(part string) bool { return part == "." || part == ".." }):
		c.fault("http.path", "may hold only parts made of letters, digits and - . _ ~, with one / before each")
	}
	if h.MaxBody < minMaxBody || h.MaxBody > maxMaxBody {
		c.fault("http.max_body", "is %s; it must be between %s and %s", h.MaxBody, minMaxBody, maxMaxBody)
	}
	c.keyPair("http.tls", h.TLS.CertFile, h.TLS.KeyFile)
}

func (c *checker) apps() {
	if len(c.config.Apps) == 0 {
		c.fault("apps", "there is none; give at least one with its sdk_app_id, or no callback would be accepted")
	}
	first := map[uint64]int{}
	for i, app := range c.config.Apps {
		key := indexed("apps", i)
		if j, twice := first[app.SDKAppID]; app.SDKAppID == 0 {
			c.fault(key+".sdk_app_id", "is missing; it is the number that the Tencent console shows as SDKAppID")
		} else if twice {
			c.fault(key+".sdk_app_id", "is %d, as that of %s; put all tokens of an app into one entry", app.SDKAppID, indexed("apps", j))
		} else if app.SDKAppID > math.MaxInt64 {
			c.fault(key+".sdk_app_id", "is %d, which is no app's number; copy it again from the Tencent console", app.SDKAppID)
		} else {
			first[app.SDKAppID] = i
		}
		c.tokens(key, app)
	}
}

// tokens checks the tokens of one app, wherever they are, without showing them.
func (c *checker) tokens(key string, app AppConfig) {
	if app.TokensFile != "" && len(app.Tokens) > 0 {
		c.fault(key+".tokens_file", "is given and tokens as well; give one of them")
		return
	}
	from := key + ".tokens"
	if app.TokensFile != "" {
		from = key + ".tokens_file"
	}
	tokens, err := app.ReadTokens()
	if err != nil {
		c.fault(from, "%v", err)
	}
	for i, token := range tokens {
		switch {
		case len(token) < 1 || len(token) > maxTokenBytes:
			c.fault(from, "token %d has %d bytes; a token has 1 to %d", i+1, len(token), maxTokenBytes)
		case strings.TrimSpace(token) != token || strings.ContainsFunc(token, isControl):
			c.fault(from, "token %d begins or ends with a space, or holds a control character; copy it again", i+1)
		}
	}
}

// isControl says whether a character can hardly be part of a token on purpose.
func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (c *checker) spool() {
	s := c.config.Spool
	if s.Dir == "" {
		c.fault("spool.dir", "is empty; name a directory on a disk that keeps its data")
	}
	if s.MaxBytes < minSpoolBytes {
		c.fault("spool.max_bytes", "is %s; it must be at least %s", s.MaxBytes, minSpoolBytes)
	}
	if s.MinFree < minMinFree {
		c.fault("spool.min_free", "is %s; it must be at least %s", s.MinFree, minMinFree)
	}
}

func (c *checker) resequence() {
	r := c.config.Resequence
	if r.Floor <= 0 {
		c.fault("resequence.floor", "is %s; it must be more than 0; resequence.hold: 0 lets nothing wait", formatDuration(r.Floor))
	} else if r.Floor > r.Ceiling {
		c.fault("resequence.floor", "is %s; it must not be more than resequence.ceiling, which is %s",
			formatDuration(r.Floor), formatDuration(r.Ceiling))
	}
	if r.Ceiling > maxHold {
		c.fault("resequence.ceiling", "is %s; it must not be more than %s", formatDuration(r.Ceiling), formatDuration(maxHold))
	}
	if !r.Hold.Adaptive && (r.Hold.Fixed < 0 || r.Hold.Fixed > maxHold) {
		c.fault("resequence.hold", "is %s; it must not be more than %s", r.Hold, formatDuration(maxHold))
	}
}

// listen checks an address to listen on.
func (c *checker) listen(key, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		c.fault(key, "%s is not an address; write host:port, such as 127.0.0.1:8080, or :8080 for every interface", quote(address))
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		c.fault(key, "%s has no port between 0 and 65535", quote(address))
	}
	if host != "" && !validHost(host) {
		c.fault(key, "%s has a host that is neither an IP address nor a name", quote(address))
	}
}

// hostForm is a DNS name, or a container's name, which may have underscores.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)

// validHost says whether a host is an IP address or could be a name.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return hostForm.MatchString(host)
}
