package integration

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// TestNothingSecretIsShown: a bridge at log level debug lives through all that
// fills a log, with secrets planted wherever one can be: in messages, tokens,
// passwords, keys, signatures and the paths. None is in what it says: not in its
// log, not on the operator's pages, not in what commands print about it, not in the
// spans that it sends. Only those hold the tracestate of a request, which is made to
// be passed on; the ids of a trace are no secret.
//
// It is kfake on purpose, whatever else is there: what is looked at is the bridge,
// and TestKafkaSecurity looks at what a real Kafka's refusals bring into the log.
func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.send(v.good(1, 5, 3, 2, 2))
	v.send(v.hostile())
	v.sendRaw()
	v.look()

	v.logIn() // until now the password was a wrong one
	eventually(t, "the sink is well", func() error { return v.probe("/sinkz", http.StatusOK) })
	v.drained()
	v.look()

	v.kafka.kill()
	v.send(v.good(7, 6, 9, 12))
	eventually(t, "the outage is noticed", func() error { return v.probe("/sinkz", http.StatusServiceUnavailable) })
	v.look()
	v.kill()
	v.damage()
	v.set = append(v.set, "log.format=console")
	v.start()
	v.ready()
	v.look()
	v.kafka.start()
	v.drained()
	v.look()
	v.commands()
	v.signal(os.Interrupt)
	if code := v.exit(); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
	v.search()
}

// A vault is a bridge whose configuration and traffic are full of secrets, and all
// that it was seen to say.
type vault struct {
	*bridge
	kafka   *cluster
	ca      *authority
	client  *http.Client
	secrets map[string]string // the value, and what it is
	shown   map[string]string // where something was read, and what
	token   string
	dir     string

	spans   collector
	refused atomic.Bool // the collector has refused spans once
}

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{
		secrets: map[string]string{}, shown: map[string]string{}, ca: newAuthority(t, "a CA"), dir: newDir(t, "files"),
		spans: collector{t: t},
	}
	password := v.plant("the password")
	v.plantKey("the key of the bridge's listener", v.issue("server"))
	v.plantKey("the bridge's key towards Kafka", v.issue("kafka"))
	v.kafka = startKafka(t, v.secured(t, password))
	v.put(t, "rejected", v.plant("a password that is refused"))
	v.put(t, "password", password)
	v.put(t, "tokens", v.plant("a token of a file")+"\n"+v.plant("another one")+"\n")
	if err := os.Rename(v.file("rejected"), v.file("login")); err != nil {
		t.Fatal(err)
	}

	v.bridge = newBridge(t, v.kafka, "log.level=debug")
	for _, topic := range []string{v.events, v.dead} {
		v.kafka.makeTopic(topic, 1, "max.message.bytes=65536")
	}
	secretPath := "/callback/" + v.plant("a part of the path")
	v.token = v.plant("a token")
	v.url = "https" + strings.TrimSuffix(strings.TrimPrefix(v.url, "http"), "/callback") + secretPath
	u, err := url.Parse(v.url)
	if err != nil {
		t.Fatal(err)
	}
	spans := httptest.NewServer(http.HandlerFunc(v.collect))
	t.Cleanup(spans.Close)
	v.env = []string{"OTEL_EXPORTER_OTLP_HEADERS=x-team=chat,Authorization=Bearer%20" + v.plant("the collector's key")}
	opsPassword := v.plant("the password of the operator's listener")
	v.put(t, "chatbridge.yaml", v.configuration(u.Host, secretPath, opsPassword, spans.URL+"/for/"+v.plant("a part of the collector's path")))
	v.ops = "http://operator:" + opsPassword + "@" + strings.TrimPrefix(v.ops, "http://")
	v.config = v.file("chatbridge.yaml")
	pool := x509.NewCertPool()
	pool.AddCert(v.ca.cert)
	v.client = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(v.client.CloseIdleConnections)
	v.start()
	v.ready()
	return v
}

// secured is a Kafka that wants a certificate and a login, and takes small records.
func (v *vault) secured(t *testing.T, password string) spec {
	broker, mine := v.ca.issue("broker", "127.0.0.1", tomorrow()), v.ca.issue("tests", "tests", tomorrow())
	pair, err := tls.X509KeyPair([]byte(mine.cert), []byte(mine.key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(v.ca.cert)
	v.put(t, "ca.pem", v.ca.pem)
	return spec{
		fake: true, options: "secured",
		files: map[string][]byte{"ca.pem": []byte(v.ca.pem), "broker.pem": broker.both(), "password": []byte(password)},
		opts: []kgo.Opt{
			kgo.DialTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}),
			kgo.SASL(plain.Auth{User: keeper, Pass: password}.AsMechanism()),
		},
	}
}

