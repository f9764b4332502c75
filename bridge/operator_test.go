package bridge

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// P7: the address alone must not open the operator's listener to other machines:
// the fault names the key, its place and what to do.
func TestAnUnguardedOperatorsListenerIsRefused(t *testing.T) {
	t.Parallel()
	const want = `c.yaml:2:15: ops.listen: ":9090" can be reached from other machines, and nothing guards it: ` +
		"set ops.password_file (the user is operator), or ops.tls with client_ca_file, or listen on 127.0.0.1"
	checkFaults(t, loadYAML(t, oneApp+"ops: {listen: \":9090\"}\n"), want)
	cert, key := keyPairFiles(t)
	checkFaults(t, loadYAML(t, oneApp+fmt.Sprintf("ops: {listen: \":9090\", tls: {cert_file: %s, key_file: %s}}\n", cert, key)), want) // TLS asks nobody
	checkFaults(t, loadYAML(t, oneApp+fmt.Sprintf("ops: {listen: \":9090\", tls: {cert_file: %s, key_file: %s, client_ca_file: %s}}\n", cert, key, cert)))
	checkFaults(t, loadYAML(t, oneApp+"ops: {listen: \":9090\", password_file: "+writeFile(t, "password", "a long password\n")+"}\n"))
}

func TestWhatGuardsTheOperatorsListenerIsChecked(t *testing.T) {
	t.Parallel()
	file, short, empty := writeFile(t, "password", "a long password"), writeFile(t, "short", "short"), writeFile(t, "empty", "\n")
	cert, key := keyPairFiles(t)
	for text, want := range map[string]string{
		"{password: a long password, password_file: " + file + "}":                              "c.yaml:2:49: ops.password_file: is given and password as well; give one of them",
		"{password_file: " + short + "}":                                                        "c.yaml:2:22: ops.password_file: is shorter than 12 characters; make a long one, as openssl rand -hex 16 does",
		"{password_file: " + empty + "}":                                                        "c.yaml:2:22: ops.password_file: " + empty + " holds no password",
		"{tls: {cert_file: " + cert + "}}":                                                      "c.yaml:2:24: ops.tls.cert_file: is given without key_file; give both or none",
		"{tls: {client_ca_file: " + cert + "}}":                                                 "c.yaml:2:29: ops.tls.client_ca_file: is given without cert_file and key_file; clients can show a certificate only over TLS",
		fmt.Sprintf("{tls: {cert_file: %s, key_file: %s, client_ca_file: %s}}", cert, key, key): "holds no PEM certificate",
	} {
		got := faultLines(loadYAML(t, oneApp+"ops: "+text+"\n"))
		if len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("%s:\n got %q\nwant %q", text, got, want)
		}
	}
}

// P7: the password reaches the door, over TLS too, and a new one counts without a
// restart; probes need none.
func TestThePasswordGuardsTheOperatorsListener(t *testing.T) {
	cert, key := keyPairFiles(t)
	file := writeFile(t, "password", "the first password\n")
	b := runWith(t, func(c *Config) {
		c.Ops.PasswordFile, c.Ops.TLS = file, OpsTLS{CertFile: cert, KeyFile: key}
	})
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a certificate of the test's own
	}}
	answered := func(path, password string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+b.OpsAddr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("operator", password)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.ProtoMajor != 2 {
			t.Errorf("%s was answered over HTTP/%d; want 2", path, answer.ProtoMajor)
		}
		return answer.StatusCode
	}
	if got := answered("/status", "the first password"); got != http.StatusOK {
		t.Errorf("with the password: %d", got)
	}
	if err := os.WriteFile(file, []byte("the second password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]int{"the first password": http.StatusUnauthorized, "the second password": http.StatusOK} {
		if got := answered("/metrics", password); got != want {
			t.Errorf("after it was changed, %q was answered %d; want %d", password, got, want)
		}
	}
	if n := logged(b, "a secret of the operator's listener was given wrong", "omitted=0 peer=127.0.0.1 what=password"); n != 1 {
		t.Errorf("the log has %d lines of the wrong password; want one, with the peer", n)
	}
	if expiry := b.certificates()["ops"]; expiry.Unix() != 4e9 {
		t.Errorf("its certificate expires at %s", expiry)
	}
	if got := answered("/readyz", ""); got != http.StatusOK {
		t.Errorf("/readyz without the password: %d", got)
	}
}
