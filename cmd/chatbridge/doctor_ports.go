package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// port is one of the addresses that a bridge listens on.
type port struct {
	key, address string
	ask          func(context.Context) holder // who has it
	err          error                        // of listening there
	holder       holder                       // where it is taken
}

// holder is who has a port.
type holder struct {
	ours   bool   // a bridge of this configuration
	bridge bool   // a bridge, by the way it answers
	hangs  bool   // it takes a connection, and answers nothing
	says   string // its answer
}

func (p *port) taken() bool { return errors.Is(p.err, syscall.EADDRINUSE) }

// ports looks whether both addresses can be listened on, or are held by a bridge.
// They are judged together: one can say who has the other.
func (d *doctor) ports(ctx context.Context) {
	callbacks := &port{key: "http.listen", address: d.cfg.HTTP.Listen, ask: d.askCallbacks}
	page := &port{key: "ops.listen", address: d.cfg.Ops.Listen, ask: d.askOperator}
	runs := false
	for _, p := range []*port{callbacks, page} {
		if d.faulty(p.key) {
			continue
		}
		listener, err := net.Listen("tcp", p.address)
		if p.err = err; err == nil {
			_ = listener.Close() // it was only tried
		}
		if p.taken() {
			p.holder = p.ask(ctx)
		}
		runs = runs || p.holder.ours || p.holder.bridge
	}
	d.alive = callbacks.holder.ours
	var waits int64
	if !runs && !callbacks.holder.hangs && !page.holder.hangs {
		waits = d.unsettled()
	}
	d.port(callbacks, runs, waits)
	d.port(page, runs, 0)
}

// port says what became of one address. runs says that a bridge answers here, there
// or at the other; waits is how many records wait for one.
func (d *doctor) port(p *port, runs bool, waits int64) {
	check := "port " + p.key
	switch {
	case d.faulty(p.key):
		d.notChecked(check, p.key)
	case p.err == nil && strings.HasSuffix(p.address, ":0"):
		d.ok(check, "%s takes any port that is free; a bridge that runs cannot be found there", p.address)
	case p.err == nil && runs:
		d.warn(check, "%s is free, and yet a bridge runs here", p.address).do("%s", otherBridge)
	case p.err == nil && waits > 0:
		d.warn(check, "%s is free: no bridge runs here, and %s in the spool for one", p.address, wait(waits)).do("start chatbridge serve")
	case p.err == nil:
		d.ok(check, "%s is free: no bridge runs here", p.address)
	case !p.taken():
		d.fail(check, "%v", p.err).do("set %s to an address of this machine and a port that this user may listen on", p.key)
	case p.holder.ours:
		d.ok(check, "%s is held by a bridge that runs (%s)", p.address, p.holder.says)
	case runs:
		d.fail(check, "%s is held, and not by a bridge that answers as one of this configuration: %s", p.address, p.holder.says).do("%s", otherBridge)
	case p.holder.hangs:
		d.fail(check, "%s is held by something that takes a connection and does not answer: %s", p.address, p.holder.says).
			do("see with ss -ltnp what it is: if it is chatbridge, it hangs: see chatbridge status, and restart it; else set %s to another port", p.key)
	default:
		d.fail(check, "%s is held by something that does not answer as a bridge of this configuration: %s", p.address, p.holder.says).
			do("find it with ss -ltnp; it is no bridge: end it, or set %s to another port", p.key)
	}
}

// otherBridge is what to do about a bridge that is not as this configuration has it.
const otherBridge = "it is a bridge with another configuration, or it hangs: see chatbridge status; restart it"

// wait is how many records wait.
func wait(records int64) string {
	if records == 1 {
		return "1 record waits"
	}
	return plural(records, "record") + " wait"
}

// askCallbacks asks who has http.listen. One that does not answer as configured is
// asked in ways that each bridge understands, whatever its path and certificate.
func (d *doctor) askCallbacks(ctx context.Context) holder {
	answer, err := d.call(ctx, nil)
	h := holder{
		ours: err == nil && answer.Status == http.StatusOK, bridge: err == nil, hangs: errors.Is(err, context.DeadlineExceeded),
		says: d.explain(answer, err),
	}
	if !h.bridge && !h.hangs {
		h.bridge = d.isBridge(ctx, d.cfg.HTTP.Listen)
	}
	return h
}

// askOperator asks who has ops.listen, in the same way.
func (d *doctor) askOperator(ctx context.Context) (h holder) {
	if d.operator == nil {
		h.says = "it could not be asked for its status, as the section ops of the configuration has a fault"
	} else {
		s, _, err := d.operator.status(ctx)
		if err == nil {
			return holder{ours: true, bridge: true, says: "chatbridge " + strings.TrimPrefix(s.Version, "chatbridge ")}
		}
		h = holder{hangs: errors.Is(err, errInTime), says: err.Error()}
	}
	if !h.hangs {
		h.bridge = d.isBridge(ctx, d.cfg.Ops.Listen)
	}
	return h
}

// isBridge says whether what listens there does what each bridge does to everybody,
// at one of its listeners, with TLS or without: it refuses an empty callback in its
// own words, or says that it lives. Whose certificate it shows does not matter: nothing
// is confided to it.
func (d *doctor) isBridge(ctx context.Context, listen string) bool {
	address, err := reachable(listen)
	if err != nil {
		return false
	}
	for scheme, trusting := range map[string]*tls.Config{"http": nil, "https": {InsecureSkipVerify: true}} { //nolint:gosec // as said above
		if _, err := d.post(ctx, url.URL{Scheme: scheme, Host: address, Path: "/"}, trusting); err == nil || d.lives(ctx, scheme+"://"+address, trusting) {
			return true
		}
	}
	return false
}

// lives says whether the listener for the operator answers there.
func (d *doctor) lives(ctx context.Context, base string, trusting *tls.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/livez", nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trusting}}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64))
	return err == nil && response.StatusCode == http.StatusOK && string(body) == "ok\n"
}
