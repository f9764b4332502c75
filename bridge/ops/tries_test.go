package ops

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// P7, P8: wrong ones from one address are looked at ten at once and then one a
// second; who stops is let in at once after that, and nobody else is held up.
func TestWrongSecretsAreSlowedDownByAddress(t *testing.T) {
	t.Parallel()
	now, told := time.Unix(1760000000, 0), 0
	x := &tries{now: func() time.Time { return now }, failed: func(string, string) { told++ }}
	const attacker = "192.0.2.1:"
	flood := func(n int) (looked int) {
		for i := range n {
			if x.try(fmt.Sprint(attacker, 1000+i), "guess", "secret") == wrong {
				looked++
			}
		}
		return looked
	}
	if n := flood(1000); n != failuresAtOnce || told != n {
		t.Errorf("of 1000 at once %d were looked at, and %d told; want %d", n, told, failuresAtOnce)
	}
	if v := x.try(attacker+"1", "secret", "secret"); v != tooMany {
		t.Errorf("the right one is %v while nothing of that address is looked at; a guess could be seen to be right", v)
	}
	for _, other := range []string{"192.0.2.2:1", "[2001:db8::1]:1", "[::1]:1"} {
		if v := x.try(other, "secret", "secret"); v != right {
			t.Errorf("%s is held up by another address: %v", other, v)
		}
	}
	now = now.Add(failureEach)
	if n := flood(1000); n != 1 {
		t.Errorf("a second later %d were looked at; want one", n)
	}
	now = now.Add(failureEach)
	if v := x.try(attacker+"1", "secret", "secret"); v != right {
		t.Errorf("a second after the last the right one is %v", v)
	}
	now = now.Add(-time.Hour)
	flood(1)
	now = now.Add(failuresAtOnce * failureEach)
	if v := x.try(attacker+"1", "secret", "secret"); v != right {
		t.Errorf("a clock that was set back keeps somebody out: %v", v)
	}
}

// Whoever has a /64 has one address here, and IPv4 is the same in IPv6.
func TestAddressesOfOneMachineAreOne(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"[2001:db8::1]:1", "[2001:db8::ffff:1]:2"}, {"10.0.0.1:1", "[::ffff:10.0.0.1]:9"}, {"[fe80::1%eth0]:1", "[fe80::2]:1"}} {
		a, _ := peerOf(pair[0])
		if b, _ := peerOf(pair[1]); a != b {
			t.Errorf("%s is %v, %s is %v", pair[0], a, pair[1], b)
		}
	}
	a, text := peerOf("10.0.0.1:1")
	if b, _ := peerOf("10.0.0.2:1"); a == b || text != "10.0.0.1" {
		t.Errorf("10.0.0.1 is %v, %q in the log; 10.0.0.2 is %v", a, text, b)
	}
}

// P8: any number of addresses takes a bounded room, and the one that tries all the
// time is not forgotten for it.
func TestOfAddressesABoundedNumberIsRemembered(t *testing.T) {
	t.Parallel()
	now := time.Unix(1760000000, 0)
	x := &tries{now: func() time.Time { return now }}
	for range failuresAtOnce {
		x.try("10.0.0.1:1", "guess", "secret")
	}
	for i := range 4 * mostPeers {
		x.try(fmt.Sprintf("10.1.%d.%d:1", i/256, i%256), "guess", "secret")
	}
	if len(x.peers) != mostPeers {
		t.Errorf("%d addresses are remembered; want %d", len(x.peers), mostPeers)
	}
	if v := x.try("10.0.0.1:1", "guess", "secret"); v != tooMany {
		t.Errorf("the address that tried most is forgotten: %v", v)
	}
}

// P7: at the door, a request without a password is no try, and a right one none that
// counts.
func TestTheDoorSlowsDownWrongPasswords(t *testing.T) {
	t.Parallel()
	var told []string
	now := time.Unix(1760000000, 0)
	o := Options{Door: password("the right password"), Sources: sources(good()), Now: func() time.Time { return now },
		Failed: func(peer, what string) { told = append(told, peer+" "+what) }}
	h := New(o).http.Handler
	with := func(password string) int { return answer(h, http.MethodGet, "/status", login(password)).Code }
	for range 3 * failuresAtOnce {
		if got := answer(h, http.MethodGet, "/status", nil).Code; got != http.StatusUnauthorized {
			t.Fatalf("without a password: %d", got)
		}
		if got := with("the right password"); got != http.StatusOK {
			t.Fatalf("with the password: %d", got)
		}
	}
	for range failuresAtOnce {
		if got := with("a guess"); got != http.StatusUnauthorized {
			t.Errorf("a guess: %d", got)
		}
	}
	w := answer(h, http.MethodGet, "/status", login("a guess"))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d, %v", w.Code, w.Header())
	}
	if got := answer(h, http.MethodGet, "/readyz", nil).Code; got != http.StatusOK {
		t.Errorf("a probe is held up: %d", got)
	}
	now = now.Add(failureEach)
	if got := with("the right password"); got != http.StatusOK {
		t.Errorf("a second later: %d", got)
	}
	if len(told) != failuresAtOnce || told[0] != "192.0.2.1 password" {
		t.Errorf("told %q", told)
	}
}
