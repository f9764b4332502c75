package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestKafkaSecurity: one Kafka with every kind of door. Through each of them the
// bridge and the commands work. At each that is shut the bridge goes on answering
// OK (P2), says in one sentence what is wrong and what to do (the runbook's), in
// the log, in /sinkz and from topics check, resumes by itself once the fault is
// mended, and has lost and doubled nothing meanwhile (P1, P4).
func TestKafkaSecurity(t *testing.T) {
	needsReal(t, "kfake's security is not Kafka's")
	needsOwn(t, "it starts a Kafka with listeners, certificates and users of its own")
	t.Parallel()
	f := startFortress(t, slices.Collect(maps.Keys(permissions()))...)
	for _, way := range waysIn() {
		t.Run("works/"+way.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, f)
			b := startBridge(t, f.cluster, way.set(c)...)
			ledger := newLedger(t)
			s := send(b, ledger, "--rate", "0", "--count", "300")
			audit(b, ledger)
			inOrderAsTailHasIt(t, b, s.MessagesStored)
			if findings, code := topicsCheck(b); code != 0 {
				t.Errorf("topics check: exit %d, %v", code, findings)
			}
		})
	}
	says := runbookSentences(t)
	for _, fault := range faults() {
		sentence, known := says[fault.name]
		if !known {
			t.Errorf("the runbook says nothing of the fault %q", fault.name)
			continue
		}
		delete(says, fault.name)
		t.Run("fault/"+fault.name, func(t *testing.T) {
			t.Parallel()
			newCaller(t, f).meets(fault, sentence)
		})
	}
	for name := range says {
		t.Errorf("the runbook speaks of the fault %q, which is not tested", name)
	}
}

// A caller is one configuration's way to a fortress, with files of its own.
type caller struct {
	*fortress
	t   testing.TB
	dir string
}

func newCaller(t testing.TB, f *fortress) *caller {
	t.Helper()
	return &caller{fortress: f, t: t, dir: newDir(t, "client")}
}

