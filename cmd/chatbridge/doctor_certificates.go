package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/chatbridge/chatbridge/publisher"
)

// soon is when a certificate's end is worth a warning.
const soon = 30 * 24 * time.Hour

// certificates looks at the dates of each certificate that is configured.
func (d *doctor) certificates(context.Context) {
	c, seen := d.cfg, 0
	for _, file := range []struct{ key, name string }{
		{"http.tls.cert_file", c.HTTP.TLS.CertFile},
		{"kafka.tls.ca_file", c.Kafka.TLS.CAFile},
		{"kafka.tls.cert_file", c.Kafka.TLS.CertFile},
		{"ops.tls.cert_file", c.Ops.TLS.CertFile},
		{"ops.tls.client_ca_file", c.Ops.TLS.ClientCAFile},
	} {
		if file.name == "" {
			continue
		}
		seen++
		if !d.faulty(file.key) { // else it was said of the configuration
			d.certificate(file.key, file.name)
		}
	}
	if seen == 0 {
		d.ok("certificates", "none is configured")
	}
}

// dated is the certificates of a file, by what their dates say.
type dated struct {
	usable int
	first  *x509.Certificate // of the usable ones, that which ends first
	early  *x509.Certificate // one that is not good yet
	over   *x509.Certificate // that which expired first
}

// sort looks at one more certificate.
func (c *dated) sort(cert *x509.Certificate, now time.Time) {
	earlier := func(than *x509.Certificate) bool { return than == nil || cert.NotAfter.Before(than.NotAfter) }
	switch {
	case now.Before(cert.NotBefore):
		c.early = cert
	case !now.Before(cert.NotAfter):
		if earlier(c.over) {
			c.over = cert
		}
	default:
		if c.usable++; earlier(c.first) {
			c.first = cert
		}
	}
}

// certificate looks at the dates in one file. Of authorities one that is good will
// do, as in a rotation; of a certificate and those that vouch for it, all must be.
func (d *doctor) certificate(key, name string) {
	check := "certificate " + key
	text, err := os.ReadFile(name)
	if err != nil {
		d.fail(check, "%v", err).do("put %s right", key)
		return
	}
	now, found := d.env.now(), dated{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			found.sort(cert, now)
		}
	}
	level, but, renew := publisher.LevelFail, "", "renew it; it is read again without a restart"
	if strings.HasSuffix(key, "ca_file") && found.usable > 0 {
		level, but = publisher.LevelWarn, fmt.Sprintf(", and %d in the file can be used", found.usable)
		renew = "take it out of the file when nobody is vouched for by it any more"
	}
	day := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	switch {
	case found == dated{}:
		d.fail(check, "%s holds no certificate in PEM", name).do("put %s right", key)
	case found.early != nil:
		d.add(level, check, fmt.Sprintf("%s (%s) is not good before %s%s", name, found.early.Subject, day(found.early.NotBefore), but)).
			do("check the clock of this machine, or have the certificate issued anew")
	case found.over != nil:
		d.add(level, check, fmt.Sprintf("%s (%s) has expired on %s%s", name, found.over.Subject, day(found.over.NotAfter), but)).do("%s", renew)
	case found.first.NotAfter.Sub(now) < soon:
		d.warn(check, "%s (%s) ends on %s, in %d days", name, found.first.Subject, day(found.first.NotAfter),
			int(found.first.NotAfter.Sub(now).Hours()/24)).do("renew it; it is read again without a restart")
	default:
		d.ok(check, "%s is good until %s", name, day(found.first.NotAfter))
	}
}
