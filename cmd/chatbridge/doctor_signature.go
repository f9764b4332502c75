package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/simulate"
	"github.com/chatbridge/chatbridge/schema"
)

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
		for i, token := range all {
			if d.alive && d.token(ctx, app.SDKAppID, i, token) {
				tried++
			}
		}
	}
	switch {
	case tokens == 0:
		d.ok("signature", "the specification's example comes out right; there is no token to try")
	case !d.alive:
		d.ok("signature", "the specification's example comes out right; no bridge answers here to try the %s on", plural(int64(tokens), "token"))
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
func (d *doctor) call(ctx context.Context, query url.Values) (callbackAnswer, error) {
	address, err := reachable(d.cfg.HTTP.Listen)
	if err != nil {
		return callbackAnswer{}, errNoPort
	}
	at, secured := url.URL{Scheme: "http", Host: address, Path: d.cfg.HTTP.Path, RawQuery: query.Encode()}, (*tls.Config)(nil)
	if cert := d.cfg.HTTP.TLS.CertFile; cert != "" {
		at.Scheme, secured = "https", knownBy(cert)
	}
	return d.post(ctx, at, secured)
}

// post posts nothing, and reads an answer such as callbacks get.
func (d *doctor) post(ctx context.Context, at url.URL, secured *tls.Config) (a callbackAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), http.NoBody)
	if err != nil {
		return a, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: secured}}
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
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer came within " + d.patience.String()
	case err != nil:
		return err.Error()
	case a.Status == http.StatusNotFound:
		return "a bridge answers there, but not at http.path"
	case a.Status == http.StatusOK:
		return "it answers a console's check"
	default:
		return strconv.Itoa(a.Status) + " " + a.ErrorInfo
	}
}
