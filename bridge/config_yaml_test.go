package bridge

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFaultsNameLineColumnAndKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"unknown key", oneApp + "kafka:\n  topik: x\n", []string{
			"c.yaml:3:3: kafka.topik: is not a known key; did you mean topic?",
		}},
		{"unknown section", oneApp + "zzzzzzzz: {}\n", []string{"c.yaml:2:1: zzzzzzzz: is not a known key"}},
		{"unknown key in an app", "apps:\n  - sdk_app_id: 5\n    token: x\n", []string{
			"c.yaml:3:5: apps[0].token: is not a known key; did you mean tokens?",
		}},
		{"key twice", oneApp + "log: {level: info}\nlog: {level: warn}\n", []string{
			"c.yaml:3:1: log: is given twice, first in line 2",
		}},
		{"merge key", oneApp + "log: &l {level: info}\nops:\n  <<: *l\n", []string{
			"c.yaml:4:3: ops.<<: merge keys are not read; write the keys out",
		}},
		{"key that is a list", oneApp + "? [a]\n: b\n", []string{"c.yaml:2:3: a key must be a word"}},
		{"section that is text", oneApp + "log: info\n", []string{
			"c.yaml:2:6: log: is text, but must hold keys: level, format",
		}},
		{"document that is a list", "- a\n", []string{
			"c.yaml:1:1: is a list, but must hold keys: http, apps, spool, resequence, kafka, ops, log, tracing, shutdown_timeout",
		}},
		{"two documents", oneApp + "---\nlog: {}\n", []string{
			"c.yaml:2:1: a second document begins here; a configuration is one document, without further --- lines",
		}},
		{"text that is a number", oneApp + "kafka: {topic: 5}\n", []string{
			"c.yaml:2:16: kafka.topic: is a number, but must be text; put it in quotes",
		}},
		{"text that is a list", oneApp + "kafka: {topic: [a]}\n", []string{
			"c.yaml:2:16: kafka.topic: is a list, but must be text",
		}},
		{"text that is a date", oneApp + "spool: {dir: 2026-01-02}\n", []string{
			"c.yaml:2:14: spool.dir: is a date, but must be text; put it in quotes",
		}},
		{"text with a tag", oneApp + "spool: {dir: !secret x}\n", []string{
			"c.yaml:2:14: spool.dir: is a value with a tag that is not known, but must be text; put it in quotes",
		}},
		{"nothing where a value belongs", oneApp + "spool:\n  dir:\n", []string{
			`c.yaml:3:7: spool.dir: has no value; give one, "" for an empty one, or remove the line`,
		}},
		{"flag that is text", oneApp + "kafka: {create_topics: yes}\n", []string{
			"c.yaml:2:24: kafka.create_topics: is text, but must be true or false",
		}},
		{"number that is text", oneApp + "kafka: {partitions: \"12\"}\n", []string{
			"c.yaml:2:21: kafka.partitions: is text, but must be a whole number",
		}},
		{"number with a fraction", oneApp + "kafka: {partitions: 1.5}\n", []string{
			"c.yaml:2:21: kafka.partitions: is a number, but must be a whole number",
		}},
		{"number in another base", oneApp + "kafka: {partitions: 0x10}\n", []string{
			`c.yaml:2:21: kafka.partitions: "0x10" is not a whole number`,
		}},
		{"list that is text", oneApp + "kafka: {brokers: 'a:9092'}\n", []string{
			`c.yaml:2:18: kafka.brokers: is text, but must be a list, such as ["a", "b"]`,
		}},
		{"list with a number", "apps: [{sdk_app_id: 5, tokens: [ok, 123]}]\n", []string{
			"c.yaml:1:37: apps[0].tokens[1]: is a number, but must be text; put it in quotes",
		}},
		{"apps that are a mapping", "apps: {sdk_app_id: 5}\n", []string{
			"c.yaml:1:7: apps: is a mapping, but must be a list; begin each entry with -",
		}},
		{"app that is a number", "apps: [5]\n", []string{
			"c.yaml:1:8: apps[0]: is a number, but must hold keys: sdk_app_id, tokens, tokens_file",
		}},
		{"size without a known unit", oneApp + "http: {max_body: 1M}\n", []string{
			`c.yaml:2:18: http.max_body: "1M" has a unit that is not known; use B, KiB, MiB, GiB or TiB`,
		}},
		{"size with a fraction", oneApp + "http: {max_body: 1.5MiB}\n", []string{
			`c.yaml:2:18: http.max_body: "1.5MiB" is not a size; write a whole number of bytes with a unit, such as 512KiB, 1MiB or 10GiB`,
		}},
		{"size that is a list", oneApp + "http: {max_body: [1]}\n", []string{
			"c.yaml:2:18: http.max_body: is a list, but must be a single value",
		}},
		{"size beyond counting", oneApp + "spool: {max_bytes: 9999999TiB}\n", []string{
			`c.yaml:2:20: spool.max_bytes: "9999999TiB" is more bytes than can be counted`,
		}},
		{"duration without a unit", oneApp + "shutdown_timeout: 20\n", []string{
			`c.yaml:2:19: shutdown_timeout: "20" has no unit; write 20ms or 20s`,
		}},
		{"duration below nothing", oneApp + "shutdown_timeout: -1s\n", []string{
			`c.yaml:2:19: shutdown_timeout: "-1s" is not a duration; write a number with a unit, such as 20ms, 1s or 5m`,
		}},
		{"ratio that is no number", oneApp + "tracing: {sample_ratio: half}\n", []string{
			`c.yaml:2:25: tracing.sample_ratio: "half" is not a number from 0 to 1, such as 0.1`,
		}},
		{"hold that is no hold", oneApp + "resequence: {hold: always}\n", []string{
			`c.yaml:2:20: resequence.hold: "always" is not a hold; write adaptive, a duration such as 200ms, or 0 to let nothing wait`,
		}},
		{"word that is not known", oneApp + "spool: {when_full: drop}\n", []string{
			`c.yaml:2:20: spool.when_full: "drop" is not known; use refuse or hold`,
		}},
		{"mechanism that is not known", oneApp + "kafka: {sasl: {mechanism: GSSAPI}}\n", []string{
			`c.yaml:2:27: kafka.sasl.mechanism: "GSSAPI" is not known; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or "" for none`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			checkFaults(t, loadYAML(t, c.text), c.want...)
		})
	}
}

func TestSyntaxErrorsNameTheirLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http: a: b\n":                                       "c.yaml:1: is not YAML: mapping values are not allowed in this context",
		"http:\n  listen: a\n  path: b: c\n":                 "c.yaml:3: is not YAML: mapping values are not allowed in this context",
		"http:\n  listen: a\n path: b\n":                     "c.yaml:3: is not YAML: did not find expected key",
		"log: {}\n\n# a\nhttp:\n  listen: [a\n  path: b\n":   "c.yaml:5: is not YAML: did not find expected ',' or ']'",
		"http:\n  listen: \"a\nlog: {}\n":                    "c.yaml:2: is not YAML: found unexpected end of stream",
		"http:\n  listen: a\n\tpath: b\n":                    "c.yaml:3: is not YAML: a tab; indent with spaces",
		"http:\n\tlisten: a\n":                               "c.yaml:2: is not YAML: a tab; indent with spaces",
		"log: {}\nkafka:\n  sasl: {password: *hunter2}\n":    "c.yaml:3: is not YAML: a value that begins with * needs quotes",
		"log: {}\nkafka:\n  topic: \xff\n":                   "c.yaml:3: is not YAML: invalid leading UTF-8 octet",
		"log: {}\n---\nkafka: [\n":                           "c.yaml:3: is not YAML: did not find expected node content",
		strings.Repeat("# x\n", maxSyntaxLines) + "log: [\n": "c.yaml:2001: is not YAML: did not find expected node content",
	} {
		s := loadYAML(t, text)
		checkFaults(t, s, want)
		if strings.Contains(s.Err().Error(), "hunter2") {
			t.Error("the message shows a value, which may be a secret")
		}
	}
}

func TestEveryFaultIsReportedAtOnceInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, `
http: {listen: 8080, path: callback, foo: 1}
kafka:
  partitions: 0
  topic: "a b"
spool: {max_bytes: 1MiB}
apps:
  - sdk_app_id: 1400000000
    tokens: ["x", ""]
    tokens_file: secret
`, "CHATBRIDGE_LOG_LEVEL=loud", "CHATBRIDGE_SPOOL_DIR=")
	checkFaults(t, s,
		"c.yaml:2:16: http.listen: is a number, but must be text; put it in quotes",
		"c.yaml:2:28: http.path: must begin with /, as /callback does",
		"c.yaml:2:38: http.foo: is not a known key",
		"c.yaml:4:15: kafka.partitions: is 0; it must be between 1 and 100000",
		`c.yaml:5:10: kafka.topic: "a b" is not a name that Kafka takes; use 1 to 249 letters, digits and . _ -`,
		"c.yaml:6:20: spool.max_bytes: is 1MiB; it must be at least 256MiB",
		"c.yaml:10:18: apps[0].tokens_file: is given and tokens as well; give one of them",
		`CHATBRIDGE_LOG_LEVEL: log.level: "loud" is not known; use debug, info, warn or error`,
		"CHATBRIDGE_SPOOL_DIR: spool.dir: is empty; name a directory on a disk that keeps its data",
	)
}

func TestWhatIsLeftOutKeepsItsDefault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n", "kafka:\n", "kafka:\n  # topic: x\nspool: ~\n", "\uFEFFkafka: {}\n"} {
		s := loadYAML(t, text)
		if err := s.ReadErr(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got, want := s.Config.Kafka.Topic, DefaultConfig().Kafka.Topic; got != want {
			t.Errorf("%q: topic %q", text, got)
		}
	}
}

func TestAnchorsAndAliasesAreRead(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, "apps:\n  - sdk_app_id: 1\n    tokens: &t [a, b]\n  - sdk_app_id: 2\n    tokens: *t\n")
	checkFaults(t, s)
	if got := s.Config.Apps[1].Tokens; len(got) != 2 || got[1] != "b" {
		t.Errorf("tokens %q", got)
	}
}

func TestWordsAreReadInAnyCase(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, oneApp+"kafka: {sasl: {mechanism: scram-sha-512, username: u, password: p}}\nlog: {level: WARN}\n")
	checkFaults(t, s)
	if m, l := s.Config.Kafka.SASL.Mechanism, s.Config.Log.Level; m != "SCRAM-SHA-512" || l != "warn" {
		t.Errorf("mechanism %q, level %q", m, l)
	}
}

func TestFileThatCannotBeReadIsOneFault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := LoadConfig(Sources{File: filepath.Join(dir, "c.yaml")})
	if got := missing.Err().Error(); !strings.HasSuffix(got, "c.yaml: there is no such file; give the path of the configuration with -c") {
		t.Errorf("missing file: %s", got)
	}
	folder := LoadConfig(Sources{File: dir})
	if got := folder.Err().Error(); got != dir+": cannot be read: is a directory" {
		t.Errorf("folder: %s", got)
	}
	large := loadYAML(t, strings.Repeat("#", maxConfigBytes+1))
	if got := large.Err().Error(); !strings.HasSuffix(got, "c.yaml: cannot be read: it is larger than 1MiB") {
		t.Errorf("large file: %s", got)
	}
}

func TestAFaultOfWhatIsMissingNamesTheSection(t *testing.T) {
	t.Parallel()
	checkFaults(t, loadYAML(t, "kafka:\n  sasl:\n    mechanism: plain\n    password: x\n"),
		"c.yaml:2:3: kafka.sasl.username: is missing, but kafka.sasl.mechanism asks for one",
		"apps: there is none; give at least one with its sdk_app_id, or no callback would be accepted",
	)
}
