package bridge

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// loadYAML loads one file with the given text, and then the environment.
func loadYAML(t *testing.T, text string, environ ...string) *Settings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(Sources{File: path, Environ: environ})
}

// faultLines returns what Err says, a fault a line, with c.yaml for the file's path.
func faultLines(s *Settings, sections ...string) []string {
	err := s.Err(sections...)
	if err == nil {
		return nil
	}
	var lines []string
	for _, f := range err.(*ConfigError).Faults { //nolint:errorlint // Err promises this type
		line := f.String()
		if i := strings.Index(line, "c.yaml:"); i >= 0 {
			line = line[i:]
		}
		lines = append(lines, line)
	}
	return lines
}

// checkFaults compares what Err says with what it should say.
func checkFaults(t *testing.T, s *Settings, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, faultLines(s)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// oneApp makes a configuration complete.
const oneApp = "apps: [{sdk_app_id: 1400000000, tokens: [secret-token]}]\n"

func TestDefaultsWithAnAppHaveNoFault(t *testing.T) {
	t.Parallel()
	checkFaults(t, loadYAML(t, oneApp))
}

func TestDefaultsAreTheDesigns(t *testing.T) {
	t.Parallel()
	// design 9, key by key, written down a second time on purpose.
	want := strings.TrimLeft(`
http:
  listen: :8080
  path: /callback
  max_body: 1MiB
  tls:
    cert_file: ""
    key_file: ""
apps: []
spool:
  dir: ./data/spool
  max_bytes: 10GiB
  min_free: 1GiB
  when_full: refuse
  durability: fsync
resequence:
  hold: adaptive
  floor: 20ms
  ceiling: 1s
kafka:
  brokers: ['127.0.0.1:9092']
  topic: chat.group-messages
  dead_letter_topic: chat.group-messages.dlq
  callbacks_topic: ""
  create_topics: false
  partitions: 12
  replication_factor: 3
  compression: lz4
  tls:
    enabled: false
    ca_file: ""
    cert_file: ""
    key_file: ""
  sasl:
    mechanism: ""
    username: ""
    password: ""
    password_file: ""
ops:
  listen: 127.0.0.1:9090
  password: ""
  password_file: ""
  tls:
    cert_file: ""
    key_file: ""
    client_ca_file: ""
  show_content: false
  action_token: ""
  action_token_file: ""
log:
  level: info
  format: json
shutdown_timeout: 20s
`, "\n")
	var got strings.Builder
	if err := LoadConfig(Sources{}).WriteYAML(&got, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

// examplePath is the commented example that users start from.
const examplePath = "../deploy/chatbridge.example.yaml"

func TestExampleFileIsTheDefaults(t *testing.T) {
	t.Parallel()
	s := LoadConfig(Sources{File: examplePath})
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	got := s.Config
	got.Apps = nil
	if diff := cmp.Diff(DefaultConfig(), got); diff != "" {
		t.Errorf("example file differs from the defaults (-default +example):\n%s", diff)
	}
}

func TestEveryKeyHasAnEnvironmentNameAndIsInTheExample(t *testing.T) {
	t.Parallel()
	s := LoadConfig(Sources{File: examplePath})
	names := map[string]string{}
	for _, l := range s.Config.leaves() {
		if s.Origin(l.key).Layer != LayerFile {
			t.Errorf("%s is not in the example file", l.key)
		}
		name := EnvName(l.key)
		if other, taken := names[name]; taken {
			t.Errorf("%s and %s have the same variable %s", l.key, other, name)
		}
		names[name] = l.key
		if linkVariable.MatchString(name) || linkPort.MatchString(name) {
			t.Errorf("%s would be taken for one of Kubernetes' service variables", name)
		}
		if strings.ToLower(l.name) != l.name || l.name == "" {
			t.Errorf("%s has no proper yaml tag", l.key)
		}
	}
	if len(names) < 34 {
		t.Errorf("only %d keys found", len(names))
	}
}

// differentValues has, for each key, a value that is not its default.
func differentValues() map[string]string {
	return map[string]string{
		"http.listen": "127.0.0.1:8081", "http.path": "/x", "http.max_body": "2MiB",
		"http.tls.cert_file": "a.pem", "http.tls.key_file": "b.pem",
		"apps[0].sdk_app_id": "7", "apps[0].tokens": "one,two", "apps[0].tokens_file": "tokens",
		"spool.dir": "elsewhere", "spool.max_bytes": "300MiB", "spool.min_free": "33MiB",
		"spool.when_full": "hold", "spool.durability": "interval",
		"resequence.hold": "5ms", "resequence.floor": "1ms", "resequence.ceiling": "2s",
		"kafka.brokers": "k1:9092,k2:9092", "kafka.topic": "t", "kafka.dead_letter_topic": "d",
		"kafka.callbacks_topic": "c", "kafka.create_topics": "true", "kafka.partitions": "3",
		"kafka.replication_factor": "1", "kafka.compression": "zstd",
		"kafka.tls.enabled": "true", "kafka.tls.ca_file": "ca.pem", "kafka.tls.cert_file": "c.pem", "kafka.tls.key_file": "k.pem",
		"kafka.sasl.mechanism": "SCRAM-SHA-256", "kafka.sasl.username": "u", "kafka.sasl.password": "p", "kafka.sasl.password_file": "f",
		"ops.listen": "127.0.0.1:9091", "ops.password": "p", "ops.password_file": "f",
		"ops.tls.cert_file": "c.pem", "ops.tls.key_file": "k.pem", "ops.tls.client_ca_file": "ca.pem", "ops.show_content": "true", "ops.action_token": "p", "ops.action_token_file": "f",
		"log.level": "debug", "log.format": "console", "shutdown_timeout": "1m",
	}
}

func TestEveryKeyCanBeSetFromEachSource(t *testing.T) {
	t.Parallel()
	values := differentValues()
	base := DefaultConfig()
	base.Apps = []AppConfig{{SDKAppID: 1}}
	for _, l := range base.leaves() {
		text, ok := values[l.key]
		if !ok {
			t.Errorf("%s has no value in this test", l.key)
			continue
		}
		fromEnvironment := loadYAML(t, "apps: [{sdk_app_id: 1}]", EnvName(l.key)+"="+text)
		flag := Flag{Name: "--set", Key: l.key, Value: text}
		fromFlag := LoadConfig(Sources{Environ: []string{"CHATBRIDGE_APPS_0_SDK_APP_ID=1"}, Flags: []Flag{flag}})
		for _, s := range []*Settings{fromEnvironment, fromFlag} {
			if err := s.ReadErr(); err != nil {
				t.Errorf("%s=%s: %v", l.key, text, err)
			}
			got, _ := s.Config.leaf(l.key)
			if reflect.DeepEqual(got.value.Interface(), l.value.Interface()) {
				t.Errorf("%s: still the default %v after it was set to %s", l.key, got.value, text)
			}
		}
		if diff := cmp.Diff(fromEnvironment.Config, fromFlag.Config); diff != "" {
			t.Errorf("%s: environment and flag disagree (-environment +flag):\n%s", l.key, diff)
		}
	}
}

func TestPrintedSettingsCanBeReadAgain(t *testing.T) {
	t.Parallel()
	var flags []Flag
	for key, value := range differentValues() {
		if !strings.HasPrefix(key, "apps") && key != "kafka.sasl.password" && key != "ops.password" && key != "ops.action_token" { // masked
			flags = append(flags, Flag{Name: "--set", Key: key, Value: value})
		}
	}
	s := LoadConfig(Sources{Flags: flags})
	var text strings.Builder
	if err := s.WriteYAML(&text, true); err != nil {
		t.Fatal(err)
	}
	again := loadYAML(t, text.String())
	if err := again.ReadErr(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Config, again.Config, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-printed +read again):\n%s", diff)
	}
}
