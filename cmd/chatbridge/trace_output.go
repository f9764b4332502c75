package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/trace"
)

// writeTrace prints an answer: its sentence, each message, and the evidence.
func writeTrace(env *environment, a *trace.Answer) error {
	sentence := oneLine(a.Sentence)
	if c := traceColor(a.State); env.colored(env.stdout) {
		sentence = string(c) + sentence + colorEnd
	}
	if _, err := fmt.Fprintf(env.stdout, "%s\n\n", sentence); err != nil {
		return err
	}
	t := &table{}
	add := func(name, format string, args ...any) { t.add(text(name), text(oneLine(fmt.Sprintf(format, args...)))) }
	for i := range a.Messages {
		addMessage(add, &a.Messages[i], i > 0)
	}
	for i := range a.Skipped {
		r := &a.Skipped[i]
		add("skipped by", "%d at partition %d, offset %d, %s, hole %s", r.Seq, r.Partition, r.Offset, traceTime(r.Time), r.Hole)
	}
	if a.Next > 0 {
		add("stream expects", "%d", a.Next)
	}
	if len(a.Held) > 0 {
		add("held above", "%s", trace.Numbers(a.Held))
	}
	if h := a.GivenUp; h != nil {
		add("given up", "%s by the bridge, %s", h.Hole, traceTime(h.At))
	}
	addNeighbour(add, "nearest below", a.Below)
	addNeighbour(add, "nearest above", a.Above)
	if s := a.Spooled; s != nil {
		addSpooled(add, s)
	}
	for _, r := range a.Searched {
		add("searched", "partition %d, offsets %d to %d%s", r.Partition, r.From, r.To, unless(r.Complete, "; what is before was not read"))
	}
	for _, note := range a.Notes {
		add("note", "%s", note)
	}
	return t.write(env.stdout)
}

// addMessage adds what is known of one message; its sentence only where it is
// not the one above.
func addMessage(add func(string, string, ...any), m *trace.Message, another bool) {
	if another {
		add("and", "%s", m.Sentence)
	}
	if m.ID != "" {
		add("message", "%s, app %d, random %s, sent %s", m.ID, m.AppID, randomOf(m), sentAt(m))
	}
	for _, d := range m.Deliveries {
		fate := "not settled"
		switch {
		case d.Skipped:
			fate = "skipped as a duplicate"
		case d.Settled:
			fate = "settled"
		}
		add("received", "%s, position %d, %s", traceTime(d.ReceivedAt), d.Position, fate)
	}
	for i := range m.Published {
		r := &m.Published[i]
		hole := ""
		if r.Hole != nil {
			hole = ", hole " + r.Hole.String()
		}
		add("published", "partition %d, offset %d, %s, %s%s", r.Partition, r.Offset, traceTime(r.Time), r.Order, hole)
	}
	for _, l := range m.DeadLetters {
		add("dead letter", "partition %d, offset %d, %s, %s: %s", l.Partition, l.Offset, traceTime(l.Time), l.Reason, l.Detail)
	}
}

func addNeighbour(add func(string, string, ...any), name string, r *trace.Record) {
	if r != nil {
		add(name, "%d at partition %d, offset %d, %s, %s", r.Seq, r.Partition, r.Offset, traceTime(r.Time), r.Order)
	}
}

// addSpooled adds what waits in the spool besides the message.
func addSpooled(add func(string, string, ...any), s *trace.Spooled) {
	for _, n := range []*trace.Neighbour{s.Below, s.Above} {
		if n != nil {
			add("waits in spool", "%d at position %d, received %s", n.Seq, n.Position, traceTime(n.ReceivedAt))
		}
	}
	if s.Unsequenced > 0 {
		add("waits in spool", "%d without a number", s.Unsequenced)
	}
}

// traceColor is the color of a state.
func traceColor(s trace.State) color {
	switch {
	case s == trace.Published:
		return good
	case s.Arrived() || s == trace.Expected || s == trace.Unknown:
		return uneasy
	default:
		return bad
	}
}

func traceTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func randomOf(m *trace.Message) string {
	if m.Random == nil {
		return "unknown"
	}
	return strconv.FormatUint(*m.Random, 10)
}

func sentAt(m *trace.Message) string {
	if m.SentAt == nil {
		return "at an unknown time"
	}
	return m.SentAt.UTC().Format(time.RFC3339)
}

func unless(condition bool, text string) string {
	if condition {
		return ""
	}
	return text
}