// put writes a file and returns its path. It takes the place of the one before at
// once, as tools do that renew certificates.
func (c *caller) put(name, text string) string {
	c.t.Helper()
	file := filepath.Join(c.dir, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// The settings by which a caller comes.
func (c *caller) by(listener string) string { return "kafka.brokers=" + c.at(listener) }

func (c *caller) login(mechanism, user, password string) []string {
	return []string{
		"kafka.sasl.mechanism=" + mechanism, "kafka.sasl.username=" + user,
		"kafka.sasl.password_file=" + c.put("password", password),
	}
}

func (c *caller) trusting(a *authority) []string {
	return []string{"kafka.tls.enabled=true", "kafka.tls.ca_file=" + c.put("ca.pem", a.pem)}
}

func (c *caller) showing(p pair) []string {
	return []string{"kafka.tls.cert_file=" + c.put("client.pem", p.cert), "kafka.tls.key_file=" + c.put("client.key", p.key)}
}

// mine is a client's certificate of the user that may do everything.
func (c *caller) mine(a *authority, until time.Time) pair { return a.issue(keeper, keeper, until) }

// all joins settings.
func all(sets ...[]string) []string { return slices.Concat(sets...) }

func one(s string) []string { return []string{s} }

// A wayIn is one of those that Kafka has.
type wayIn struct {
	name string
	set  func(*caller) []string
}

func waysIn() []wayIn {
	login := func(listener, mechanism string) func(*caller) []string {
		return func(c *caller) []string { return all(one(c.by(listener)), c.login(mechanism, keeper, secret)) }
	}
	return []wayIn{
		{"PLAINTEXT", func(c *caller) []string { return one(c.by(plainListener)) }},
		{"PLAIN", login(loginListener, "PLAIN")},
		{"SCRAM-SHA-256", login(loginListener, "SCRAM-SHA-256")},
		{"SCRAM-SHA-512", login(loginListener, "SCRAM-SHA-512")},
		{"SCRAM-SHA-512 over TLS", func(c *caller) []string {
			return all(login(loginTLSListener, "SCRAM-SHA-512")(c), c.trusting(c.ca))
		}},
		{"TLS", func(c *caller) []string { return all(one(c.by(tlsListener)), c.trusting(c.ca)) }},
		{"mutual TLS", func(c *caller) []string {
			return all(one(c.by(mutualListener)), c.trusting(c.ca), c.showing(c.mine(c.ca, tomorrow())))
		}},
	}
}

// A fault is a door that is shut, and how it is opened.
type fault struct {
	name string // as in the runbook
	set  func(*caller) []string
	// mend mends it while the bridge runs. Nil: the configuration is at fault, and
	// the bridge is started again with what the sentence says.
	mend  func(*caller, *bridge)
	right func(*caller) []string
}

func faults() []fault {
	scram := func(user, password string) func(*caller) []string {
		return func(c *caller) []string {
			return all(one(c.by(loginListener)), c.login("SCRAM-SHA-512", user, password))
		}
	}
	tls := func(listener string, trusted func(*caller) *authority) func(*caller) []string {
		return func(c *caller) []string { return all(one(c.by(listener)), c.trusting(trusted(c))) }
	}
	ca := func(c *caller) *authority { return c.ca }
	mutual := func(p func(*caller) pair) func(*caller) []string {
		return func(c *caller) []string { return all(tls(mutualListener, ca)(c), c.showing(p(c))) }
	}
	plain := func(c *caller) []string { return one(c.by(plainListener)) }
	renewed := func(c *caller, _ *bridge) { c.showing(c.mine(c.ca, tomorrow())) }
	list := []fault{
		{name: "wrong password, corrected in the file", set: scram(keeper, guess),
			mend: func(c *caller, _ *bridge) { c.put("password", secret+"\n") }},
		{name: "wrong password, corrected in the cluster", set: scram("newcomer", secret), mend: func(c *caller, _ *bridge) {
			c.allow("newcomer", "", kmsg.ACLOperationAll)
			c.setScram("newcomer", secret)
		}},
		{name: passwordAway, set: func(c *caller) []string {
			return all(one(c.by(loginListener)), c.login("SCRAM-SHA-256", keeper, secret))
		}, mend: func(c *caller, _ *bridge) { c.put("password", secret) }},
		{name: "wrong password by PLAIN", set: func(c *caller) []string {
			return all(one(c.by(loginListener)), c.login("PLAIN", keeper, guess))
		}, mend: func(c *caller, _ *bridge) { c.put("password", secret) }},
		{name: "mechanism that the broker does not offer", set: func(c *caller) []string {
			return all(one(c.by(scramListener)), c.login("PLAIN", keeper, secret))
		}, right: func(c *caller) []string {
			return all(one(c.by(scramListener)), c.login("SCRAM-SHA-512", keeper, secret))
		}},
		{name: "login where none is taken", set: func(c *caller) []string {
			return all(one(c.by(plainListener)), c.login("PLAIN", keeper, secret))
		}, right: plain},
		{name: "no login where one is wanted", set: func(c *caller) []string { return one(c.by(loginListener)) }, right: scram(keeper, secret)},
		{name: "plaintext to a TLS port", set: func(c *caller) []string { return one(c.by(tlsListener)) }, right: tls(tlsListener, ca)},
		{name: "TLS to a plaintext port", set: tls(plainListener, ca), right: plain},
		{name: "broker's certificate expired", set: tls(expiredListener, ca), mend: func(c *caller, _ *bridge) { c.renew(expiredListener, "expired.pem") }},
		{name: "broker's certificate of an unknown CA", set: tls(tlsListener, func(c *caller) *authority { return c.stranger }),
			mend: func(c *caller, _ *bridge) { c.put("ca.pem", c.ca.pem) }},
		{name: "broker's certificate for another host", set: tls(elsewhereListener, ca),
			mend: func(c *caller, _ *bridge) { c.renew(elsewhereListener, "elsewhere.pem") }},
		{name: "client certificate wanted", set: tls(mutualListener, ca), right: mutual(func(c *caller) pair { return c.mine(c.ca, tomorrow()) })},
		{name: "client certificate expired", set: mutual(func(c *caller) pair { return c.mine(c.ca, time.Now().Add(-time.Hour)) }), mend: renewed},
		{name: "client certificate of an unknown CA", set: mutual(func(c *caller) pair { return c.mine(c.stranger, tomorrow()) }), mend: renewed},
	}
	for user, p := range permissions() {
		list = append(list, fault{name: p.fault, set: func(c *caller) []string {
			return all(one(c.by(loginListener)), c.login("PLAIN", user, secret), one(fmt.Sprintf("kafka.create_topics=%v", p.creates)))
		}, mend: func(c *caller, b *bridge) {
			c.permit(user, b.events)
			c.permit(user, b.dead)
		}})
	}
	return list
}

const passwordAway = "password file away"

// A permission is what a user may do before the fault is mended: then all of it.
type permission struct {
	fault        string
	events, dead []kmsg.ACLOperation
	denied       []kmsg.ACLOperation // on the events topic, although it is allowed
	creates      bool                // the topics are not there
}

// permissions are the users of a fortress, each with a fault of its own.
func permissions() map[string]permission {
	const read, write, describe = kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe
	whole := []kmsg.ACLOperation{read, write, describe}
	return map[string]permission{
		"nowriter":    {fault: "no ACL to write", events: []kmsg.ACLOperation{read, describe}, dead: whole},
		"noreader":    {fault: "no ACL to read", events: []kmsg.ACLOperation{write, describe}, dead: whole},
		"nodescriber": {fault: "no ACL at all on the topic", dead: whole},
		"blind":       {fault: "ACL Describe denied", events: whole, dead: whole, denied: []kmsg.ACLOperation{describe}},
		"nobody":      {fault: "no ACL to write any topic", events: []kmsg.ACLOperation{read, describe}, dead: []kmsg.ACLOperation{read, describe}},
		"nodead":      {fault: "no ACL on the dead-letter topic", events: whole},
		"nocreator":   {fault: "no ACL to create topics", events: whole, dead: append(whole, kmsg.ACLOperationCreate), creates: true},
	}
}

// meets shows what a fault is promised to be like.
func (c *caller) meets(f fault, sentence *regexp.Regexp) {
	b := newBridge(c.t, c.cluster, append(f.set(c), "log.level=debug")...)
	c.prepare(f, b)
	b.start()
	b.ready()
	if f.name == passwordAway { // nothing starts without; the login ends soon
		eventually(c.t, "the sink is well", func() error { return b.probe("/sinkz", 200) })
		if err := os.Remove(filepath.Join(c.dir, "password")); err != nil {
			c.t.Fatal(err)
		}
	}
	ledger := newLedger(c.t)
	s := send(b, ledger, "--rate", "0", "--count", "200", "--groups", "20")
	if s.OK != s.Callbacks {
		c.t.Errorf("%d of %d callbacks were answered OK", s.OK, s.Callbacks)
	}
	post(c.t, b, query(commandAfterSend), []byte("not JSON"))
	eventually(c.t, "/sinkz says what is wrong", func() error { return b.sinkSays(sentence) })
	eventually(c.t, "the log says what is wrong", func() error {
		if b.logSays(sentence) == 0 {
			return errors.New("it does not")
		}
		return nil
	})
	if n := b.logSays(sentence); n != 1 {
		c.t.Errorf("the log says it %d times, want once:\n%s", n, tail(b.log, 20))
	}
	if f.name != passwordAway { // a command does not start then
		findings, code := topicsCheck(b)
		if code != 1 || !slices.ContainsFunc(findings, func(f finding) bool { return f.Level == "fail" && sentence.MatchString(f.Sentence) }) {
			c.t.Errorf("topics check: exit %d, %v; want 1 and %s", code, findings, sentence)
		}
	}
	if f.mend != nil {
		f.mend(c, b)
	} else {
		b.kill()
		b.set = append(c.settings(), f.right(c)...)
		b.start()
		b.ready()
	}
	audit(b, ledger)
	eventually(c.t, "the sink is well", func() error { return b.probe("/sinkz", 200) })
	if said, err := os.ReadFile(b.log); err != nil || bytes.Contains(said, []byte(secret)) || bytes.Contains(said, []byte(guess)) {
		c.t.Errorf("the log shows a password (%v)", err)
	}
	if findings, code := topicsCheck(b); code != 0 {
		c.t.Errorf("topics check after the fault: exit %d, %v", code, findings)
	}
}

// prepare makes the topics and the permissions that the fault is about.
func (c *caller) prepare(f fault, b *bridge) {
	for user, p := range permissions() {
		if p.fault != f.name {
			continue
		}
		if !p.creates {
			c.makeTopic(b.events, 3)
			c.makeTopic(b.dead, 1)
		}
		c.allow(user, b.events, p.events...)
		c.allow(user, b.dead, p.dead...)
		c.deny(user, b.events, p.denied...)
	}
}

// sinkSays returns an error unless /sinkz is 503 with a reason of that form.
func (b *bridge) sinkSays(sentence *regexp.Regexp) error {
	answer, err := opsClient.Get(b.ops + "/sinkz")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var sink struct{ Reasons []string }
	if err := json.Unmarshal(text, &sink); err != nil {
		return err
	}
	if answer.StatusCode != 503 || !slices.ContainsFunc(sink.Reasons, sentence.MatchString) {
		return fmt.Errorf("/sinkz: %s, %q; want %s", answer.Status, sink.Reasons, sentence)
	}
	return nil
}

// logSays counts the lines of the bridge's log with a sentence of that form.
func (b *bridge) logSays(sentence *regexp.Regexp) (n int) {
	b.t.Helper()
	text, err := os.ReadFile(b.log)
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var said struct{ Sentence, Finding string }
		if json.Unmarshal([]byte(line), &said) == nil && (sentence.MatchString(said.Sentence) || sentence.MatchString(said.Finding)) {
			n++
		}
	}
	return n
}

// finding is one of topics check.
type finding struct{ Level, Topic, What, Sentence string }

func topicsCheck(b *bridge) (findings []finding, code int) {
	b.t.Helper()
	stdout, stderr, code := run(b.t, append([]string{"topics", "check", "--json"}, b.settings()...)...)
	var result struct{ Findings []finding }
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		b.t.Fatalf("topics check: exit %d, %q, %s: %v", code, stdout, stderr, err)
	}
	return result.Findings, code
}

var (
	faultRow    = regexp.MustCompile("(?m)^\\| ([^|`]+) \\| `([^`]+)` \\|")
	placeholder = regexp.MustCompile(`<[a-z ]+>`)
)

// runbookSentences is the runbook's table of Kafka's faults: what is said, by
// fault, with anything at all for what it has in <>.
func runbookSentences(t testing.TB) map[string]*regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	says := map[string]*regexp.Regexp{}
	for _, row := range faultRow.FindAllStringSubmatch(string(text), -1) {
		form := placeholder.ReplaceAllString(regexp.QuoteMeta(row[2]), ".+")
		says[row[1]] = regexp.MustCompile(form)
	}
	return says
}
