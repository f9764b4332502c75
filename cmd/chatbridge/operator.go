package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/bridge/ops"
)

// operatorFlags say which running bridge is asked, and what opens its listener
// for the operator. Where a flag is not given, the configuration says it.
type operatorFlags struct {
	url, passwordFile         string
	caFile, certFile, keyFile string
	timeout                   time.Duration
}

// defaultOperatorTimeout is how long the operator's listener may take.
const defaultOperatorTimeout = 5 * time.Second

// register gives cmd the flags.
func (f *operatorFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "the listener, `http://127.0.0.1:9090` or with user:password@, in place of ops.listen")
	flags.StringVar(&f.passwordFile, "password-file", "", "`file` with the listener's password, in place of ops.password_file")
	flags.StringVar(&f.caFile, "ca-file", "", "`file` with the authority (PEM) that vouches for the listener")
	flags.StringVar(&f.certFile, "cert-file", "", "`file` with a certificate (PEM) that opens the listener; with --key-file")
	flags.StringVar(&f.keyFile, "key-file", "", "`file` with the key of --cert-file")
	flags.DurationVar(&f.timeout, "timeout", defaultOperatorTimeout, "how long to wait for an answer")
	for _, name := range []string{"password-file", "ca-file", "cert-file", "key-file"} {
		// The flags were defined above: there is nothing to fail.
		_ = cmd.MarkFlagFilename(name)
	}
}

// operator asks a running bridge at its operator's listener.
type operator struct {
	base     *url.URL // without what opens it: it is shown
	user     string
	password string
	timeout  time.Duration
	client   http.Client
}

// check looks at what is wrong whatever the configuration says.
func (f *operatorFlags) check() error {
	if f.timeout <= 0 {
		return usagef("--timeout must be more than 0, such as %s, but is %s", defaultOperatorTimeout, f.timeout)
	}
	return nil
}

// open says who is asked, and how. Nothing is asked yet.
func (f *operatorFlags) open(settings *bridge.Settings) (*operator, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	cfg := &settings.Config.Ops
	o := &operator{user: ops.User, timeout: f.timeout}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: what is asked is near
	o.client = http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var err error
	if o.base, err = f.where(cfg); err != nil {
		return nil, err
	}
	if transport.TLSClientConfig, err = f.secured(cfg); err != nil {
		return nil, err
	}
	if o.password, err = f.readPassword(cfg); err != nil {
		return nil, err
	}
	// What the URL says is nearer than the configuration, a flag of its own nearer still.
	if given := o.base.User; given != nil {
		o.base.User, o.user = nil, given.Username()
		if password, ok := given.Password(); ok && f.passwordFile == "" {
			o.password = password
		}
	}
	return o, nil
}

// where is the listener's address, with the user and the password that --url has.
func (f *operatorFlags) where(cfg *bridge.OpsConfig) (*url.URL, error) {
	if f.url == "" {
		scheme := "http"
		if cfg.TLS.CertFile != "" {
			scheme = "https"
		}
		address, err := reachable(cfg.Listen)
		return &url.URL{Scheme: scheme, Host: address}, err
	}
	base, err := url.Parse(f.url)
	const form = "--url takes the operator's listener, such as http://127.0.0.1:9090"
	switch {
	case (err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "") && strings.Contains(f.url, "@"):
		// It may hold a password: neither it nor the error, which repeats it, is shown.
		return nil, usagef(form + "; of a password in it, what is not a letter or a digit is written as %%XX")
	case err != nil:
		return nil, usagef("--url: %v", err)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, usagef(form+", but got %q", f.url)
	}
	return &url.URL{Scheme: base.Scheme, User: base.User, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/")}, nil
}

// secured is how TLS is spoken, where it is. A bridge whose configuration is at
// hand is known by its certificate.
func (f *operatorFlags) secured(ops *bridge.OpsConfig) (*tls.Config, error) {
	cfg := &tls.Config{}
	if ops.TLS.CertFile != "" && f.caFile == "" {
		cfg = knownBy(ops.TLS.CertFile)
	}
	if (f.certFile == "") != (f.keyFile == "") {
		return nil, usagef("--cert-file and --key-file belong together; give both")
	}
	if f.certFile != "" {
		pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
		if err != nil {
			return nil, usagef("--cert-file %s with --key-file %s: %v", f.certFile, f.keyFile, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if f.caFile != "" {
		text, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, usagef("--ca-file: %v", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, usagef("--ca-file %s holds no certificate in PEM", f.caFile)
		}
	}
	return cfg, nil
}

// readPassword is what opens the listener; "" where nothing is given.
func (f *operatorFlags) readPassword(cfg *bridge.OpsConfig) (string, error) {
	if f.passwordFile == "" {
		return cfg.ReadPassword()
	}
	text, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return "", usagef("--password-file: %v", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// mostAnswer bounds what is read of an answer.
const mostAnswer = 16 << 20

// errNotAnswering is what get's error wraps where nothing answers at all.
var errNotAnswering = errors.New("no bridge answers")

// errInTime is what it wraps where something is there, and does not answer.
var errInTime = fmt.Errorf("%w in time", errNotAnswering)

// get asks for a path and reads the answer into v, and returns it as it came.
func (o *operator) get(ctx context.Context, path string, query url.Values, v any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	at := *o.base
	at.Path, at.RawQuery = o.base.Path+path, query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	if o.password != "" {
		request.SetBasicAuth(o.user, o.password)
	}
	response, err := o.client.Do(request)
	if err != nil {
		return nil, o.unreachable(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, mostAnswer))
	if err != nil {
		return nil, o.unreachable(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s%s", o.base, response.Status, reasonIn(body))
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("what answers at %s does not speak as a bridge does: %w", o.base, err)
	}
	return body, nil
}

// unreachable says what to look at where no answer came.
func (o *operator) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w at %s: is it hanging, or is --timeout too short?", errInTime, o.base)
	}
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the certificate at %s is not one to be trusted (give its authority with --ca-file): %w", o.base, err)
	}
	return fmt.Errorf("%w at %s (is serve running, and with the same ops.listen?): %w", errNotAnswering, o.base, err)
}

// reasonIn is what a refusal says, on one line.
func reasonIn(body []byte) string {
	var fault struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &fault) // a refusal may be plain text
	line, _, _ := strings.Cut(cmp.Or(fault.Error, strings.TrimSpace(string(body))), "\n")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, line)
	if line == "" || len(line) > 300 || strings.HasPrefix(line, "<") {
		return ": is it a bridge?"
	}
	return ": " + line
}

// status asks how the bridge is.
func (o *operator) status(ctx context.Context) (s ops.Status, raw []byte, err error) {
	raw, err = o.get(ctx, "/status", nil, &s)
	if err == nil && s.Version == "" {
		err = fmt.Errorf("what answers at %s gives no version: is it a bridge?", o.base)
	}
	return s, raw, err
}

// group asks after a group.
func (o *operator) group(ctx context.Context, q ops.GroupQuery) (g ops.Group, err error) {
	query := url.Values{"group": {q.GroupID}}
	if q.TopicID != "" {
		query.Set("topic", q.TopicID)
	}
	_, err = o.get(ctx, "/group", query, &g)
	return g, err
}