func (v *vault) configuration(listen, path, opsPassword, collector string) string {
	return fmt.Sprintf(`http: {listen: %q, path: %q, tls: {cert_file: %q, key_file: %q}}
apps:
  - {sdk_app_id: %d, tokens: [%q]}
  - {sdk_app_id: %d, tokens_file: %q}
spool: {dir: %q, min_free: 32MiB}
kafka:
  brokers: %s
  topic: %s
  dead_letter_topic: %s
  callbacks_topic: %s
  create_topics: true
  tls: {enabled: true, ca_file: %q, cert_file: %q, key_file: %q}
  sasl: {mechanism: PLAIN, username: %s, password_file: %q}
ops: {listen: %q, password: %q, action_token: %q}
tracing: {endpoint: %q}
`, listen, path, v.file("server.pem"), v.file("server.key"), app, v.token, app+1, v.file("tokens"), v.spool,
		list(v.kafka.addr), v.events, v.dead, v.events+".callbacks", v.file("ca.pem"), v.file("kafka.pem"), v.file("kafka.key"),
		keeper, v.file("login"), strings.TrimPrefix(v.ops, "http://"), opsPassword, v.plant("the token of the page's actions"), collector)
}

// collect takes spans, and refuses the first of them with all that could be held
// against it.
func (v *vault) collect(w http.ResponseWriter, r *http.Request) {
	key, path := r.Header.Get("Authorization"), r.URL.Path
	r.URL.Path = "/v1/traces"
	if v.refused.CompareAndSwap(false, true) {
		v.spans.take(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, "%s is no key for %s", key, path)
		return
	}
	v.spans.take(w, r)
}

func (v *vault) file(name string) string { return filepath.Join(v.dir, name) }

