package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/simulate"
	"github.com/chatbridge/chatbridge/schema"
)

// ports looks whether both addresses can be listened on, or are held by a bridge.
func (d *doctor) ports(ctx context.Context) {
	d.port("http.listen", d.cfg.HTTP.Listen, func() (bool, string) {
		answer, err := d.call(ctx, nil)
		return err == nil && answer.Status == http.StatusOK, d.explain(answer, err)
	}, func() { d.alive = true })
	d.port("ops.listen", d.cfg.Ops.Listen, func() (bool, string) {
		s, _, err := d.operator.status(ctx)
		if err != nil {
			return false, err.Error()
		}
		return true, "chatbridge " + s.Version
	}, func() {})
}

// port looks at one address. holder asks who has it.
func (d *doctor) port(key, address string, holder func() (ours bool, who string), held func()) {
	check := "port " + key
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		_ = listener.Close() // it was only tried
		d.ok(check, "%s is free", address)
	case !errors.Is(err, syscall.EADDRINUSE):
		d.fail(check, "%v", err).do("set %s to an address of this machine and a port that this user may listen on", key)
	default:
		if ours, who := holder(); ours {
			held()
			d.ok(check, "%s is held by a bridge that runs (%s)", address, who)
		} else {
			d.fail(check, "%s is held by something that does not answer as a bridge of this configuration: %s", address, who).
				do("find it with ss -ltnp and end it, or set %s to another port", key)
		}
	}
}

// callbackAnswer is what a bridge answers to a callback.
type callbackAnswer struct {
	Status       int `json:"-"`
	ActionStatus string
	ErrorInfo    string
}

// errNoPort says that http.listen takes any port.
var errNoPort = errors.New("http.listen takes any free port")

// call posts an empty callback to the bridge on this machine: nothing is stored
// of it, whatever the query says.
func (d *doctor) call(ctx context.Context, query url.Values) (a callbackAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	address, err := reachable(d.cfg.HTTP.Listen)
	if err != nil {
		return a, errNoPort
	}
	scheme, transport := "http", &http.Transport{DisableKeepAlives: true}
	if cert := d.cfg.HTTP.TLS.CertFile; cert != "" {
		scheme, transport.TLSClientConfig = "https", knownBy(cert)
	}
	at := url.URL{Scheme: scheme, Host: address, Path: d.cfg.HTTP.Path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), http.NoBody)
	if err != nil {
		return a, err
	}
	client := http.Client{Transport: transport}
	response, err := client.Do(request)
	if err != nil {
		var wrapped *url.Error // which would say http.path and the query
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return a, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return a, err
	}
	a.Status = response.StatusCode
	if err := json.Unmarshal(body, &a); err != nil || a.ActionStatus == "" {
		return a, errors.New("its answer is not a callback's: " + response.Status)
	}
	return a, nil
}

// explain says in words what was answered.
func (d *doctor) explain(a callbackAnswer, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case a.Status == http.StatusNotFound:
		return "a bridge answers there, but not at http.path: it runs with another configuration"
	case a.Status == http.StatusOK:
		return "it answers a console's check"
	default:
		return strconv.Itoa(a.Status) + " " + a.ErrorInfo
	}
}

// The specification's example of a signature.
const (
	exampleToken = "xxxxyyyy"
	exampleTime  = 1669872112
	exampleSign  = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
)

// signatures tries each app's tokens on the bridge that runs, and says of what
// cannot be tried that it is computed as the specification's example is.
func (d *doctor) signatures(ctx context.Context) {
	if simulate.Sign(exampleToken, exampleTime) != exampleSign {
		d.fail("signature", "the specification's example comes out otherwise").do("use another build of chatbridge")
		return
	}
	tried, tokens := 0, 0
	for _, app := range d.cfg.Apps {
		all, err := app.ReadTokens()
		if err != nil {
			d.fail("signature", "app %d: %v", app.SDKAppID, err).do("put apps.tokens_file right")
			continue
		}
		tokens += len(all)
		if len(all) == 0 {
			d.warn("signature", "app %d has no token: anybody can send callbacks for it", app.SDKAppID).
				do("set a token in the chat console and in apps.tokens")
		}
		for i, token := range all {
			if d.alive && d.token(ctx, app.SDKAppID, i, token) {
				tried++
			}
		}
	}
	switch {
	case tokens > 0 && !d.alive:
		d.ok("signature", "the specification's example comes out right; no bridge runs here to try the %s on", plural(int64(tokens), "token"))
	case tried > 0:
		d.ok("signature", "the specification's example comes out right, and the bridge takes what %s of %d signed", plural(int64(tried), "token"), tokens)
	}
}

// token signs an empty callback and sends it. A bridge that takes the signature
// refuses the empty body, and stores nothing.
func (d *doctor) token(ctx context.Context, app uint64, index int, token string) bool {
	now := d.env.now().Unix()
	answer, err := d.call(ctx, url.Values{
		"SdkAppid": {strconv.FormatUint(app, 10)}, "CallbackCommand": {schema.CommandAfterSend}, "contenttype": {"json"},
		"RequestTime": {strconv.FormatInt(now, 10)}, "Sign": {simulate.Sign(token, now)},
	})
	if err == nil && answer.Status == http.StatusBadRequest {
		return true
	}
	d.fail("signature", "app %d, token %d: the bridge that runs refuses what it signed: %s", app, index+1, d.explain(answer, err)).
		do("restart serve if it was started with another configuration, and check the clock")
	return false
}
