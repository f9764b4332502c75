package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/chatbridge/chatbridge/publisher"
)

// ReadTokens returns the app's tokens: as given, or as its file holds them now,
// one a line, blank lines and spaces around a token not counted. None and no
// error means that the app's callbacks are taken unsigned; a file without a
// token is an error, so that a secret that was not filled in does not mean that.
func (a AppConfig) ReadTokens() ([]string, error) {
	if a.TokensFile == "" {
		return a.Tokens, nil
	}
	text, err := readSecret(a.TokensFile)
	if err != nil {
		return nil, err
	}
	var tokens []string
	for line := range strings.Lines(strings.TrimPrefix(text, byteOrderMark)) {
		if token := strings.TrimSpace(line); token != "" {
			tokens = append(tokens, token)
		}
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("%s holds no token; write one a line", a.TokensFile)
	}
	return tokens, nil
}

// ReadPassword returns the password: as given, or as its file holds it now,
// without the newline at its end. It may be called at any time by any goroutine.
func (s KafkaSASL) ReadPassword() (string, error) { return readPassword(s.Password, s.PasswordFile) }

// ReadPassword returns the password of the operator's listener, as
// [KafkaSASL.ReadPassword] does; "" where there is none.
func (o OpsConfig) ReadPassword() (string, error) { return readPassword(o.Password, o.PasswordFile) }

// ReadActionToken returns the token of the page's actions, in the same way.
func (o OpsConfig) ReadActionToken() (string, error) {
	return readPassword(o.ActionToken, o.ActionTokenFile)
}

func readPassword(password, file string) (string, error) {
	if file == "" {
		return password, nil
	}
	text, err := readSecret(file)
	if err != nil {
		return "", err
	}
	if password = publisher.PasswordIn(text); password == "" {
		return "", fmt.Errorf("%s holds no password", file)
	}
	return password, nil
}

// readSecret reads a file that holds secrets. Its errors say what to do, and
// show nothing of what is in it.
func readSecret(path string) (string, error) {
	text, err := readBounded(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w; check the path and who may read it", path, cause(err))
	}
	return string(text), nil
}

// byteOrderMark is what some editors begin a text file with; in a secret it is
// never meant.
const byteOrderMark = "\uFEFF"

// readKeyPair reads a certificate chain and its key.
func readKeyPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := readSecret(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readSecret(keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its key: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

// readCertPool reads the certificates of those who are trusted.
func readCertPool(path string) (*x509.CertPool, error) {
	text, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, errors.New(path + " holds no PEM certificate")
	}
	return pool, nil
}
