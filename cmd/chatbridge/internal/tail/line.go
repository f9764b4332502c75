package tail

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/chatbridge/chatbridge/schema"
)

// A Line is one record for people: every text in it is one clean line.
type Line struct {
	Time   time.Time
	Group  string // with /topic behind it, where there is one
	Number string // "#42", or "-" without a number
	Mark   string // "", "hole 5-6", "▲late" or "reset"
	Sender string
	Text   string // what was said, else what was sent: [image]
	Fault  string // the record is not an event: why; then only Time is set
}

// Describe makes a record's line.
func Describe(r *Record) Line {
	if reason, ok := r.header(schema.HeaderReason); ok {
		detail, _ := r.header(schema.HeaderDetail)
		return Line{Time: r.Time, Fault: Clean(fmt.Sprintf("dead letter, at partition %d offset %d: %s: %s", r.Partition, r.Offset, reason, detail))}
	}
	event, err := schema.Decode(r.Value)
	if err != nil {
		return Line{Time: r.Time, Fault: Clean(fmt.Sprintf("not an event, at partition %d offset %d: %v", r.Partition, r.Offset, err))}
	}
	line := Line{
		Time: event.Time(), Group: Clean(event.Group.ID), Number: "-", Sender: Clean(event.Sender.Account),
		Mark: markText(r), Text: Said(event),
	}
	if event.Group.TopicID != "" {
		// A topic's name begins with its community's.
		line.Group += "/" + Clean(strings.TrimPrefix(event.Group.TopicID, event.Group.ID))
	}
	if seq, ok := event.Sequence(); ok {
		line.Number = "#" + strconv.FormatUint(seq, 10)
	}
	return line
}

// markText is what the record says of its place in the order.
func markText(r *Record) string {
	marks, err := schema.ParseHeaders(r.header)
	if err != nil {
		return "no mark"
	}
	switch marks.Order {
	case schema.AfterHole:
		if marks.Hole.From == marks.Hole.To {
			return fmt.Sprintf("hole %d", marks.Hole.From)
		}
		return fmt.Sprintf("hole %d-%d", marks.Hole.From, marks.Hole.To)
	case schema.Late:
		return "▲late"
	case schema.Reset:
		return "reset"
	case schema.InOrder, schema.Unsequenced:
		return ""
	default:
		return Clean(string(marks.Order))
	}
}

func (r *Record) header(key string) (string, bool) {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

// Said is the message's text as one clean line, with a word for each element that
// has none.
func Said(e *schema.Event) string {
	var words []string
	for _, element := range e.Message.Elements {
		switch el := element.(type) {
		case *schema.Text:
			words = append(words, el.Text)
		case *schema.Custom:
			words = append(words, bracket("custom", el.Data))
		case *schema.File:
			words = append(words, bracket("file", el.Name))
		case *schema.Location:
			words = append(words, bracket("location", el.Description))
		case *schema.Relay:
			words = append(words, bracket("relay", el.Title))
		case *schema.Other:
			words = append(words, bracket("other", el.Name))
		default:
			words = append(words, bracket(string(element.Type()), ""))
		}
	}
	if len(words) == 0 {
		return "[empty]"
	}
	return Clean(strings.Join(words, " "))
}

func bracket(kind, what string) string {
	if what == "" {
		return "[" + kind + "]"
	}
	return "[" + kind + ": " + what + "]"
}

// Clean makes one harmless line of a text: white space becomes one space, and
// what a terminal could take for a command, or what turns the direction of
// writing, goes.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r == unicode.ReplacementChar:
			return '·'
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// Shorten cuts a text to at most n characters, the last then being …
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}
