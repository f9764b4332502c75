package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

func published(records []Record) string {
	r := &records[0]
	text := fmt.Sprintf("Published at partition %d, offset %d, with the time %s, %s", r.Partition, r.Offset, stamp(r.Time), r.Order)
	if r.Hole != nil {
		text += fmt.Sprintf(" (%s skipped before it)", r.Hole)
	}
	if n := len(records) - 1; n > 0 {
		text += fmt.Sprintf("; it is there %d more times (chatbridge audit says whether that is right)", n)
	}
	return text + "."
}

func held(h *Held) string {
	if h.Restart {
		return fmt.Sprintf("Held for %s more at most: its number is below the mark and its time newer, so the group may have been made anew; its neighbour would show it.", seconds(h.LeavesIn))
	}
	if len(h.WaitsFor) == 0 {
		return fmt.Sprintf("Held for its order, for %s more.", seconds(h.LeavesIn))
	}
	return fmt.Sprintf("Held for %s more at most: it waits for %s.", seconds(h.LeavesIn), Ranges(h.WaitsFor))
}

func (e *Evidence) stored(m *Message) string {
	d := m.Deliveries[slices.IndexFunc(m.Deliveries, func(d Delivery) bool { return !d.Settled })]
	text := fmt.Sprintf("Stored in the spool at position %d since %s, and not in the topic yet", d.Position, stamp(d.ReceivedAt))
	if d.Unreadable != "" {
		text = fmt.Sprintf("Stored in the spool at position %d since %s; it cannot be read (%s) and goes to the dead-letter topic", d.Position, stamp(d.ReceivedAt), d.Unreadable)
	}
	switch {
	case !e.Alive:
		return text + ": no bridge answers; it is published when the bridge runs."
	case len(e.Sink) > 0:
		return text + ": it waits for Kafka: " + strings.Join(e.Sink, "; ") + "."
	default:
		return text + ": it is on its way."
	}
}

func letter(letters []Letter) string {
	l := &letters[0]
	verb := "It is"
	if l.Likely {
		verb = "It is most likely"
	}
	text := fmt.Sprintf("%s in the dead-letter topic at partition %d, offset %d: %s", verb, l.Partition, l.Offset, l.Reason)
	if l.Detail != "" {
		text += " (" + l.Detail + ")"
	}
	return text + "."
}

// String writes a range as 5-6, or 5.
func (h Hole) String() string {
	if h.From == h.To {
		return fmt.Sprint(h.From)
	}
	return fmt.Sprintf("%d-%d", h.From, h.To)
}

// Ranges writes holes one behind the other, the first few of them.
func Ranges(holes []Hole) string {
	const most = 5
	var parts []string
	for _, h := range holes[:min(len(holes), most)] {
		parts = append(parts, h.String())
	}
	text := strings.Join(parts, ", ")
	if n := len(holes) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return cmp.Or(text, "none")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
