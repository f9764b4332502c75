package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/publisher"
)

// defaultTopicsTimeout is how long topics check and apply wait for an answer.
const defaultTopicsTimeout = 15 * time.Second

func newTopicsCommand(env *environment) *cobra.Command {
	return newGroupCommand(&cobra.Command{
		Use:   "topics",
		Short: "Check and create the topics that the configuration names",
		Long: `Check and create the topics that the configuration names: the events topic, the
dead-letter topic and, where it is used, the callbacks topic. Only the section kafka
of the configuration must be right for it.`,
		Example: `  chatbridge topics check -c chatbridge.yaml
  chatbridge topics apply -c chatbridge.yaml`,
	}, newTopicsCheckCommand(env), newTopicsApplyCommand(env))
}

func newTopicsCheckCommand(env *environment) *cobra.Command {
	return newTopicsAction(env, &cobra.Command{
		Use:   "check",
		Short: "Say whether Kafka and the topics are as they should be; changes nothing",
		Long: `Say whether Kafka can be reached, and whether the topics exist and are as they
should be: partitions, replication, size limits, rights. Changes nothing.

The exit code is 1 where something would keep the bridge from publishing.`,
		Example: `  chatbridge topics check -c chatbridge.yaml
  chatbridge topics check --set kafka.brokers=kafka-1:9092,kafka-2:9092 --json`,
	}, (*publisher.Client).Check)
}

func newTopicsApplyCommand(env *environment) *cobra.Command {
	return newTopicsAction(env, &cobra.Command{
		Use:   "apply",
		Short: "Create the topics that are missing, and raise what is too small",
		Long: `Create the topics that are missing, with kafka.partitions and
kafka.replication_factor, and raise partitions and limits that are below what is
configured. Nothing is ever deleted or made smaller.

Where partitions are added to a topic in use, groups move: a group that moves is in
order only from there on. "chatbridge topics check" says beforehand what differs.`,
		Example: `  chatbridge topics apply -c chatbridge.yaml
  chatbridge topics apply -c chatbridge.yaml --set kafka.partitions=24`,
	}, (*publisher.Client).Apply)
}

// topicsAction looks at topics, or changes them, and says what it found.
type topicsAction func(*publisher.Client, context.Context, []publisher.TopicSpec) ([]publisher.Finding, error)

// newTopicsAction completes cmd: settings in, findings out.
func newTopicsAction(env *environment, cmd *cobra.Command, act topicsAction) *cobra.Command {
	var (
		flags   configFlags
		asJSON  bool
		timeout time.Duration
	)
	cmd.Args = noArguments
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := flags.load(env, nil, "kafka")
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		findings, err := actOnTopics(ctx, &settings.Config, timeout, act)
		if err != nil {
			return err
		}
		return showFindings(env, findings, asJSON)
	}
	flags.register(cmd)
	addJSONFlag(cmd, &asJSON)
	cmd.Flags().DurationVar(&timeout, "timeout", defaultTopicsTimeout, "how long to wait for Kafka")
	return cmd
}

// actOnTopics connects as the configuration says and acts on its topics.
func actOnTopics(ctx context.Context, cfg *bridge.Config, patience time.Duration, act topicsAction) ([]publisher.Finding, error) {
	kafka := cfg.Publisher()
	kafka.Patience = patience
	client, err := publisher.New(kafka)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return act(client, ctx, cfg.TopicSpecs())
}

// findingsResult is what topics check --json prints.
type findingsResult struct {
	OK       bool          `json:"ok"`
	Findings []findingLine `json:"findings"`
}

// findingLine is one finding in JSON.
type findingLine struct {
	Level    string `json:"level"`
	Topic    string `json:"topic,omitempty"`
	What     string `json:"what"`
	Sentence string `json:"sentence"`
	Cause    string `json:"cause,omitempty"`
}

// showFindings prints the findings; one that fails is exit code 1.
func showFindings(env *environment, findings []publisher.Finding, asJSON bool) error {
	result := findingsResult{OK: true, Findings: []findingLine{}}
	t := newTable(env, env.stdout, text("LEVEL"), text("TOPIC"), text("WHAT"), text("FOUND"))
	for _, f := range findings {
		if f.Level == publisher.LevelFail {
			result.OK = false
		}
		result.Findings = append(result.Findings, findingLine{string(f.Level), f.Topic, f.What, f.Sentence, f.Cause})
		t.add(cell{text: string(f.Level), color: levelColor(f.Level)}, text(orDash(f.Topic)), text(f.What), text(withCause(f)))
	}
	var err error
	if asJSON {
		err = writeJSON(env.stdout, result)
	} else {
		err = t.write(env.stdout)
	}
	if err == nil && !result.OK {
		err = errFinding
	}
	return err
}

// withCause is what a finding says to people.
func withCause(f publisher.Finding) string {
	if f.Cause == "" {
		return f.Sentence
	}
	return fmt.Sprintf("%s (%s)", f.Sentence, f.Cause)
}

// levelColor is the color of a finding's level.
func levelColor(level publisher.Level) color {
	switch level {
	case publisher.LevelOK:
		return good
	case publisher.LevelWarn:
		return uneasy
	case publisher.LevelFail:
		return bad
	}
	return plain
}

// orDash stands for what is not there, so that columns stay columns.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
