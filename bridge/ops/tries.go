package ops

import (
	"net/netip"
	"sync"
	"time"
)

// What a secret is: what Options.Failed is told.
const (
	Password = "password"
	Token    = "token"
)

// Who gives a wrong secret is slowed down, and only he: from one address so many
// wrong ones are looked at, at once and then in time. What comes above that is not
// looked at; it costs nothing and is not counted, so that who stops is let in again
// after one failureEach. What is right counts for nothing.
const (
	failuresAtOnce = 10
	failureEach    = time.Second
	// mostPeers bounds how many addresses are remembered. Where there are more, the
	// one that would be the first to be free again is forgotten.
	mostPeers = 1024
	// retryAfter is what a client is told, in seconds.
	retryAfter = "1"
)

// tries are the tries of one secret.
type tries struct {
	what   string // is tried
	now    func() time.Time
	failed func(peer, what string) // nil = nobody is told

	mu    sync.Mutex
	peers map[netip.Prefix]time.Time // until when what has failed counts
}

// verdict is what comes of a try.
type verdict int

const (
	right verdict = iota
	wrong
	tooMany // it was not looked at
)

// try judges a try from a remote address.
func (t *tries) try(remote, got, want string) verdict {
	peer, text := peerOf(remote)
	v := t.judge(peer, got, want)
	if v == wrong && t.failed != nil {
		t.failed(text, t.what)
	}
	return v
}

// judge compares under the mutex: of many tries at once no more are looked at.
func (t *tries) judge(peer netip.Prefix, got, want string) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	// A clock that was set back keeps nobody out for longer.
	until := earlier(t.peers[peer], now.Add(failuresAtOnce*failureEach))
	if until.Sub(now) > (failuresAtOnce-1)*failureEach {
		t.peers[peer] = until
		return tooMany
	}
	if same(got, want) == 1 {
		return right
	}
	if until.Before(now) {
		until = now
	}
	t.count(peer, until.Add(failureEach))
	return wrong
}

// count remembers a failure, and forgets another peer's where there is no room.
func (t *tries) count(peer netip.Prefix, until time.Time) {
	if t.peers == nil {
		t.peers = map[netip.Prefix]time.Time{}
	}
	if _, known := t.peers[peer]; !known && len(t.peers) >= mostPeers {
		var first netip.Prefix
		for p, u := range t.peers {
			if !first.IsValid() || u.Before(t.peers[first]) {
				first = p
			}
		}
		delete(t.peers, first)
	}
	t.peers[peer] = until
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// peerOf is whom a remote address belongs to, and its text for the log: of IPv6 one
// machine has a whole /64.
func peerOf(remote string) (netip.Prefix, string) {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}, remote
	}
	address, bits := at.Addr().Unmap().WithZone(""), 32
	if address.Is6() {
		bits = 64
	}
	peer, _ := address.Prefix(bits) // it has so many
	return peer, address.String()
}
