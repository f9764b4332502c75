package trace

import (
	"fmt"
	"slices"
)

// absent says what it means that there is no message with the number. What was
// not looked at is not said to be without it.
func (e *Evidence) absent() (State, string) {
	switch {
	case e.Last != nil && e.Found == nil:
		return Published, e.Last.sentence("the topic was not read")
	case e.Last != nil:
		return Gone, e.Last.sentence("the topic does not have it where was looked")
	case e.Repeat != nil && e.Found != nil:
		return Gone, fmt.Sprintf("A repeat of it was skipped at %s: it had been published before, and the topic does not have it where was looked.", stamp(*e.Repeat))
	}
	state, why := e.absence()
	unread := e.unread()
	text := e.opening(state, unread)
	if why != "" {
		text += ": " + why
	}
	text += "."
	if len(unread) > 0 {
		return Unknown, text + " " + notRead(unread)
	}
	return state, text
}

// opening says how much of a no it is.
func (e *Evidence) opening(state State, unread []Place) string {
	switch {
	case e.Found == nil:
		return "Nothing that was looked at has it"
	case state == Unknown:
		return "It is not in the part of the topic that is there or was read"
	case len(unread) > 0:
		return "It is not in the topic"
	case state == Missing:
		return "Not received"
	case e.ahead() != "":
		return "Not received so far"
	default:
		return "Not received yet"
	}
}

// unread are the places that the message can be at, and that were not read.
func (e *Evidence) unread() (places []Place) {
	if !e.SpoolRead {
		places = append(places, InSpool)
	}
	if e.Found == nil {
		places = append(places, InTopic)
	}
	if !e.LettersRead {
		places = append(places, InLetters)
	}
	return places
}

// absence is what those places say that were read, and why.
func (e *Evidence) absence() (State, string) {
	f := e.Found
	switch {
	// First, for a hole that names it can be of an earlier numbering.
	case e.mark() != 0 && e.Seq >= e.mark():
		return Expected, fmt.Sprintf("the stream is at %d%s", e.mark()-1, e.ahead())
	case len(f.skipped()) > 0:
		r := &f.Skipped[0]
		return Missing, fmt.Sprintf("%d left without it at partition %d, offset %d, marked with the hole %s", r.Seq, r.Partition, r.Offset, r.Hole)
	case e.GivenUp != nil:
		return Missing, fmt.Sprintf("the bridge gave it up at %s, with the hole %s", stamp(e.GivenUp.At), e.GivenUp.Hole)
	case f == nil:
		return Unknown, e.passed()
	case f.Below == nil && f.Above == nil:
		return e.neverSeen()
	case !f.complete() || f.Below == nil && f.cut():
		return Unknown, "what is before that cannot be said"
	case f.Below == nil:
		return Missing, fmt.Sprintf("the stream begins with %d in the topic", f.Above.Seq)
	default:
		return Missing, "its neighbours are in the topic"
	}
}

// passed is what is known without the topic of a number that has come up.
func (e *Evidence) passed() string {
	switch {
	case e.Repeat != nil:
		return fmt.Sprintf("but a repeat of it was skipped at %s, so it had been published before", stamp(*e.Repeat))
	case e.Next != 0:
		return fmt.Sprintf("the stream is past it, at %d", e.Next-1)
	default:
		return ""
	}
}

// ahead says that numbers above are stored already, for which it is not too late.
func (e *Evidence) ahead() string {
	if n := len(e.Ahead); n > 0 {
		verb := "are"
		if n == 1 {
			verb = "is"
		}
		return fmt.Sprintf(", and %s %s held", Numbers(e.Ahead), verb)
	}
	if above := e.Spooled.Above; above != nil {
		return fmt.Sprintf(", and %d waits in the spool", above.Seq)
	}
	return ""
}

// neverSeen is for a stream of which the topic has no number.
func (e *Evidence) neverSeen() (State, string) {
	f, s := e.Found, &e.Spooled
	switch {
	case !f.complete() || f.cut():
		return Unknown, "no number of this stream is" + e.waiting()
	case s.Above != nil || s.Below != nil || len(e.Ahead) > 0:
		return Expected, "no number of this stream has been published yet" + e.waiting()
	case f.Unsequenced > 0:
		return Missing, fmt.Sprintf("the topic has %s of this stream, and none with one%s", count(f.Unsequenced, "record"), e.waiting())
	case s.Unsequenced > 0:
		return Missing, "nothing of this stream was published yet" + e.waiting()
	case len(f.OtherTopics) > 0:
		return Missing, "nothing of this stream is in the topic, but of others of the group; give --topic-id"
	default:
		return Missing, "nothing of this stream was ever published; look whether the group's id is right"
	}
}

// waiting says what else of the stream is on its way.
func (e *Evidence) waiting() string {
	text, s := e.ahead(), &e.Spooled
	if text == "" && s.Below != nil {
		text = fmt.Sprintf(", and %d waits in the spool", s.Below.Seq)
	}
	if s.Unsequenced > 0 {
		text += ", and the spool has " + count(s.Unsequenced, "callback")
	}
	return text
}

// count counts what has no number.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s without a number", n, what)
}

// mark is the number that the stream expects, as far as that is known.
func (e *Evidence) mark() uint64 {
	if e.Next == 0 && e.Found != nil && e.Found.Mark != 0 {
		return e.Found.Mark + 1
	}
	return e.Next
}

func (f *Found) skipped() []Record {
	if f == nil {
		return nil
	}
	return f.Skipped
}

// complete reports whether nothing that was not read can be the message.
func (f *Found) complete() bool {
	return !slices.ContainsFunc(f.Ranges, func(r Range) bool { return !r.ended })
}

// cut reports whether the topic has lost its beginning.
func (f *Found) cut() bool {
	return slices.ContainsFunc(f.Ranges, func(r Range) bool { return r.Start > 0 })
}
