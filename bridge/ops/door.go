package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// User is the name that goes with the password. It is no secret.
const User = "operator"

// Door is who may look. The zero value lets everybody in who reaches the
// listener under its own name, and is for loopback only.
type Door struct {
	// Password returns the password, anew for each request; nil = there is none.
	Password func() (string, error)
	// TLS is what the listener speaks; nil = plain HTTP.
	TLS *tls.Config
	// Certificates says that a client's certificate, which TLS has verified,
	// opens the door as the password does.
	Certificates bool
}

// locked says whether anything is asked for at all.
func (d *Door) locked() bool { return d.Password != nil || d.Certificates }

// guard lets next see only who may look.
func (d *Door) guard(next http.Handler, passwords *tries) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case foreign(r):
			http.Error(w, "the operator's listener is no part of other pages; a link may lead to its page, /", http.StatusForbidden)
			return
		case d.locked():
			if !d.admits(w, r, passwords) {
				return
			}
		case !ownName(r.Host):
			// A page of somewhere else whose name was made to point here would
			// send its own name.
			http.Error(w, "the operator's listener answers under localhost and 127.0.0.1 only; "+
				"for another name set ops.password_file", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreign says whether a page elsewhere had a browser ask; another port of this
// machine is elsewhere, too. Such a page may link to the operator's page, and to
// nothing else: a profile takes time.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin": // no browser, somebody who typed it in, or the page itself
		return false
	}
	return r.Method != http.MethodGet || r.URL.Path != "/" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// admits answers itself where it returns false.
func (d *Door) admits(w http.ResponseWriter, r *http.Request, passwords *tries) bool {
	if d.Certificates && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	if d.Password == nil {
		http.Error(w, "show a certificate that ops.tls.client_ca_file has signed", http.StatusForbidden)
		return false
	}
	want, err := d.Password()
	if err != nil || want == "" {
		http.Error(w, "the password of the operator's listener cannot be read: look at ops.password_file", http.StatusServiceUnavailable)
		return false
	}
	if user, got, given := r.BasicAuth(); given {
		switch passwords.try(r.RemoteAddr, user+":"+got, User+":"+want) {
		case right:
			return true
		case tooMany:
			w.Header().Set("Retry-After", retryAfter)
			http.Error(w, "there were too many wrong passwords from your address; try again in some seconds", http.StatusTooManyRequests)
			return false
		}
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="chatbridge", charset="UTF-8"`)
	http.Error(w, "give the user "+User+" and the password of ops.password_file", http.StatusUnauthorized)
	return false
}

// same is 1 where both are the same, in a time that says nothing about either.
func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// ownName says whether a request means this machine by the name that it uses.
func ownName(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(name, "localhost")
}

// harden says to browsers what a page of this listener may do: only what is the
// listener's own.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
