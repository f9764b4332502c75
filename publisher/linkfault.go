package publisher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
)

// linkRule says what failed below Kafka's codes. Each sentence says what to look at: these are the faults of a first afternoon, and
// the bare error is known to mislead.
func linkRule(e *linkError) rule {
	var dns *net.DNSError
	var code kafka.Error
	switch {
	case errors.As(e.err, &dns):
		return rule{classRetry, "name-unknown", fmt.Sprintf("the name of the broker %s cannot be resolved; check kafka.brokers, the broker's advertised.listeners and DNS", e.addr)}
	case e.stage == stageFiles:
		return rule{classRetry, "files", fmt.Sprintf("%v; put the file right, it is read again for each connection", e.err)}
	case e.stage == stageLogin:
		return loginRule(e)
	case isTLS(e):
		return tlsRule(e)
	case errors.As(e.err, &code):
		r := ruleFor(code)
		return rule{classRetry, r.label, r.sentence}
	case e.stage == stageHello && strings.Contains(e.err.Error(), "expecting TLS"): // kafka-go has recognized an alert, and has no type for it
		return rule{classRetry, "tls", fmt.Sprintf("%s expects TLS; set kafka.tls.enabled, or name the plaintext port in kafka.brokers", e.addr)}
	case cut(e.err) && e.stage == stageHello:
		return rule{classRetry, "closed-at-once", closedAtOnce(e)}
	case cut(e.err) && e.fresh && e.settings().SASL.Mechanism == "":
		return rule{classRetry, "login-wanted", fmt.Sprintf("%s ended the connection at its first request: most likely it wants a login; set kafka.sasl, or name a port without one in kafka.brokers", e.addr)}
	case errors.Is(e.err, context.DeadlineExceeded):
		return rule{classRetry, "no-answer", fmt.Sprintf("%s did not answer in time; check that it is up and not overloaded", e.addr)}
	case errors.Is(e.err, syscall.ECONNREFUSED):
		return rule{classRetry, "refused", fmt.Sprintf("nothing listens at %s; check that the broker is up and kafka.brokers names its port", e.addr)}
	case e.stage == stageDial:
		return rule{classRetry, "unreachable", fmt.Sprintf("no connection to %s; check the network and kafka.brokers", e.addr)}
	}
	return rule{classRetry, "cut", fmt.Sprintf("the connection to %s ended before the answer; check that the broker is up, and the network", e.addr)}
}