func (v *vault) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(v.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes a certificate and its key, and returns the key.
func (v *vault) issue(name string) string {
	v.ca.t.Helper()
	p := v.ca.issue(name, "127.0.0.1", tomorrow())
	for file, text := range map[string]string{name + ".pem": p.cert, name + ".key": p.key} {
		if err := os.WriteFile(v.file(file), []byte(text), 0o600); err != nil {
			v.ca.t.Fatal(err)
		}
	}
	return p.key
}

// logIn puts the password right.
func (v *vault) logIn() {
	v.t.Helper()
	if err := os.Rename(v.file("password"), v.file("login")); err != nil {
		v.t.Fatal(err)
	}
}

// plant returns a new secret, which is looked for at the end.
func (v *vault) plant(what string) string {
	secret := strings.ToLower(rand.Text())
	v.secrets[secret] = what
	return secret
}

// plantKey has a key's lines looked for, but for the first, which is much the same
// in all keys.
func (v *vault) plantKey(what, text string) {
	for _, line := range strings.Split(text, "\n")[2:] {
		if !strings.HasPrefix(line, "-") && len(line) >= window {
			v.secrets[line] = what
		}
	}
}

// damage breaks a message that lies in the spool.
func (v *vault) damage() {
	v.t.Helper()
	segments, err := filepath.Glob(filepath.Join(v.spool, "*.seg"))
	if err != nil {
		v.t.Fatal(err)
	}
	for _, name := range segments {
		b, err := os.ReadFile(name)
		if err != nil {
			v.t.Fatal(err)
		}
		at := bytes.Index(b, []byte("TIMTextElem"))
		if at < 0 {
			continue
		}
		b[at]++
		if err := os.WriteFile(name, b, 0o600); err != nil {
			v.t.Fatal(err)
		}
		return
	}
	v.t.Fatal("there is no message in the spool")
}

// A plea is a request: its query is signed unless sign says otherwise.
type plea struct {
	path, command, sign, body string
	app                       int
	more                      url.Values // beside the usual parameters, or in their place
}

// good are messages of a group, and one of another command.
func (v *vault) good(numbers ...int) []plea {
	other := map[string]any{"CallbackCommand": "Group.CallbackAfterNewMemberJoin", "Text": v.plant("another command's text")}
	all := []plea{{command: "Group.CallbackAfterNewMemberJoin", body: written(other)}}
	for _, n := range numbers {
		all = append(all, plea{body: written(v.message(n)), more: url.Values{"Note": {v.plant("a parameter of the query")}}})
	}
	return all
}

// message is a callback with a secret in whatever people can write.
func (v *vault) message(number int) map[string]any {
	return map[string]any{
		"CallbackCommand": commandAfterSend, "GroupId": "@TGS#vault", "Type": "Public", "From_Account": "jared",
		"MsgSeq": number, "Random": number, "MsgTime": time.Now().Unix(), "EventTime": strconv.FormatInt(time.Now().UnixMilli(), 10),
		"CloudCustomData":                        v.plant("custom data"),
		v.plant("the name of an unknown member"): v.plant("an unknown member"),
		"MsgPriority":                            []string{v.plant("a value of a wrong type")},
		"MsgBody": []any{
			map[string]any{"MsgType": "TIMTextElem", "MsgContent": map[string]any{"Text": v.plant("message text")}},
			map[string]any{"MsgType": "TIMCustomElem", "MsgContent": map[string]any{"Data": v.plant("custom data of an element")}},
			map[string]any{"MsgType": v.plant("an unknown type"), "MsgContent": v.plant("content of an unknown type")},
		},
	}
}

func written(body any) string {
	b, _ := json.Marshal(body) // texts, numbers, lists and maps can be written
	return string(b)
}

// hostile are requests that are refused, bodies that cannot be read, and one that
// no topic takes.
func (v *vault) hostile() []plea {
	broken := func(what, form string) plea { return plea{body: fmt.Sprintf(form, v.plant(what))} }
	large := v.message(4)
	noise := make([]byte, 1<<18)
	_, _ = rand.Read(noise) // never fails
	large["MsgBody"] = []any{map[string]any{"MsgType": "TIMTextElem", "MsgContent": map[string]any{
		"Text": v.plant("the text of a large message") + base64.StdEncoding.EncodeToString(noise),
	}}}
	return []plea{
		// The log shows the first; ingest's own tests have the others, too.
		broken("the command in a body", `{"GroupId":"g","CallbackCommand":"%s"}`),
		broken("text that is no JSON", "%s"),
		broken("a body that ends early", `{"GroupId":"g","Text":"%s`),
		broken("a body with a broken escape", `{"GroupId":"g","Text":"%s\q"}`),
		broken("a name that is there twice", `{"GroupId":"g","%[1]s":1,"%[1]s":2}`),
		broken("a body without a group", `{"Text":"%s"}`),
		broken("a group that is a list", `{"GroupId":["%s"]}`),
		broken("a body that is nested deep", strings.Repeat("[", 100)+`"%s"`),
		broken("a body that is a list", `["%s"]`),
		{body: written(large)},
		{command: v.plant("a command"), body: v.plant("the body of an unknown command")},
		{sign: "none", body: v.plant("an unsigned body")},
		{sign: v.plant("a sign that is none"), body: v.plant("a wrongly signed body")},
		{app: 7, body: v.plant("a body of an unknown app")},
		{path: "/" + v.plant("another path"), body: v.plant("a body for another path")},
		{more: url.Values{"SdkAppid": {v.plant("an app")}}, body: v.plant("another body of an unknown app")},
		{more: url.Values{"RequestTime": {v.plant("a time")}}, body: v.plant("a body of a strange time")},
		{more: url.Values{"RequestTime": {"1700000000"}}, body: v.plant("an old body")},
		{body: v.plant("a body over the limit") + strings.Repeat("x", 1<<20)},
	}
}

// send posts them all, and keeps no answer: ErrorInfo is for the caller, who sent
// it all himself. Each signature is a secret, too.
func (v *vault) send(pleas []plea) {
	v.t.Helper()
	for _, p := range pleas {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		q := url.Values{
			"SdkAppid": {strconv.Itoa(app + p.app)}, "CallbackCommand": {commandAfterSend}, "contenttype": {"json"}, "RequestTime": {at},
		}
		if p.command != "" {
			q.Set("CallbackCommand", p.command)
		}
		maps.Copy(q, p.more)
		sum := sha256.Sum256([]byte(v.token + q.Get("RequestTime")))
		v.secrets[hex.EncodeToString(sum[:])] = "a signature"
		switch p.sign {
		case "":
			q.Set("Sign", hex.EncodeToString(sum[:]))
		case "none":
		default:
			q.Set("Sign", p.sign)
		}
		request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.url+p.path+"?"+q.Encode(), strings.NewReader(p.body))
		if err != nil {
			v.t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+v.plant("a header"))
		request.Header.Set("traceparent", callersParent)
		request.Header.Set("tracestate", "vendor="+v.plant(tracestate))
		response, err := v.client.Do(request)
		if err != nil {
			continue // the server may close on a body that is too large
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

// sendRaw sends what no client of HTTP would, in TLS and without.
func (v *vault) sendRaw() {
	v.t.Helper()
	u, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	junk := func(form string) string { return fmt.Sprintf(form, u.Path, v.plant("what is no request")) }
	for _, text := range []string{
		junk("POST %s?Sign=%s HTTP/9.9\r\n\r\n"),
		junk("POST %s?Sign=%s HTTP/1.1\r\nHost\r\n\r\n"),
		junk("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n"),
		junk("POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n"),
		junk("POST %s HTTP/1.1\r\nHost: x\r\nExpect: %s\r\nContent-Length: 5\r\n\r\n"),
		junk("GET %s/%%%s HTTP/1.1\r\nHost: x\r\n\r\n"),
		"POST " + u.Path + " HTTP/1.1\r\nHost: x\r\nX: " + v.plant("a long header") + strings.Repeat("x", 1<<20) + "\r\n\r\n",
	} {
		for _, encrypted := range []bool{true, false} {
			v.speak(u.Host, text, encrypted)
		}
	}
}

// speak sends text and waits until the server is done with it.
func (v *vault) speak(host, text string, encrypted bool) {
	v.t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		v.t.Fatal(err)
	}
	defer conn.Close()
	if encrypted {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // nothing is trusted here but that it answers
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		v.t.Fatal(err)
	}
	// The server may close before it has read all: that is an end, too.
	_, _ = io.WriteString(conn, text)
	_, _ = io.Copy(io.Discard, conn)
}

// look reads all of the operator's pages.
func (v *vault) look() {
	v.t.Helper()
	paths := []string{"/", "/status", "/sinkz", "/readyz", "/livez", "/metrics", "/group?group=%40TGS%23vault", "/letters/1"}
	for _, path := range paths {
		answer, err := opsClient.Get(v.ops + path)
		if err != nil {
			v.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			v.t.Fatal(err)
		}
		v.shown[fmt.Sprintf("%s (reading %d)", path, len(v.shown))] = string(text)
	}
}

// tracestate is what is planted in that header.
const tracestate = "a tracestate"

// commands asks those that show the configuration, the spool's state and Kafka's,
// also with settings that are wrong. What dump, tail and audit are there to show is
// the messages.
func (v *vault) commands() {
	v.t.Helper()
	for _, args := range [][]string{
		{"config", "check"}, {"config", "print", "--sources"}, {"topics", "check"}, {"topics", "apply"}, {"spool", "stat"},
		{"spool", "verify"}, {"health"}, {"status"}, {"status", "--json"}, {"doctor"}, {"doctor", "--json"},
		{"trace-message", "--group", "@TGS#vault", "--seq", "5"}, {"trace-message", "--group", "@TGS#vault", "--seq", "5", "--json"},
	} {
		v.command(nil, args...)
	}
	inline := []string{"--set", "kafka.sasl.password_file=", "--set", "kafka.sasl.password=" + v.plant("a password among the settings")}
	for _, args := range [][]string{{"config", "print", "--sources"}, {"topics", "check"}, {"doctor"}} {
		v.command(nil, append(args, inline...)...)
	}
	for _, header := range []string{"Authorization: Bearer %s", "Authorization: Bearer %s=", "key=%%%s"} {
		malformed := "OTEL_EXPORTER_OTLP_TRACES_HEADERS=" + fmt.Sprintf(header, "zz"+v.plant("a key that cannot be read"))
		for _, args := range [][]string{{"config", "check"}, {"config", "print"}, {"doctor"}, {"serve"}} {
			v.command([]string{malformed}, args...)
		}
	}
}

// command keeps what a command says with the bridge's settings.
func (v *vault) command(env []string, args ...string) {
	v.t.Helper()
	cmd := exec.CommandContext(v.t.Context(), program, append(args, v.settings()...)...)
	cmd.Env = append(append(os.Environ(), v.env...), env...)
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		v.t.Fatal(err)
	}
	if len(said) == 0 && args[0] != "health" {
		v.t.Errorf("%v said nothing", args)
	}
	v.shown[fmt.Sprintf("%s (command %d)", strings.Join(args[:min(2, len(args))], " "), len(v.shown))] = string(said)
}
