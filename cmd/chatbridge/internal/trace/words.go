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

func (e *Evidence) held(h *Held) string {
	wait := fmt.Sprintf("for %s more at most", seconds(h.LeavesIn))
	if len(e.Sink) > 0 {
		wait = fmt.Sprintf("until publishing goes on (%s)", strings.Join(e.Sink, "; "))
		if h.LeavesIn > 0 {
			wait = fmt.Sprintf("for %s more, and %s", seconds(h.LeavesIn), wait)
		}
	}
	switch {
	case h.Restart:
		return fmt.Sprintf("Held %s: its number is below the mark and its time newer, so the group may have been made anew; its neighbour would show it.", wait)
	case len(h.WaitsFor) == 0:
		return fmt.Sprintf("Held for its order, %s.", wait)
	default:
		return fmt.Sprintf("Held %s: it waits for %s.", wait, Ranges(h.WaitsFor))
	}
}

// sentence says where the bridge published it, and what is wrong with that.
func (l *Last) sentence(but string) string {
	return fmt.Sprintf("The bridge published it at partition %d, offset %d, at %s; %s.", l.Partition, l.Offset, stamp(l.At), but)
}

// notRead says which places a message may be at for all that is known, and what
// to do.
func notRead(places []Place) string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = "the " + string(p)
	}
	text, verb := names[0], "was"
	if last := len(names) - 1; last > 0 {
		text, verb = strings.Join(names[:last], ", ")+" and "+names[last], "were"
	}
	text = fmt.Sprintf("T%s, where it may be, %s not read", text[1:], verb)
	if places[0] == InSpool {
		return text + ": run this as the bridge's user, with its configuration, where its spool is; the notes say what else."
	}
	return text + "; the notes say why."
}

func (e *Evidence) stored(m *Message) string {
	d := m.Deliveries[slices.IndexFunc(m.Deliveries, func(d Delivery) bool { return !d.Settled })]
	text := fmt.Sprintf("Stored in the spool at position %d since %s, and not in the topic yet", d.Position, stamp(d.ReceivedAt))
	if d.Unreadable != "" {
		text = fmt.Sprintf("Stored in the spool at position %d since %s; it cannot be read (%s) and goes to the dead-letter topic", d.Position, stamp(d.ReceivedAt), d.Unreadable)
	}
	switch {
	case e.Refused != "":
		return text + "; whether the bridge publishes is not known, for it did not tell: " + e.Refused + "."
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
	parts := make([]string, len(holes))
	for i, h := range holes {
		parts[i] = h.String()
	}
	return few(parts)
}

// Numbers writes numbers as Ranges does.
func Numbers(list []uint64) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = fmt.Sprint(n)
	}
	return few(parts)
}

func few(parts []string) string {
	const most = 5
	text := strings.Join(parts[:min(len(parts), most)], ", ")
	if n := len(parts) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return cmp.Or(text, "none")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
