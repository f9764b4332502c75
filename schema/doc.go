// Package schema reads the callbacks of Tencent Cloud Chat and defines the
// events that chatbridge makes of them: what is in the Kafka topic. Consumers
// may import it; it knows neither Kafka nor HTTP, starts no goroutine, reads no
// clock and no file, and keeps no state. All its functions may be called by any
// number of goroutines.
//
//	query ──ParseQuery──► Request ─┐
//	body  ──Check (may it be acknowledged as good?)
//	      ──Peek, Route (whose?)   │
//	      ──Normalize ◄────────────┘──► Event ──AppendJSON──► value ──Decode──► Event
//	                                      └──Headers──► headers ──ParseHeaders──► Marks
//
// # Promises
//
//   - Check, Peek and Normalize read a body through the same code and agree:
//     Check returns the error that Normalize would, Peek the group that Normalize
//     would, whatever the command. Route returns the same group of a body that
//     is readable, at a glance.
//   - A body has a defined answer, whatever it holds: an event, or an
//     *UnreadableError with a code and a sentence that hold no text of the message.
//   - What Normalize returns, AppendJSON encodes; what AppendJSON writes validates
//     against JSONSchema and decodes to the same event; encoded again it has the
//     same bytes. What Decode accepts, AppendJSON encodes.
//   - The same message always has the same ID, however often and in whatever
//     spelling it is delivered. The rules stand at identify and never change.
//   - Memory is in proportion to the input: less than 32 bytes for each byte of the
//     most expensive body, and an event of at most 16 bytes for each.
//
// # What is unreadable
//
// In this order, with the code that goes into chatbridge-reason:
//
//	not-json          empty, not JSON (comments are not JSON), or not an object
//	duplicate-name    two members of one name in any object, after unescaping
//	too-deep          nested more than 64 deep, the outermost object being 1
//	command-mismatch  CallbackCommand is text, and not the query's
//	no-group-id       GroupId is not text that is not empty, nor a whole number
//
// The first three are one pass over the text, and the first fault in it counts.
// A query without a command stands for Group.CallbackAfterSendMsg. A GroupId that
// is a number counts as its digits, so that 34 and "34" are one group.
//
// # How a body is read
//
// Everything else is published. Before parsing, a byte-order mark is dropped, and
// invalid UTF-8 and lone surrogates become U+FFFD (a run of invalid bytes becomes
// one). Names are matched exactly. Then, at every level that has fields:
//
//   - null is absent; so is an empty string or list where a field is filled with it.
//   - A whole number is decimal digits, as a number or in a string, from 0 to
//     2^63-1 (a face's index also below 0). 1.0, 1e3, " 1" and "+1" are not whole
//     numbers. Latitude and longitude are finite numbers as JSON spells them, also
//     in a string.
//   - A time is a whole number within the years 1970 to 9999: EventTime in
//     milliseconds, the others in seconds. A flag is 0 or 1.
//   - A member that has no field here, whose value is of another type or range, or
//     whose field is filled already by its other spelling (FileName, fileName), is
//     kept in extra of the object it belongs to, under its own name, as it came:
//     numbers and escapes keep their spelling, space between tokens is dropped.
//   - A list that must hold objects (or strings) and holds anything else is of a
//     wrong type as a whole. GroupAtInfo is the exception: what can be understood
//     fills mentions, and if there is more the whole list is kept as well.
//   - An unusable MsgSeq makes the message unsequenced and is in extra. A 0, and the
//     number of an online-only message, is kept in message.seq, and the message is
//     unsequenced all the same.
//   - A TopicId that is not text is in extra, and the message then belongs to the
//     group's own stream.
//
// MsgBody becomes elements one for one (a null is none). An element is typed if
// its MsgType is one of the nine and its MsgContent is an object or absent;
// members beside the content join the element's extra. Otherwise it is "other":
// with its name and its content as it came or, if it is not an object or has no
// name, without a name and with the whole element as its content. So is a typed
// one where a member beside the content and one in it would need the same place
// in extra. Elements, image variants and relayed messages of one event are at
// most 4,096; a list beyond that is kept in extra.
//
// # How v1 may change
//
// Consumers may rely on this for as long as schema says chat.group-message/v1:
//
//   - Members are only added, never removed or renamed, and never change their
//     type or meaning. So consumers must pass over members they do not know, and
//     the published schema allows them. (Tests close it, to hold this package to
//     exactly what it names.)
//   - The element types, image formats and variant kinds are closed: a new kind of
//     element that Tencent invents is "other" for all of v1.
//   - A member that was in extra may get a place of its own, and is then no longer
//     in extra. Read extra for what you cannot do without, and look again after an
//     upgrade.
//   - group.type, message.priority, sender.platform and the formats of videos are
//     as Tencent sends them: new values come without notice.
//   - ids, Kafka keys and the meaning of the headers do not change.
//
// Anything else is v2, with another schema, another ce_dataschema and, while both
// are needed, another topic.
package schema
