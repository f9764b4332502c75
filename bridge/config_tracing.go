package bridge

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// TracingConfig is where spans go, by OTLP over HTTP. An empty Endpoint: tracing is off.
type TracingConfig struct {
	Endpoint string `yaml:"endpoint"` // the collector's URL; /v1/traces where it has no path
	// SampleRatio is the share of traces that begin here of which spans are sent. A
	// trace that began elsewhere is sampled as it says.
	SampleRatio Ratio `yaml:"sample_ratio"`
}

// Ratio is a share, from 0 to 1.
type Ratio float64

// String writes the ratio as UnmarshalText reads it.
func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) }

// MarshalText writes what UnmarshalText reads.
func (r Ratio) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a number.
func (r *Ratio) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("%s is not a number from 0 to 1, such as 0.1", quote(string(text)))
	}
	*r = Ratio(n)
	return nil
}

// tracesPath is where OTLP over HTTP has traces, below a collector's URL.
const tracesPath = "/v1/traces"

// url is where spans are posted to.
func (t TracingConfig) url() (string, error) {
	u, err := url.Parse(t.Endpoint)
	if err != nil {
		return "", err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracesPath
	}
	return u.String(), nil
}

func (c *checker) tracing() {
	t := c.config.Tracing
	if !(t.SampleRatio >= 0 && t.SampleRatio <= 1) { // so that NaN is a fault, too
		c.fault("tracing.sample_ratio", "is %s; it must be between 0 and 1", t.SampleRatio)
	}
	if t.Endpoint == "" {
		return
	}
	// It may hold a password by mistake: it is not repeated.
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || !validHost(u.Hostname()):
		c.fault("tracing.endpoint", "is not a collector's URL; write http://host:port, such as http://127.0.0.1:4318")
	case u.User != nil:
		c.fault("tracing.endpoint", "holds a user or password; give what the collector asks for in the variable OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "" || u.Fragment != "":
		c.fault("tracing.endpoint", "has a query or fragment; write http://host:port and at most a path")
	}
	for _, name := range headerVariables() {
		c.collectorHeaders(name, os.Getenv(name))
	}
}

// headerVariables are OpenTelemetry's own, which hold what a collector asks for, its
// key as a rule: name=value, with a comma between two, each value percent-encoded.
func headerVariables() []string {
	return []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"}
}

// headerName is what a header's name is made of.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// collectorHeaders refuses what the exporter would leave out: without its key no span
// arrives. What is wrong may be the key itself, and is not repeated.
func (c *checker) collectorHeaders(variable, text string) {
	for i, part := range strings.Split(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		what := ""
		if _, err := url.PathUnescape(value); err != nil {
			what = "has a % that is none of percent-encoding; write %25"
		}
		if !headerName.MatchString(strings.TrimSpace(name)) {
			what = "does not begin with a header's name and ="
		}
		if !ok {
			what = "has no ="
		}
		if what != "" {
			c.fault("tracing.endpoint", "is to be used with the headers of the variable %s, whose part %d %s; "+
				"write name=value, a comma between two, and each value percent-encoded", variable, i+1, what)
		}
	}
}

// leastHeaderSecret is the length from which a word of a header's value is taken for a
// secret. It tells Bearer and the like from what follows.
const leastHeaderSecret = 8

// secrets are the parts of the settings that nothing may show, the longest first: one
// may be a part of another.
func (t TracingConfig) secrets() secrets {
	var all secrets
	if u, err := url.Parse(t.Endpoint); err == nil {
		all = append(secretParts(u.Path), secretParts(u.EscapedPath())...)
	}
	for _, variable := range headerVariables() {
		for part := range strings.SplitSeq(os.Getenv(variable), ",") {
			_, raw, _ := strings.Cut(part, "=")
			value, _ := url.PathUnescape(raw)
			for _, word := range append(strings.Fields(raw), strings.Fields(value)...) {
				if len(word) >= leastHeaderSecret {
					all = append(all, word)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// secretParts are the parts of a path that may be a vendor's token.
func secretParts(path string) (parts []string) {
	for part := range strings.SplitSeq(path, "/") {
		if len(part) >= secretPathPart {
			parts = append(parts, part)
		}
	}
	return parts
}

// maskedEndpoint is a collector's URL as it may be shown; what is not as it should be
// is not shown at all, since it may hold anything.
func maskedEndpoint(text string) string {
	u, err := url.Parse(text)
	_, rest, ok := strings.Cut(text, "://")
	if err != nil || !ok || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return mask
	}
	_, path, _ := strings.Cut(rest, "/")
	masked := path
	for _, part := range secretParts(path) {
		masked = strings.ReplaceAll(masked, part, mask)
	}
	return strings.TrimSuffix(text, path) + masked
}
