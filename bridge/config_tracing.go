package bridge

import (
	"fmt"
	"net/url"
	"strconv"
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
}
