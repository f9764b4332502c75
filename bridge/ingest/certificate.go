package ingest

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// recheckFiles is how often, at most, a handshake looks whether the files changed.
const recheckFiles = time.Second

// certificate is the server's certificate, read again when its files change. A
// renewal that cannot be read, or is half done, leaves the old one in use.
type certificate struct {
	files TLS
	now   func() time.Time
	log   *zap.Logger

	mu      sync.Mutex // guards what follows
	current *tls.Certificate
	stamp   stamp // of the files as last read, well or not
	checked time.Time
	failing bool // the last reading failed
}

// stamp tells one version of the two files from another.
type stamp struct {
	certTime, keyTime time.Time
	certSize, keySize int64
}

// openCertificate reads the files for the first time.
func openCertificate(files TLS, now func() time.Time, log *zap.Logger) (*certificate, error) {
	c := &certificate{files: files, now: now, log: log, checked: now()}
	var err error
	if c.stamp, err = files.stamp(); err == nil {
		err = c.readLocked()
	}
	if err != nil {
		return nil, fmt.Errorf("read the certificate of http.tls: %w", err)
	}
	return c, nil
}

// config is a TLS configuration that serves c.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate of now.
func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= recheckFiles {
		c.checked = now
		c.refreshLocked()
	}
	return c.current
}

func (c *certificate) refreshLocked() {
	stamp, err := c.files.stamp()
	if err == nil && stamp == c.stamp && !c.failing {
		return
	}
	if err == nil {
		c.stamp = stamp
		err = c.readLocked()
	}
	if err != nil {
		if !c.failing {
			c.log.Warn("renewed certificate is not usable, the old one stays in use", zap.Error(err))
		}
		c.failing = true
		return
	}
	c.failing = false
	c.log.Info("certificate read again", zap.Time("not_after", c.current.Leaf.NotAfter))
}

func (c *certificate) readLocked() error {
	cert, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return err
	}
	c.current = &cert
	return nil
}

func (t TLS) stamp() (stamp, error) {
	cert, err := os.Stat(t.CertFile)
	if err != nil {
		return stamp{}, err
	}
	key, err := os.Stat(t.KeyFile)
	if err != nil {
		return stamp{}, err
	}
	return stamp{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}
