package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeFile writes a file into the test's folder and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokensFileHoldsOneTokenALine(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "tokens", "\uFEFFfirst\r\n\n  second  \n")
	s := loadYAML(t, "apps: [{sdk_app_id: 1, tokens_file: "+path+"}]\n")
	checkFaults(t, s)
	got, err := s.Config.Apps[0].ReadTokens()
	if diff := cmp.Diff([]string{"first", "second"}, got); diff != "" || err != nil {
		t.Errorf("error %v, tokens (-want +got):\n%s", err, diff)
	}
}

func TestPasswordFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "password", "old\n")
	sasl := KafkaSASL{PasswordFile: path}
	for _, want := range []string{"old", " new "} {
		if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := sasl.ReadPassword(); got != want || err != nil {
			t.Errorf("password %q, error %v; want %q", got, err, want)
		}
	}
}

// P7: what should hold a secret and does not is a fault, never "without".
func TestSecretFileFaultsNameTheirKey(t *testing.T) {
	t.Parallel()
	empty := writeFile(t, "empty", " \n")
	none := writeFile(t, "none", "\n")
	missing := filepath.Join(t.TempDir(), "missing")
	sasl := "kafka: {sasl: {mechanism: PLAIN, username: u, password_file: %s}}\n"
	checkFaults(t, loadYAML(t, fmt.Sprintf("apps:\n  - sdk_app_id: 1\n    tokens_file: %s\n"+sasl, empty, none)),
		fmt.Sprintf("c.yaml:3:18: apps[0].tokens_file: %s holds no token; write one a line", empty),
		fmt.Sprintf("c.yaml:4:62: kafka.sasl.password_file: %s holds no password", none),
	)
	checkFaults(t, loadYAML(t, fmt.Sprintf("apps:\n  - sdk_app_id: 1\n    tokens_file: %s\n"+sasl, missing, missing)),
		fmt.Sprintf("c.yaml:3:18: apps[0].tokens_file: %s cannot be read: no such file or directory; check the path and who may read it", missing),
		fmt.Sprintf("c.yaml:4:62: kafka.sasl.password_file: %s cannot be read: no such file or directory; check the path and who may read it", missing),
	)
}

func TestASecretAndItsFileFromTheSameSourceAreAFault(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "secret", "from-file\n")
	environ := []string{"CHATBRIDGE_KAFKA_SASL_PASSWORD=p", "CHATBRIDGE_KAFKA_SASL_PASSWORD_FILE=" + file}
	yaml := oneApp + "kafka: {sasl: {mechanism: PLAIN, username: u}}\n"
	checkFaults(t, loadYAML(t, yaml, environ...),
		"CHATBRIDGE_KAFKA_SASL_PASSWORD_FILE: kafka.sasl.password_file: is given and password as well; give one of them")
}

func TestASecretFromAStrongerSourceReplacesBothForms(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "secret", "from-file\n")
	s := loadYAML(t, "apps: [{sdk_app_id: 1, tokens_file: /nowhere}]\nkafka: {sasl: {mechanism: PLAIN, username: u, password: weak}}\n",
		"CHATBRIDGE_APPS_0_TOKENS=strong", "CHATBRIDGE_KAFKA_SASL_PASSWORD_FILE="+file)
	checkFaults(t, s)
	if app := s.Config.Apps[0]; app.TokensFile != "" || app.Tokens[0] != "strong" {
		t.Errorf("app %+v", app)
	}
	if password, err := s.Config.Kafka.SASL.ReadPassword(); password != "from-file" || err != nil {
		t.Errorf("password %q, %v", password, err)
	}
}

// P7: a variable that was not filled in must not take the tokens away that the
// file gives, in either form.
func TestAnEmptyVariableTakesNoSecretAway(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "secret", "from-file\n")
	for _, app := range []string{"tokens: [given]", "tokens_file: " + file} {
		for _, variable := range []string{"CHATBRIDGE_APPS_0_TOKENS", "CHATBRIDGE_APPS_0_TOKENS_FILE"} {
			s := loadYAML(t, "apps: [{sdk_app_id: 1, "+app+"}]\n", variable+"=")
			if err := s.Err(); err == nil || !strings.Contains(err.Error(), variable+": apps[0].") {
				t.Errorf("%s and an empty %s: %v; want a fault that names the variable", app, variable, err)
			}
			if tokens, err := s.Config.Apps[0].ReadTokens(); err != nil || len(tokens) != 1 {
				t.Errorf("%s and an empty %s: tokens %q, %v; want the one that was given", app, variable, tokens, err)
			}
		}
	}
}

