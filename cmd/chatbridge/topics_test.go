package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/publisher"
)

// newKafka starts an empty Kafka and returns its brokers' addresses.
func newKafka(t *testing.T, brokers int) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(brokers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return strings.Join(cluster.ListenAddrs(), ",")
}

func TestFindingsAreATableOrJSON(t *testing.T) {
	t.Parallel()
	findings := []publisher.Finding{
		{Level: publisher.LevelOK, What: "reachable", Sentence: "3 brokers can be used"},
		{Level: publisher.LevelWarn, Topic: "chat.group-messages", What: "replication", Sentence: "it has one replica; three are usual"},
	}
	broken := publisher.Finding{Level: publisher.LevelFail, Topic: "dlq", What: "exists", Sentence: "it does not exist; create it"}
	var s transcript
	show := func(findings []publisher.Finding, f fake, asJSON bool) {
		env, stdout, _ := f.environment()
		err := showFindings(env, findings, asJSON)
		fmt.Fprintf(&s.text, "%serror: %v\n\n", stdout, err)
	}
	show(findings, fake{}, false)
	show(append(findings, broken), fake{}, false)
	show(append(findings, broken), fake{terminal: true}, false)
	show(append(findings, broken), fake{}, true)
	show(nil, fake{}, true)
	s.compare(t, "findings.golden")
}

// verdict is a finding without its words.
type verdict struct{ Level, Topic, What string }

// runTopics runs a topics command and returns its verdicts on topics.
func runTopics(t *testing.T, kafka fake, wantCode int, args ...string) []verdict {
	t.Helper()
	r := kafka.run(t.Context(), append([]string{"topics"}, append(args, "--json")...)...)
	var got findingsResult
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatalf("topics %q: %v: %+v", args, err, r)
	}
	if r.code != wantCode || got.OK != (wantCode == exitGood) {
		t.Errorf("topics %q: exit %d, ok %v", args, r.code, got.OK)
	}
	var verdicts []verdict
	for _, f := range got.Findings {
		if f.Topic != "" {
			verdicts = append(verdicts, verdict{f.Level, f.Topic, f.What})
		}
	}
	return verdicts
}

func TestTopicsAreCheckedCreatedAndCheckedAgain(t *testing.T) {
	t.Parallel()
	kafka := fake{environ: []string{"CHATBRIDGE_KAFKA_BROKERS=" + newKafka(t, 3)}}
	const events, dlq = "chat.group-messages", "chat.group-messages.dlq"
	missing := runTopics(t, kafka, exitFailure, "check")
	if diff := cmp.Diff([]verdict{{"fail", events, "exists"}, {"fail", dlq, "exists"}}, missing); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	byServe := runTopics(t, kafka, exitGood, "check", "--set", "kafka.create_topics=true")
	if diff := cmp.Diff([]verdict{{"warn", events, "exists"}, {"warn", dlq, "exists"}}, byServe); diff != "" {
		t.Errorf("before, where serve creates them (-want +got):\n%s", diff)
	}
	applied := runTopics(t, kafka, exitGood, "apply")
	if diff := cmp.Diff([]verdict{{"ok", events, "created"}, {"ok", dlq, "created"}}, applied[:2]); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
	checked := runTopics(t, kafka, exitGood, "check", "--set", "kafka.partitions=24")
	for _, want := range []verdict{{"ok", events, "exists"}, {"ok", dlq, "exists"}, {"warn", events, "partitions"}} {
		if !slices.Contains(checked, want) {
			t.Errorf("after: %v is not among %v", want, checked)
		}
	}
	if again := runTopics(t, kafka, exitGood, "apply"); slices.ContainsFunc(again, func(v verdict) bool { return v.What == "created" }) {
		t.Errorf("a second apply created topics: %v", again)
	}
}

func TestTopicsOfAKafkaThatCannotBeReachedAreAFinding(t *testing.T) {
	t.Parallel()
	r := runCommand(t, "topics", "check", "--set", "kafka.brokers=127.0.0.1:1", "--json")
	var got findingsResult
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatalf("%v: %+v", err, r)
	}
	if r.code != exitFailure || got.OK || len(got.Findings) != 1 || got.Findings[0].What != "reachable" {
		t.Errorf("exit %d, %+v", r.code, got)
	}
}

func TestTopicsNeedOnlyTheKafkaSection(t *testing.T) {
	t.Parallel()
	r := runCommand(t, "topics", "check", "-c", "testdata/faulty.yaml")
	if r.code != exitUsage || strings.Contains(r.stderr, "token") || !strings.Contains(r.stderr, "kafka.dead_letter_topic") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
