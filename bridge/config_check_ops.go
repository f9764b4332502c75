package bridge

import (
	"net"
	"net/netip"
	"strings"

	"github.com/chatbridge/chatbridge/bridge/ops"
)

// guarded says whether the operator's listener asks who is there.
func (o OpsConfig) guarded() bool {
	return o.Password != "" || o.PasswordFile != "" || o.TLS.ClientCAFile != ""
}

// isLoopback says whether an address to listen on is for this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return host == "localhost"
}

// leastOpsPassword keeps the password from being guessed over the network.
const leastOpsPassword = 12

func (c *checker) ops() {
	o := c.config.Ops
	c.listen("ops.listen", o.Listen)
	if o.Listen == c.config.HTTP.Listen && !strings.HasSuffix(o.Listen, ":0") {
		c.fault("ops.listen", "is also http.listen; the operator's listener needs an address of its own")
	} else if !isLoopback(o.Listen) && !o.guarded() {
		c.fault("ops.listen", "%s can be reached from other machines, and nothing guards it: set ops.password_file "+
			"(the user is %s), or ops.tls with client_ca_file, or listen on 127.0.0.1", quote(o.Listen), ops.User)
	}
	c.keyPair("ops.tls", o.TLS.CertFile, o.TLS.KeyFile)
	if o.TLS.ClientCAFile != "" {
		if o.TLS.CertFile == "" {
			c.fault("ops.tls.client_ca_file", "is given without cert_file and key_file; clients can show a certificate only over TLS")
		}
		if _, err := readCertPool(o.TLS.ClientCAFile); err != nil {
			c.fault("ops.tls.client_ca_file", "%v", err)
		}
	}
	c.opsSecret("password", o.Password, o.PasswordFile, o.ReadPassword)
	c.opsSecret("action_token", o.ActionToken, o.ActionTokenFile, o.ReadActionToken)
}

// opsSecret checks a secret of ops, wherever it is, without showing it.
func (c *checker) opsSecret(name, given, file string, read func() (string, error)) {
	key := "ops." + name
	if file != "" {
		key += "_file"
	}
	switch secret, err := read(); {
	case given != "" && file != "":
		c.fault(key, "is given and %s as well; give one of them", name)
	case err != nil:
		c.fault(key, "%v", err)
	case secret != "" && len(secret) < leastOpsPassword:
		c.fault(key, "is shorter than %d characters; make a long one, as openssl rand -hex 16 does", leastOpsPassword)
	}
}
