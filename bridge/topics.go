package bridge

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/publisher"
)

// createTopicsAgain bounds how often missing topics are tried to be created.
const createTopicsAgain = 5 * time.Second

// createTopics creates the topics that are missing, as soon as Kafka lets it,
// and says each thing that is wrong with them once. Topics that exist are left
// as they are: more partitions would move groups, which is for a person to
// decide (topics apply).
func (b *Bridge) createTopics(ctx context.Context) {
	said := map[string]bool{}
	for wait := relayPause; ; wait = min(2*wait, createTopicsAgain) {
		findings, err := b.createMissing(ctx)
		if err != nil {
			return // the bridge is being stopped
		}
		done := true
		var faults []publisher.Finding
		for _, f := range findings {
			if blocks(f) {
				done = false
			}
			if f.Level == publisher.LevelFail && f.What != findingExists && blocks(f) {
				faults = append(faults, f)
			}
			if f.Level != publisher.LevelOK && !said[f.Sentence] && !b.relayKnows(f) {
				said[f.Sentence] = true
				b.opt.Logger.Warn("topics", zap.String("topic", f.Topic), zap.String("verdict", string(f.Level)),
					zap.String("finding", f.Sentence), zap.String("cause", f.Cause))
			}
		}
		b.uncreated.Store(&faults)
		if done || !b.wait(ctx, wait) {
			return
		}
	}
}

// relayKnows reports whether a finding is what keeps the relay from publishing
// as well. Then the relay has said it, or is about to.
func (b *Bridge) relayKnows(f publisher.Finding) bool {
	if f.What != findingReachable {
		return false
	}
	stats := b.relay.Stats().Publishing
	return len(stats) == 0 || slices.ContainsFunc(stats, func(s publisher.Status) bool {
		return !s.OK && strings.Contains(f.Sentence, s.Sentence) || s.OK && s.Partition < 0
	})
}

// What a finding of publisher's can be about; these tell whether there is
// still something to create.
const (
	findingExists    = "exists"
	findingReachable = "reachable"
	findingCreated   = "created"
)

// blocks reports whether f says that a topic is not there yet.
func blocks(f publisher.Finding) bool {
	about := f.What == findingExists || f.What == findingReachable || f.What == findingCreated
	return about && f.Level != publisher.LevelOK
}

// createMissing looks at the topics, creates those that are not there, and
// returns what is to be said.
func (b *Bridge) createMissing(ctx context.Context) ([]publisher.Finding, error) {
	found, err := b.client.Check(ctx, b.cfg.TopicSpecs())
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for _, f := range found {
		if f.What == findingExists && f.Level != publisher.LevelOK {
			missing[f.Topic] = true
		}
	}
	var specs []publisher.TopicSpec
	for _, spec := range b.cfg.TopicSpecs() {
		if missing[spec.Name] {
			specs = append(specs, spec)
		}
	}
	if len(specs) == 0 {
		return found, nil
	}
	return b.client.Apply(ctx, specs)
}
