package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A passage is a proxy on 127.0.0.1 that can be a bad network. It runs in this
// process.
type passage struct {
	t     testing.TB
	port  int
	proxy *toxiproxy.Proxy
}

// newPassage opens a way from one port to another.
func newPassage(t testing.TB, from, to int) *passage {
	t.Helper()
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	quiet := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &passage{t: t, port: from, proxy: toxiproxy.NewProxy(quiet, "", at(from), at(to))}
	p.open()
	t.Cleanup(p.cut)
	return p
}

// open lets connections in.
func (p *passage) open() {
	p.t.Helper()
	if err := p.proxy.Start(); err != nil {
		p.t.Fatalf("open the way from port %d: %v", p.port, err)
	}
}

// cut ends all connections and refuses new ones.
func (p *passage) cut() { p.proxy.Stop() }

// The directions of what passes: a request goes up, its answer comes down.
const (
	up   = "upstream"
	down = "downstream"
)

// spoil makes one direction a bad one, for connections there are and those to
// come.
func (p *passage) spoil(how, direction string, attributes map[string]int) {
	p.t.Helper()
	text, err := json.Marshal(map[string]any{"type": how, "stream": direction, "attributes": attributes})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		p.t.Fatalf("spoil the way from port %d: %s: %v", p.port, how, err)
	}
}

// mended is good again. A connection of which something is missing is cut.
func (p *passage) mended() {
	p.proxy.Toxics.ResetToxics(context.Background())
}

// portOf is the port of a URL.
func portOf(t testing.TB, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
