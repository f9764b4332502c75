package publisher

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue writes a certificate for host, valid until then, and its key.
func (a *authority) issue(name, host string, until time.Time) (certFile, keyFile string) {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "EC PRIVATE KEY", private)
}

// server is the TLS configuration of a broker with that certificate; clients must show one of ours where mutual.
func (a *authority) server(certFile, keyFile string, mutual bool) *tls.Config {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if mutual {
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AddCert(a.cert)
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c
}

// mustSay pings and wants an error whose sentence holds words.
func mustSay(t *testing.T, c *Client, words string) {
	t.Helper()
	err := c.Ping(t.Context())
	var u *UnavailableError
	if !errors.As(err, &u) || !strings.Contains(u.Sentence, words) {
		t.Errorf("error %q, want a sentence with %q", err, words)
	}
}

func TestTLSAndMutualTLS(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("broker", "127.0.0.1", time.Now().Add(time.Hour))
	mine, mineKey := a.issue("me", "me", time.Now().Add(time.Hour))
	for _, mutual := range []bool{false, true} {
		t.Run(fmt.Sprintf("mutual %t", mutual), func(t *testing.T) {
			w := newRealWorld(t, 1, 1, kfake.TLS(a.server(cert, key, mutual)))
			p := w.client(func(c *Config) { c.TLSFiles = &TLSFiles{CAFile: a.file, CertFile: mine, KeyFile: mineKey} }).Partition(testTopic, 0)
			mustPublish(t, p, new(ledger), "a")
			mustHold(t, p, "a")
		})
	}
}

func TestTLSFaultsAreSaid(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.issue("broker", "127.0.0.1", time.Now().Add(time.Hour))
	old, oldKey := a.issue("old", "127.0.0.1", time.Now().Add(-time.Minute))
	other, otherKey := a.issue("other", "elsewhere.example", time.Now().Add(time.Hour))
	strange, strangeKey := stranger.issue("strange", "me", time.Now().Add(time.Hour))
	files := func(f TLSFiles) func(*Config) { return func(c *Config) { c.TLSFiles = &f } }
	for _, tc := range []struct {
		name   string
		server *tls.Config
		client func(*Config)
		words  string
	}{
		{"unknown CA", a.server(cert, key, false), files(TLSFiles{CAFile: stranger.file}), "set kafka.tls.ca_file"},
		{"expired", a.server(old, oldKey, false), files(TLSFiles{CAFile: a.file}), "have it renewed"},
		{"other name", a.server(other, otherKey, false), files(TLSFiles{CAFile: a.file}), "for another host (elsewhere.example)"},
		{"no client certificate", a.server(cert, key, true), files(TLSFiles{CAFile: a.file}), "wants a client certificate; set kafka.tls.cert_file"},
		{"expired client certificate", a.server(cert, key, true), files(TLSFiles{CAFile: a.file, CertFile: old, KeyFile: oldKey}), "is expired since"},
		{"client certificate of another CA", a.server(cert, key, true), files(TLSFiles{CAFile: a.file, CertFile: strange, KeyFile: strangeKey}), "signed by a CA which the broker trusts"},
		{"CA file missing", a.server(cert, key, false), files(TLSFiles{CAFile: "/does/not/exist"}), "kafka.tls.ca_file cannot be read"},
		{"client certificate missing", a.server(cert, key, false), files(TLSFiles{CAFile: a.file, CertFile: "/does/not/exist", KeyFile: oldKey}), "kafka.tls.cert_file and kafka.tls.key_file cannot be read"},
		{"plaintext to a TLS port", a.server(cert, key, false), func(*Config) {}, "TLS"}, // Kafka answers with an alert and then gets a sentence of its own, Go's server just ends
		{"TLS to a plaintext port", nil, files(TLSFiles{CAFile: a.file}), "TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var options []kfake.Opt
			if tc.server != nil {
				options = append(options, kfake.TLS(tc.server))
			}
			w := newRealWorld(t, 1, 1, options...)
			c := w.client(tc.client, func(c *Config) { c.DialTimeout = time.Second })
			mustSay(t, c, tc.words)
		})
	}
}

// A certificate that is renewed on disk is used by the next connection, without a restart.
func TestRenewedCertificateIsPickedUp(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.issue("broker", "127.0.0.1", time.Now().Add(time.Hour))
	mine, mineKey := a.issue("me", "me", time.Now().Add(-time.Minute))
	w := newRealWorld(t, 1, 1, kfake.TLS(a.server(cert, key, true)))
	c := w.client(func(c *Config) { c.TLSFiles = &TLSFiles{CAFile: a.file, CertFile: mine, KeyFile: mineKey} })
	if err := c.Ping(t.Context()); err == nil {
		t.Fatal("an expired certificate was taken")
	}
	a.issue("me", "me", time.Now().Add(time.Hour))
	mustPublish(t, c.Partition(testTopic, 0), new(ledger), "a")
}

