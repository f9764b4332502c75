package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"
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
		if file.name != "" {
			seen++
			d.certificate(file.key, file.name)
		}
	}
	if seen == 0 {
		d.ok("certificates", "none is configured")
	}
}

// certificate looks at the dates in one file: the first that ends decides.
func (d *doctor) certificate(key, name string) {
	check := "certificate " + key
	text, err := os.ReadFile(name)
	if err != nil {
		d.fail(check, "%v", err).do("put %s right", key)
		return
	}
	now := d.env.now()
	var first *x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue
		}
		if now.Before(cert.NotBefore) {
			d.fail(check, "%s (%s) is not good before %s", name, cert.Subject, cert.NotBefore.UTC().Format(time.RFC3339)).
				do("check the clock of this machine, or have the certificate issued anew")
			return
		}
		if first == nil || cert.NotAfter.Before(first.NotAfter) {
			first = cert
		}
	}
	if first == nil {
		d.fail(check, "%s holds no certificate in PEM", name).do("put %s right", key)
		return
	}
	end, left := first.NotAfter.UTC().Format(time.RFC3339), first.NotAfter.Sub(now)
	switch {
	case left <= 0:
		d.fail(check, "%s (%s) has expired on %s", name, first.Subject, end).do("renew it; it is read again without a restart")
	case left < soon:
		d.warn(check, "%s (%s) ends on %s, in %d days", name, first.Subject, end, int(left.Hours()/24)).do("renew it; it is read again without a restart")
	default:
		d.ok(check, "%s is good until %s", name, end)
	}
}
