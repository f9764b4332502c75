package ops

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// open are the paths that probes ask for; all others are behind the door.
var open = map[string]bool{"/livez": true, "/readyz": true}

var paths = []string{"/livez", "/readyz", "/", "/status", "/group?group=g", "/sinkz", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/charts/callbacks", "/letters/2"}

// ask asks a server with this door for a path, without a network.
func ask(door Door, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	o := Options{Door: door, Sources: sources(good())}
	o.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:9090"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	New(o).http.Handler.ServeHTTP(w, r)
	return w
}

func password(p string) Door { return Door{Password: func() (string, error) { return p, nil }} }

// P7: what an operator sees, nobody else sees; probes see whether it is ready.
func TestOnlyProbesPassWithoutThePassword(t *testing.T) {
	t.Parallel()
	right := func(r *http.Request) { r.SetBasicAuth(User, "the right password") }
	for name, c := range map[string]struct {
		door   Door
		change func(*http.Request)
		want   int
	}{
		"nothing given":   {password("the right password"), nil, http.StatusUnauthorized},
		"wrong password":  {password("the right password"), func(r *http.Request) { r.SetBasicAuth(User, "the wrong password") }, http.StatusUnauthorized},
		"empty password":  {password("the right password"), func(r *http.Request) { r.SetBasicAuth(User, "") }, http.StatusUnauthorized},
		"wrong user":      {password("the right password"), func(r *http.Request) { r.SetBasicAuth("root", "the right password") }, http.StatusUnauthorized},
		"right":           {password("the right password"), right, http.StatusOK},
		"another name":    {password("the right password"), func(r *http.Request) { right(r); r.Host = "bridge.example" }, http.StatusOK},
		"none configured": {password(""), func(r *http.Request) { r.SetBasicAuth(User, "") }, http.StatusServiceUnavailable},
		"unreadable": {Door{Password: func() (string, error) { return "", errors.New("gone") }},
			func(r *http.Request) { r.SetBasicAuth(User, "") }, http.StatusServiceUnavailable},
		"certificates only": {Door{Certificates: true}, nil, http.StatusForbidden},
	} {
		for _, path := range paths {
			want := c.want
			if open[path] {
				want = http.StatusOK
			}
			if got := ask(c.door, path, c.change); got.Code != want {
				t.Errorf("%s: %s was answered %d; want %d", name, path, got.Code, want)
			}
		}
	}
}

// A page whose name was made to point at loopback must not read the listener.
func TestWithoutADoorOnlyItsOwnNameIsAnswered(t *testing.T) {
	t.Parallel()
	for host, own := range map[string]bool{
		"127.0.0.1:9090": true, "127.0.0.1": true, "127.8.8.8:1": true, "localhost:9999": true, "LOCALHOST": true, "[::1]:9090": true, "[::1]": true,
		"evil.example:9090": false, "evil.example": false, "localhost.evil.example": false, "10.0.0.1:9090": false, "": false, "[2001:db8::1]:9090": false,
	} {
		for _, path := range paths {
			want := http.StatusOK
			if !own && !open[path] {
				want = http.StatusMisdirectedRequest
			}
			if got := ask(Door{}, path, func(r *http.Request) { r.Host = host }); got.Code != want {
				t.Errorf("%s under the name %q was answered %d; want %d", path, host, got.Code, want)
			}
		}
	}
}

// A page elsewhere can link to the listener, and cannot make a browser work it.
func TestNoPageElsewhereUsesTheListener(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		site, mode string
		page, want int // for the page, and for all else
	}{
		{"", "", http.StatusOK, http.StatusOK}, {"none", "navigate", http.StatusOK, http.StatusOK}, {"same-origin", "cors", http.StatusOK, http.StatusOK},
		{"cross-site", "navigate", http.StatusOK, http.StatusForbidden}, {"same-site", "navigate", http.StatusOK, http.StatusForbidden},
		{"cross-site", "no-cors", http.StatusForbidden, http.StatusForbidden}, {"cross-site", "cors", http.StatusForbidden, http.StatusForbidden},
		{"same-site", "no-cors", http.StatusForbidden, http.StatusForbidden}, {"same-site", "cors", http.StatusForbidden, http.StatusForbidden},
		{"new-words", "navigate", http.StatusOK, http.StatusForbidden},
	} {
		for _, path := range append(paths, "/debug/pprof/profile?seconds=1", "/debug/pprof/goroutine") {
			want := c.want
			switch {
			case open[path]:
				want = http.StatusOK
			case path == "/":
				want = c.page
			case want == http.StatusOK && strings.Contains(path, "seconds="):
				continue // it takes its time
			}
			got := ask(password("the right password"), path, func(r *http.Request) {
				r.SetBasicAuth(User, "the right password")
				r.Header.Set("Sec-Fetch-Site", c.site)
				r.Header.Set("Sec-Fetch-Mode", c.mode)
			})
			if got.Code != want {
				t.Errorf("%s from %q by %q was answered %d; want %d", path, c.site, c.mode, got.Code, want)
			}
		}
	}
}

func TestEveryAnswerSaysWhatABrowserMayDoWithIt(t *testing.T) {
	t.Parallel()
	for _, path := range append(paths, "/nothing") {
		h := ask(Door{}, path, nil).Header()
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		} {
			if path == "/charts/callbacks" && name == "Content-Security-Policy" {
				want = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'" // it draws, and nothing else
			}
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q; want %q", path, name, got, want)
			}
		}
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Unix(4e9, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	leaf := a.sign(t, a.cert)
	a.key = leaf.PrivateKey.(*ecdsa.PrivateKey)
	a.cert = leaf.Leaf
	return a
}

// sign signs a certificate; an authority without a key signs its own.
func (a authority) sign(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// P7: over TLS, a certificate of the right authority opens the door; none, or one
// of another authority, does not, and a probe needs none.
func TestACertificateOpensTheDoor(t *testing.T) {
	t.Parallel()
	ours, others := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	served := ours.sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Unix(4e9, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	s := New(Options{Address: "127.0.0.1:0", Sources: sources(good()), Door: Door{
		Certificates: true,
		TLS:          &tls.Config{Certificates: []tls.Certificate{served}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven},
	}})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	defer func() {
		if err := errors.Join(s.Close(context.Background()), <-done); err != nil {
			t.Error(err)
		}
	}()
	client := &x509.Certificate{SerialNumber: big.NewInt(3), NotAfter: time.Unix(4e9, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for name, c := range map[string]struct {
		certificates []tls.Certificate
		path         string
		want         int // 0: no connection
	}{
		"none":             {nil, "/status", http.StatusForbidden},
		"none, ready":      {nil, "/readyz", http.StatusOK},
		"ours":             {[]tls.Certificate{ours.sign(t, client)}, "/status", http.StatusOK},
		"of somebody else": {[]tls.Certificate{others.sign(t, client)}, "/status", 0},
	} {
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(c.certificates) == 0 {
					return &tls.Certificate{}, nil
				}
				return &c.certificates[0], nil
			}}}
		got := 0
		r, err := (&http.Client{Transport: transport}).Get("https://" + s.Addr().String() + c.path)
		if err == nil {
			got = r.StatusCode
			r.Body.Close()
		}
		if got != c.want {
			t.Errorf("%s: %s was answered %d (%v); want %d", name, c.path, got, err, c.want)
		}
	}
}
