package bridge

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvironmentNames(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"http.listen":        "CHATBRIDGE_HTTP_LISTEN",
		"http.tls.cert_file": "CHATBRIDGE_HTTP_TLS_CERT_FILE",
		"shutdown_timeout":   "CHATBRIDGE_SHUTDOWN_TIMEOUT",
		"apps[12].tokens":    "CHATBRIDGE_APPS_12_TOKENS",
	} {
		if got := EnvName(key); got != want {
			t.Errorf("EnvName(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestTheStrongerSourceWins(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, oneApp+"kafka: {topic: file, dead_letter_topic: file.dlq, partitions: 5}\n",
		"CHATBRIDGE_KAFKA_TOPIC=environment", "CHATBRIDGE_KAFKA_DEAD_LETTER_TOPIC=environment.dlq")
	s.readFlag(Flag{Name: "--topic", Key: "kafka.topic", Value: "flag"})
	checkFaults(t, s)
	k := s.Config.Kafka
	got := []any{k.Topic, k.DeadLetterTopic, k.Partitions, k.ReplicationFactor}
	if diff := cmp.Diff([]any{"flag", "environment.dlq", 5, 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for key, want := range map[string]Layer{
		"kafka.topic": LayerFlag, "kafka.dead_letter_topic": LayerEnvironment,
		"kafka.partitions": LayerFile, "kafka.replication_factor": LayerDefault,
	} {
		if got := s.Origin(key).Layer; got != want {
			t.Errorf("%s is from layer %d, want %d", key, got, want)
		}
	}
}

func TestAppsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	file := "apps:\n  - {sdk_app_id: 1, tokens: [file]}\n"
	for _, c := range []struct {
		name, file string
		environ    []string
		want       []AppConfig
	}{
		{"numbered, without a file", "", []string{
			"CHATBRIDGE_APPS_1_SDK_APP_ID=22", "CHATBRIDGE_APPS_0_SDK_APP_ID=11", "CHATBRIDGE_APPS_0_TOKENS=a, b",
		}, []AppConfig{{SDKAppID: 11, Tokens: []string{"a", "b"}}, {SDKAppID: 22}}},
		{"numbered, into the file's", file, []string{"CHATBRIDGE_APPS_0_TOKENS=environment"}, []AppConfig{
			{SDKAppID: 1, Tokens: []string{"environment"}},
		}},
		{"numbered, behind the file's", file, []string{"CHATBRIDGE_APPS_1_SDK_APP_ID=2"}, []AppConfig{
			{SDKAppID: 1, Tokens: []string{"file"}}, {SDKAppID: 2},
		}},
		{"all at once, as YAML", file, []string{"CHATBRIDGE_APPS=[{sdk_app_id: 3, tokens: ['a,b']}]"}, []AppConfig{
			{SDKAppID: 3, Tokens: []string{"a,b"}},
		}},
		{"all at once, as JSON, and one changed", "", []string{
			`CHATBRIDGE_APPS=[{"sdk_app_id":3,"tokens":["x"]}]`, "CHATBRIDGE_APPS_0_TOKENS=y",
		}, []AppConfig{{SDKAppID: 3, Tokens: []string{"y"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := loadYAML(t, c.file, c.environ...)
			checkFaults(t, s)
			if diff := cmp.Diff(c.want, s.Config.Apps); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistypedVariablesAreFaults(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"CHATBRIDGE_KAFKA_TOPICS=x":        "CHATBRIDGE_KAFKA_TOPICS: is not a known setting; did you mean CHATBRIDGE_KAFKA_TOPIC?",
		"CHATBRIDGE_HTTP_PORT=8080":        "CHATBRIDGE_HTTP_PORT: is not a known setting; did you mean CHATBRIDGE_HTTP_PATH?",
		"CHATBRIDGE_APPS_0_TOKEN=x":        "CHATBRIDGE_APPS_0_TOKEN: is not a known setting; did you mean CHATBRIDGE_APPS_0_TOKENS?",
		"CHATBRIDGE_APPS_2_TOKENS=x":       "CHATBRIDGE_APPS_2_TOKENS: the apps before it are missing; the next number is 1",
		"CHATBRIDGE_APPS_0123456_TOKENS":   "CHATBRIDGE_APPS_0123456_TOKENS: is not a known setting; did you mean CHATBRIDGE_APPS_0_TOKENS?",
		"CHATBRIDGE_=x":                    "CHATBRIDGE_: is not a known setting",
		"CHATBRIDGE_KAFKA_PARTITIONS=":     `CHATBRIDGE_KAFKA_PARTITIONS: kafka.partitions: "" is not a whole number`,
		"CHATBRIDGE_KAFKA_BROKERS=a:1,":    "CHATBRIDGE_KAFKA_BROKERS: kafka.brokers: is a comma-separated list with an empty entry; give at least one value, and none that is empty",
		"CHATBRIDGE_KAFKA_CREATE_TOPICS=1": `CHATBRIDGE_KAFKA_CREATE_TOPICS: kafka.create_topics: "1" is neither true nor false`,
		"CHATBRIDGE_APPS=":                 `CHATBRIDGE_APPS: apps: is empty; give a list such as [{sdk_app_id: 1400000000, tokens: ["…"]}], or unset it`,
		"CHATBRIDGE_APPS={}":               "CHATBRIDGE_APPS: apps: is a mapping, but must be a list; begin each entry with -",
		"CHATBRIDGE_APPS=[{":               "CHATBRIDGE_APPS: apps: is not YAML: did not find expected node content",
	} {
		checkFaults(t, loadYAML(t, oneApp, entry), want)
	}
}

// A secret that was not filled in must not open the endpoint to everybody (P7).
func TestEmptyTokensVariableIsAFault(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, "apps: [{sdk_app_id: 1}]\n", "CHATBRIDGE_APPS_0_TOKENS=")
	checkFaults(t, s, "CHATBRIDGE_APPS_0_TOKENS: apps[0].tokens: is empty; give it a value, or leave it out")
}

func TestVariablesThatAreNobodysMistakeAreLeftAlone(t *testing.T) {
	t.Parallel()
	checkFaults(t, loadYAML(t, oneApp,
		"CHATBRIDGE_TEST_LONG=1", "chatbridge_http_listen=x", "MY_CHATBRIDGE_X=1", "=C:=C:", "PATH",
		// What Kubernetes sets for Services called chatbridge and chatbridge-ops.
		"CHATBRIDGE_SERVICE_HOST=10.0.0.1", "CHATBRIDGE_SERVICE_PORT=8080", "CHATBRIDGE_SERVICE_PORT_HTTP=8080",
		"CHATBRIDGE_PORT=tcp://10.0.0.1:8080", "CHATBRIDGE_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"CHATBRIDGE_PORT_8080_TCP_PROTO=tcp", "CHATBRIDGE_PORT_8080_TCP_PORT=8080", "CHATBRIDGE_PORT_8080_TCP_ADDR=10.0.0.1",
		"CHATBRIDGE_OPS_SERVICE_HOST=10.0.0.2", "CHATBRIDGE_OPS_PORT=tcp://10.0.0.2:9090",
	))
}

func TestUnknownFlagKeyIsAFault(t *testing.T) {
	t.Parallel()
	s := LoadConfig(Sources{Environ: []string{"CHATBRIDGE_APPS_0_SDK_APP_ID=1"}, Flags: []Flag{
		{Name: "--set", Key: "kafka.topik", Value: "x"}, {Name: "--set", Key: "kafka", Value: "x"},
		{Name: "--partitions", Key: "kafka.partitions", Value: "many"},
	}})
	checkFaults(t, s,
		"--set: kafka.topik: is not a known key; did you mean kafka.topic?",
		"--set: kafka: is not a known key",
		`--partitions: kafka.partitions: "many" is not a whole number`,
	)
}

func TestAppsFromTheEnvironmentLeaveNothingOfTheFiles(t *testing.T) {
	t.Parallel()
	s := loadYAML(t, "apps: [{sdk_app_id: 1, tokens_file: /nowhere}, {sdk_app_id: 2, tokens: [x]}]\n",
		"CHATBRIDGE_APPS=[{sdk_app_id: 3, tokens: [y]}]")
	checkFaults(t, s)
	if diff := cmp.Diff([]AppConfig{{SDKAppID: 3, Tokens: []string{"y"}}}, s.Config.Apps); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
	for _, key := range []string{"apps[0].tokens_file", "apps[1]", "apps[1].tokens"} {
		if o := s.Origin(key); o != (Origin{}) {
			t.Errorf("%s is said to be from %s", key, o)
		}
	}
}
