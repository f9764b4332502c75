package ingest

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate puts a self-signed pair for 127.0.0.1 into files and dates it.
func writeCertificate(t *testing.T, files TLS, serial int64, modified time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "bridge"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeDated(t, files.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), modified)
	writeDated(t, files.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), modified)
}

func writeDated(t *testing.T, file string, content []byte, modified time.Time) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func tlsFixture(t *testing.T) (*fixture, TLS) {
	t.Helper()
	dir := t.TempDir()
	files := TLS{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	writeCertificate(t, files, 1, time.Unix(clock, 0))
	return newFixture(t, func(cfg *Config, _ *storeDouble) { cfg.TLS = files }), files
}

// dialTLS returns a peer and the serial number of the certificate it was shown.
func (f *fixture) dialTLS(t *testing.T) (*peer, int64) {
	t.Helper()
	p := f.dial(t)
	client := tls.Client(p.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}) //nolint:gosec // a self-signed test certificate
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	p.Conn, p.in = client, bufio.NewReader(client)
	return p, client.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// HTTPS carries the same endpoint: kept connections, refusals that net/http would
// word, early refusals.
func TestTLSCarriesTheSameEndpoint(t *testing.T) {
	t.Parallel()
	f, _ := tlsFixture(t)
	p, _ := f.dialTLS(t)
	for range 3 {
		p.send(goodRequest())
		if a := p.receive(); a.status != 200 || a.closing {
			t.Fatalf("got %d, closing %t", a.status, a.closing)
		}
	}
	p.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\nabc")
	if a := p.receive(); a.status != 413 || !p.ended() {
		t.Errorf("got %d", a.status)
	}
	p, _ = f.dialTLS(t)
	p.send("hello\r\n\r\n")
	if a := p.receive(); a.status != 400 || !p.ended() {
		t.Errorf("got %d", a.status)
	}
}

// Plain HTTP to the TLS port is told so, in JSON.
func TestPlainHTTPToTLSPort(t *testing.T) {
	t.Parallel()
	f, _ := tlsFixture(t)
	p := f.dial(t)
	p.send(goodRequest())
	if a := p.receive(); a.status != 400 || !strings.Contains(a.ErrorInfo, "https://") || !p.ended() {
		t.Errorf("got %d %q", a.status, a.ErrorInfo)
	}
	if n := f.tally[Malformed].Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// Under the race detector: closing the server does not touch what the goroutine
// that answers plain HTTP on a TLS port is changing.
func TestCloseWhilePlainHTTPIsAnswered(t *testing.T) {
	t.Parallel()
	f, _ := tlsFixture(t)
	p := f.dial(t)
	p.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = f.Close() // what it says of the one connection is of no interest
}

func TestTLSBelow12IsRefused(t *testing.T) {
	t.Parallel()
	f, _ := tlsFixture(t)
	client := tls.Client(f.dial(t), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}) //nolint:gosec // the point of the test
	if err := client.Handshake(); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

// Renewed files are served without a restart; what is half renewed, broken or gone
// leaves the old certificate in use and is logged once.
func TestRenewedCertificateIsServed(t *testing.T) {
	t.Parallel()
	f, files := tlsFixture(t)
	shown := func() int64 {
		f.seconds.Add(2)
		p, serial := f.dialTLS(t)
		_ = p.Close()
		return serial
	}
	if got := shown(); got != 1 {
		t.Fatalf("serial %d", got)
	}
	writeCertificate(t, files, 2, time.Unix(clock+60, 0))
	if got := shown(); got != 2 {
		t.Errorf("renewed: serial %d", got)
	}
	next := TLS{CertFile: filepath.Join(t.TempDir(), "crt"), KeyFile: filepath.Join(t.TempDir(), "key")}
	writeCertificate(t, next, 3, time.Unix(clock+120, 0))
	if err := os.Rename(next.CertFile, files.CertFile); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := shown(); got != 2 {
			t.Errorf("half renewed: serial %d", got)
		}
	}
	if err := os.Rename(next.KeyFile, files.KeyFile); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != 3 {
		t.Errorf("wholly renewed: serial %d", got)
	}
	if err := os.Remove(files.KeyFile); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := shown(); got != 3 {
			t.Errorf("gone: serial %d", got)
		}
	}
	logs := f.logs.String()
	if bad, good := strings.Count(logs, "not usable"), strings.Count(logs, "read again"); bad != 2 || good != 2 {
		t.Errorf("%d failures and %d readings logged, want 2 and 2: %s", bad, good, logs)
	}
}

// A pair that could not be used is tried again, though its files look the same: a
// permission may have been mended.
func TestUnusableCertificateIsTriedAgain(t *testing.T) {
	t.Parallel()
	f, files := tlsFixture(t)
	renewed := time.Unix(clock+60, 0)
	writeCertificate(t, files, 2, renewed)
	good, err := os.ReadFile(files.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		content []byte
		serial  int64
	}{{bytes.Repeat([]byte("x"), len(good)), 1}, {good, 2}} {
		writeDated(t, files.CertFile, step.content, renewed)
		f.seconds.Add(2)
		if _, serial := f.dialTLS(t); serial != step.serial {
			t.Errorf("serial %d, want %d", serial, step.serial)
		}
	}
}

func TestUnusableCertificateFailsTheStart(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.TLS = TLS{CertFile: "/nonexistent/tls.crt", KeyFile: "/nonexistent/tls.key"}
	if _, err := New(cfg, &storeDouble{}, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "http.tls") {
		t.Errorf("got %v", err)
	}
}