// An editor's line ends and its mark are no part of a password. (The publisher
// reads the file of a connection with the same function.)
func TestAPasswordIsWhatStandsInItsFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"pass word", "pass word\n", "pass word\r\n", "pass word\n\n", "\uFEFFpass word\n"} {
		s := KafkaSASL{PasswordFile: writeFile(t, "password", text)}
		if password, err := s.ReadPassword(); password != "pass word" || err != nil {
			t.Errorf("%q: password %q, %v", text, password, err)
		}
	}
}

// Without a token the path is the only secret: a short one is one, too.
func TestOfThePathTheFirstPartIsShown(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/callback":             "/callback",
		"/callback/sEcReT":      "/callback/********",
		"/callback/a/b":         "/callback/********/********",
		"/d41d8cd98f00b204e980": "/********",
		"/callback/":            "/callback/",
		"/":                     "/",
	} {
		s := loadYAML(t, oneApp+"http: {path: "+path+"}\n")
		var text strings.Builder
		if err := s.WriteYAML(&text, true); err != nil {
			t.Fatal(err)
		}
		masked, err := s.Masked()
		if err != nil {
			t.Fatal(err)
		}
		if got := masked["http"].(map[string]any)["path"]; got != want || !strings.Contains(text.String(), "  path: "+want+" #") {
			t.Errorf("%s is shown as %v; want %s, in\n%s", path, got, want, text.String())
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	secrets := []string{"tok-secret-1", "tok-secret-2", "pass-secret", "d41d8cd98f00b204e980"}
	s := loadYAML(t, `
http: {path: /callback/d41d8cd98f00b204e980}
apps: [{sdk_app_id: 1, tokens: [tok-secret-1, "tok-secret-2 "]}]
kafka: {sasl: {mechanism: PLAIN, username: u, password: pass-secret}}
`, "CHATBRIDGE_KAFKA_SASL_PASWORD=pass-secret")
	var text strings.Builder
	if err := s.WriteYAML(&text, true); err != nil {
		t.Fatal(err)
	}
	masked, err := s.Masked()
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(masked)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{"WriteYAML": text.String(), "Masked": string(asJSON), "Err": s.Err().Error()}
	for name, output := range outputs {
		for _, secret := range secrets {
			if strings.Contains(output, secret) {
				t.Errorf("%s shows %s:\n%s", name, secret, output)
			}
		}
	}
	for _, want := range []string{"tokens: ['********', '********']", "password: '********'", "path: /callback/********"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("WriteYAML lacks %q:\n%s", want, text.String())
		}
	}
}

// keyPairFiles writes a certificate and its key.
func keyPairFiles(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(4e9, 0)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))),
		writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	cert, key := keyPairFiles(t)
	_, otherKey := keyPairFiles(t)
	junk := writeFile(t, "junk", "junk")
	for _, c := range []struct {
		http ServerTLSFiles
		want string
	}{
		{ServerTLSFiles{CertFile: cert, KeyFile: key}, ""},
		{ServerTLSFiles{CertFile: cert}, "http.tls.cert_file: is given without key_file; give both or none"},
		{ServerTLSFiles{KeyFile: key}, "http.tls.key_file: is given without cert_file; give both or none"},
		{ServerTLSFiles{CertFile: cert, KeyFile: otherKey}, fmt.Sprintf("http.tls.cert_file: %s and %s are not a certificate and its key: tls: private key does not match public key", cert, otherKey)},
		{ServerTLSFiles{CertFile: cert, KeyFile: "missing"}, "http.tls.cert_file: missing cannot be read: no such file or directory; check the path and who may read it"},
	} {
		cfg := validConfig()
		cfg.HTTP.TLS = c.http
		checkConfigFaults(t, cfg, c.want)
	}
	for _, c := range []struct {
		tls  KafkaTLS
		want string
	}{
		{KafkaTLS{Enabled: true}, ""},
		{KafkaTLS{Enabled: true, CAFile: cert, CertFile: cert, KeyFile: key}, ""},
		{KafkaTLS{Enabled: true, CAFile: junk}, "kafka.tls.ca_file: " + junk + " holds no PEM certificate"},
		{KafkaTLS{CAFile: cert}, "kafka.tls.enabled: is false, but certificates are given; set it to true or remove them"},
	} {
		cfg := validConfig()
		cfg.Kafka.TLS = c.tls
		checkConfigFaults(t, cfg, c.want)
	}
}