func TestSASLMechanisms(t *testing.T) {
	for _, mechanism := range []string{MechanismPlain, MechanismScramSHA256, MechanismScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, 1, kfake.EnableSASL(), kfake.Superuser(mechanism, "bridge", "secret"))
				login := func(user, password string) func(*Config) {
					return func(c *Config) { c.SASL = SASL{Mechanism: mechanism, Username: user, Password: password} }
				}
				p := w.client(login("bridge", "secret")).Partition(testTopic, 0)
				mustPublish(t, p, new(ledger), "a")
				mustHold(t, p, "a")
				mustSay(t, w.client(login("bridge", "wrong")), `refused the login of the user "bridge" by `+mechanism)
				mustSay(t, w.client(login("nobody", "secret")), "refused the login")
				mustSay(t, w.client(func(c *Config) {
					c.SASL = SASL{Mechanism: MechanismPlain, Username: "bridge", PasswordFile: "/does/not/exist"}
				}), "kafka.sasl.password_file cannot be read")
				mustSay(t, w.client(), "wants a login; set kafka.sasl")
			})
		})
	}
}

func TestUnsupportedMechanismIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1, kfake.EnableSASL(), kfake.Superuser(MechanismPlain, "bridge", "secret"))
		mustSay(t, w.client(func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismScramSHA256, Username: "bridge", Password: "secret"}
		}), "refused the login")
	})
	for code, words := range map[int16]string{kerr.UnsupportedSaslMechanism.Code: "does not offer the SASL mechanism PLAIN", kerr.IllegalSaslState.Code: "takes no login; remove kafka.sasl"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, 1)
			w.cluster.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) { // as Kafka answers
				res := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
				res.ErrorCode = code
				return res, nil, true
			})
			mustSay(t, w.client(func(c *Config) {
				c.SASL = SASL{Mechanism: MechanismPlain, Username: "bridge", Password: "secret"}
			}), words)
		})
	}
}

// Design 11: expired credentials are waited out; a password mended on disk is used without a restart.
func TestMendedPasswordIsPickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte("wrong\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, 1, 1, kfake.EnableSASL(), kfake.Superuser(MechanismScramSHA512, "bridge", "secret"))
		p := w.client(func(c *Config) {
			c.SASL = SASL{Mechanism: MechanismScramSHA512, Username: "bridge", PasswordFile: file}
		}).Partition(testTopic, 0)
		done := make(chan struct{})
		go func() {
			mustPublish(t, p, new(ledger), "a")
			close(done)
		}()
		time.Sleep(time.Minute)
		if s := p.Status(); s.OK || s.Class != "login-refused" {
			t.Errorf("status %+v", s)
		}
		if err := os.WriteFile(file, []byte("secret\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		<-done
		mustHold(t, p, "a")
	})
}

func TestPasswordIsNotShown(t *testing.T) {
	s := SASL{Mechanism: MechanismPlain, Username: "bridge", Password: "secret"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, Config{SASL: s}); strings.Contains(out, "secret") {
			t.Errorf("%s shows %s", verb, out)
		}
	}
}

// A user without the permission waits, says so, and goes on when it is granted.
func TestMissingPermissionIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		may := func(op kmsg.ACLOperation) kfake.ACL {
			return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: testTopic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
		}
		w := newWorld(t, 1, 1, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser(MechanismPlain, "admin", "admin"),
			kfake.User(MechanismPlain, "reader", "r", may(kmsg.ACLOperationRead)),
			kfake.User(MechanismPlain, "writer", "w", may(kmsg.ACLOperationWrite)),
			kfake.User(MechanismPlain, "bridge", "b", may(kmsg.ACLOperationWrite), may(kmsg.ACLOperationRead), may(kmsg.ACLOperationDescribeConfigs)),
			kfake.User(MechanismPlain, "nobody", "n"))
		as := func(user string) func(*Config) {
			return func(c *Config) { c.SASL = SASL{Mechanism: MechanismPlain, Username: user, Password: user[:1]} }
		}
		for user, want := range map[string]map[string]Level{
			"bridge": {"reachable": LevelOK, "producer-id": LevelOK, "exists": LevelOK, "permissions": LevelOK},
			"writer": {"producer-id": LevelOK, "exists": LevelOK, "permissions": LevelFail, "configs": LevelWarn},
			"reader": {"producer-id": LevelFail, "exists": LevelOK, "permissions": LevelFail},
			"nobody": {"producer-id": LevelFail, "exists": LevelFail},
		} {
			list, err := w.client(as(user)).Check(t.Context(), []TopicSpec{{Name: testTopic}})
			if err != nil {
				t.Fatal(err)
			}
			got := levels(list)
			for what, level := range want {
				if got[what] != level {
					t.Errorf("%s: %s is %q, want %q: %v", user, what, got[what], level, list)
				}
			}
		}
		p := w.client(as("bridge")).Partition(testTopic, 0)
		mustPublish(t, p, new(ledger), "a")
		mustHold(t, p, "a")
		c := w.client(as("nobody"))
		ctx, cancel := contextWithTimeout(t, time.Minute)
		defer cancel()
		if _, err := c.Partition(testTopic, 0).Publish(ctx, Batch{Messages: texts("x"), From: -1}); err == nil {
			t.Error("published without a permission")
		}
		if s := c.Partition(testTopic, 0).Status(); s.Class != "not-authorized" {
			t.Errorf("status %+v", s)
		}
	})
}