// cut reports whether the other side has ended the connection.
func cut(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// closedAtOnce says why a broker closes a connection without an answer. After a TLS handshake it is mostly our certificate: its alert
// may be lost on the way.
func closedAtOnce(e *linkError) string {
	if e.settings().secured() {
		return "most likely " + clientCertificate(e)
	}
	return fmt.Sprintf("%s closed the connection at once; it may expect TLS (kafka.tls), or not be a Kafka broker: check kafka.brokers", e.addr)
}

// loginRule says why a login did not succeed.
func loginRule(e *linkError) rule {
	s := e.settings().SASL
	var offered *mechanismError
	switch {
	case errors.As(e.err, &offered) && len(offered.offers) > 0:
		return rule{classRetry, "login-refused", fmt.Sprintf("%s does not offer the SASL mechanism %s, it offers %s; set kafka.sasl.mechanism to one of them", e.addr, s.Mechanism, strings.Join(offered.offers, ", "))}
	case errors.Is(e.err, kafka.UnsupportedSASLMechanism):
		return rule{classRetry, "login-refused", fmt.Sprintf("%s does not offer the SASL mechanism %s; set kafka.sasl.mechanism to one that it offers", e.addr, s.Mechanism)}
	case errors.Is(e.err, kafka.IllegalSASLState):
		return rule{classRetry, "login-refused", fmt.Sprintf("%s takes no login; remove kafka.sasl, or name the SASL port in kafka.brokers", e.addr)}
	case errors.Is(e.err, errRefused), errors.Is(e.err, kafka.SASLAuthenticationFailed), errors.Is(e.err, kafka.UnacceptableCredential):
		return rule{classRetry, "login-refused", fmt.Sprintf("%s refused the login of the user %q by %s; check kafka.sasl.username, kafka.sasl.password_file, and that the cluster has this user for this mechanism", e.addr, s.Username, s.Mechanism)}
	case errors.Is(e.err, context.DeadlineExceeded):
		return rule{classRetry, "no-answer", fmt.Sprintf("%s did not answer the login in time; check that it is up and not overloaded", e.addr)}
	}
	return rule{classRetry, "login", fmt.Sprintf("the login of the user %q at %s by %s did not succeed; check kafka.sasl", s.Username, e.addr, s.Mechanism)}
}

// mechanismError is a broker's answer to a mechanism that it does not take.
type mechanismError struct {
	mechanism string
	offers    []string
	err       kafka.Error
}

func newMechanismError(mechanism string, h *saslhandshake.Response) *mechanismError {
	return &mechanismError{mechanism, h.Mechanisms, kafka.Error(h.ErrorCode)}
}

func (e *mechanismError) Error() string { return fmt.Sprintf("mechanism %s: %v", e.mechanism, e.err) }
func (e *mechanismError) Unwrap() error { return e.err }

// isTLS reports whether it is TLS that failed: in the handshake, or, with TLS 1.3, by an alert after it.
func isTLS(e *linkError) bool {
	var op *net.OpError
	return e.stage == stageTLS || errors.As(e.err, &op) && op.Op == "remote error"
}

// tlsRule says why there is no TLS connection.
func tlsRule(e *linkError) rule {
	var record tls.RecordHeaderError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var verification *tls.CertificateVerificationError
	var op *net.OpError
	sentence := fmt.Sprintf("no TLS connection to %s; check that kafka.brokers names its TLS port, and kafka.tls", e.addr)
	switch {
	case errors.As(e.err, &record), cut(e.err):
		sentence = fmt.Sprintf("%s does not speak TLS; name its TLS port in kafka.brokers, or set kafka.tls.enabled to false", e.addr)
	case errors.As(e.err, &invalid) && invalid.Reason == x509.Expired:
		sentence = fmt.Sprintf("the certificate of the broker %s is expired or not valid yet; have it renewed, and check the clock here", e.addr)
	case errors.As(e.err, &host):
		sentence = fmt.Sprintf("the certificate of the broker %s is for another host (%s); name the broker so in kafka.brokers and its advertised.listeners, or have a certificate issued for the name that is used", e.addr, hostsOf(host.Certificate))
	case errors.As(e.err, &verification):
		sentence = fmt.Sprintf("the certificate of the broker %s is signed by a CA that is not trusted here; set kafka.tls.ca_file to the file of the CA that signed it", e.addr)
	case errors.Is(e.err, context.DeadlineExceeded):
		sentence = fmt.Sprintf("%s did not answer the TLS handshake in time; check that it is up, and that kafka.brokers names its TLS port", e.addr)
	case errors.As(e.err, &op) && op.Op == "remote error":
		sentence = clientCertificate(e)
	}
	return rule{classRetry, "tls", sentence}
}

// hostsOf lists whom a certificate is for.
func hostsOf(c *x509.Certificate) string {
	hosts := c.DNSNames
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	if len(hosts) == 0 {
		return "it names none"
	}
	return strings.Join(hosts, ", ")
}

// clientCertificate says why a broker may have refused ours. Its alert does not tell: for one that is expired, of an unknown CA, or not
// there, brokers send what they like.
func clientCertificate(e *linkError) string {
	files := e.settings().TLSFiles
	if files == nil || files.CertFile == "" {
		return fmt.Sprintf("%s wants a client certificate; set kafka.tls.cert_file and kafka.tls.key_file", e.addr)
	}
	if until, ok := files.expired(time.Now()); ok {
		return fmt.Sprintf("%s refused the client certificate %s, which is expired since %s; renew the files of kafka.tls.cert_file and kafka.tls.key_file", e.addr, files.CertFile, until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s refused the client certificate %s; set kafka.tls.cert_file and kafka.tls.key_file to one that is signed by a CA which the broker trusts", e.addr, files.CertFile)
}

// deniedError is Kafka's answer that the user may not do something.
type deniedError struct {
	operation string // Kafka's name of the ACL that is missing
	topic     string // "" = the cluster
	user      string
	err       kafka.Error
}

func (e *deniedError) Error() string { return e.err.Error() }
func (e *deniedError) Unwrap() error { return e.err }

func (e *deniedError) rule() rule { return rule{classRetry, "not-authorized", e.sentence()} }

func (e *deniedError) sentence() string {
	if e.topic == "" {
		return fmt.Sprintf("%s may not use a producer id; grant the ACL Write on the topics, or (brokers before 2.8) IdempotentWrite on the cluster", e.user)
	}
	may := map[string]string{
		"Write": "write to", "Read": "read", "Describe": "see", "DescribeConfigs": "read the settings of", "Create": "create",
		"Alter": "add partitions to", "AlterConfigs": "change the settings of",
	}
	grant := e.operation
	switch e.operation {
	case "Describe":
		grant = "Write, Read and Describe"
	case "Read":
		grant = "Read, by which what arrived is seen after a fault,"
	case "Create":
		return fmt.Sprintf("%s may not create the topic %s; grant the ACL Create on it or on the cluster, or have somebody else create it", e.user, e.topic)
	}
	return fmt.Sprintf("%s may not %s the topic %s; grant the ACL %s on it", e.user, may[e.operation], e.topic, grant)
}

// denied is the error for a broker's code, which says what is missing where that is a permission.
func (c *Config) denied(operation, topic string, code kafka.Error) error {
	if code != kafka.TopicAuthorizationFailed && code != kafka.ClusterAuthorizationFailed {
		return code
	}
	return &deniedError{operation, topic, c.user(), code}
}

// deniedWrite is err, an answer to Produce, in which a missing permission says what it is.
func (c *Config) deniedWrite(topic string, err error) error {
	var answer *produceError
	if !errors.As(err, &answer) {
		return err
	}
	var denied *deniedError
	if errors.As(c.denied("Write", topic, answer.code), &denied) {
		return denied
	}
	return err
}

// user is who the brokers take us for.
func (c *Config) user() string {
	switch {
	case c.SASL.Mechanism != "":
		return fmt.Sprintf("the user %q", c.SASL.Username)
	case c.TLSFiles != nil && c.TLSFiles.CertFile != "":
		return "the user of the client certificate"
	}
	return "User:ANONYMOUS"
}
