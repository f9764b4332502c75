package bridge

import (
	"fmt"
	"time"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/publisher"
)

// Status is a picture of the bridge, for the operator's listener. Any goroutine
// may ask.
func (b *Bridge) Status() ops.Status {
	stats := b.relay.Stats()
	s := ops.Status{
		Version: b.opt.Version,
		Started: b.started,
		Ready:   b.ready(),
		Parts:   b.parts(stats),
	}
	s.Sink = b.sink(stats, s.Parts)
	if note := b.verification.note(); note != "" {
		s.Notes = append(s.Notes, note)
	}
	if err := b.spool.Damage(); err != nil {
		s.Notes = append(s.Notes, err.Error())
	}
	for _, w := range b.cfg.Warnings() {
		s.Notes = append(s.Notes, w.Key+" "+w.Message)
	}
	s.Figures = b.figures(stats)
	x := b.situation(stats, s.Sink)
	s.State, s.Components = x.state(), x.components(stats)
	return s
}

// ready says whether callbacks can be stored.
func (b *Bridge) ready() ops.Condition {
	var c ops.Condition
	if b.draining.Load() {
		c.Reasons = append(c.Reasons, "draining: the bridge is being stopped")
	}
	if err := b.spool.Err(); err != nil {
		c.Reasons = append(c.Reasons, err.Error())
	}
	c.OK = len(c.Reasons) == 0
	return c
}

// sink says whether Kafka takes what is published.
func (b *Bridge) sink(stats relay.Stats, parts []ops.SinkPart) ops.Condition {
	var c ops.Condition
	if since := b.gate.since(); !since.IsZero() {
		c.Reasons = append(c.Reasons, "publishing is paused by the operator since "+since.UTC().Format(time.RFC3339)+"; resume it on the page")
	}
	if fault := b.relayFault.Load(); fault != nil {
		c.Reasons = append(c.Reasons, (*fault).Error())
	}
	if stats.Trouble != nil {
		c.Reasons = append(c.Reasons, stats.Trouble.Error())
	}
	if faults := b.uncreated.Load(); faults != nil {
		for _, f := range *faults {
			switch {
			case b.relayKnows(f):
			case f.Topic == "":
				c.Reasons = append(c.Reasons, f.Sentence)
			default:
				c.Reasons = append(c.Reasons, fmt.Sprintf("topic %s: %s", f.Topic, f.Sentence))
			}
		}
	}
	seen := map[string]bool{}
	for _, s := range stats.Publishing {
		if s.Partition < 0 && !s.OK && !seen[s.Sentence] { // a look-up, which concerns the topic as a whole
			seen[s.Sentence] = true
			c.Reasons = append(c.Reasons, fmt.Sprintf("topic %s: %s", s.Topic, s.Sentence))
		}
	}
	for _, p := range parts {
		if !p.OK && !seen[p.Reason] {
			seen[p.Reason] = true
			c.Reasons = append(c.Reasons, fmt.Sprintf("topic %s, partition %d: %s", p.Topic, p.Partition, p.Reason))
		}
	}
	if len(c.Reasons) == 0 && !b.lookedAt(stats) {
		c.Reasons = append(c.Reasons, "the bridge has just started, and Kafka has not answered yet")
	}
	c.OK = len(c.Reasons) == 0
	return c
}

// lookedAt reports whether Kafka has told the topic's partitions since the start
// and, where topics are to be created, which are there. Before that nothing is
// known to be wrong, nor to be well.
func (b *Bridge) lookedAt(stats relay.Stats) bool {
	return len(stats.Lanes) > 0 && (!b.cfg.Kafka.CreateTopics || b.uncreated.Load() != nil)
}

// parts lists the partitions in use: those of the events topic, and those of
// the other topics that something was sent to.
func (b *Bridge) parts(stats relay.Stats) []ops.SinkPart {
	byPartition := map[int]publisher.Status{}
	var others []publisher.Status
	for _, s := range stats.Publishing {
		switch {
		case s.Partition < 0: // see sink
		case s.Topic == b.cfg.Kafka.Topic:
			byPartition[s.Partition] = s
		default:
			others = append(others, s)
		}
	}
	parts := make([]ops.SinkPart, 0, len(stats.Lanes)+len(others))
	for _, l := range stats.Lanes {
		p := ops.SinkPart{Topic: b.cfg.Kafka.Topic, Partition: l.Partition, OK: true, Open: l.Open}
		if s, ok := byPartition[l.Partition]; ok {
			p = part(s)
			p.Open = l.Open
		}
		if l.Trouble != nil {
			p.OK, p.Reason = false, l.Trouble.Error()
		}
		if !l.Oldest.IsZero() {
			p.Oldest = b.opt.Now().Sub(l.Oldest).Round(time.Millisecond).String()
		}
		parts = append(parts, p)
	}
	for _, s := range others {
		parts = append(parts, part(s))
	}
	return parts
}

func part(s publisher.Status) ops.SinkPart {
	return ops.SinkPart{
		Topic: s.Topic, Partition: s.Partition, OK: s.OK,
		Reason: s.Sentence, Since: s.Since, Attempts: s.Attempts,
	}
}

func (b *Bridge) figures(stats relay.Stats) []ops.Figure {
	spool := b.spool.Stat()
	r := stats.Resequence
	oldest := "none"
	if at := oldestOf(stats, spool); spool.Records > 0 && !at.IsZero() {
		oldest = b.opt.Now().Sub(at).Round(time.Second).String()
	}
	// The metrics' counts, since each run of the relay counts anew.
	decided := func(v resequence.Verdict) float64 { return valueOf(b.metrics.decided[v]) }
	return []ops.Figure{
		{Name: "spool", Value: fmt.Sprintf("%s, %s of %s, oldest %s", count(spool.Records, "record"), about(spool.Bytes), about(spool.MaxBytes), oldest)},
		{Name: "disk free", Value: about(spool.FreeBytes)},
		{Name: "durability", Value: spool.Durability.String()},
		{Name: "held for order", Value: fmt.Sprintf("%s in %s, hold %s", count(r.Held, "event"), count(r.Waiting, "stream"), r.Hold)},
		{Name: "streams known", Value: fmt.Sprint(r.Streams)},
		{Name: "published", Value: fmt.Sprintf("%.0f in order, %.0f after a hole, %.0f late, %.0f unsequenced, %.0f after a reset",
			decided(resequence.InOrder), decided(resequence.AfterHole), decided(resequence.Late), decided(resequence.Unsequenced), decided(resequence.Reset))},
		{Name: "duplicates dropped", Value: fmt.Sprintf("%.0f", decided(resequence.Duplicate))},
		{Name: "numbers skipped", Value: fmt.Sprintf("%.0f", valueOf(b.metrics.missing))},
	}
}
