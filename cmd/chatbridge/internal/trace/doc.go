// Package trace answers where one message is, from what is known of it at
// several places: the spool, the running bridge, the events topic and the
// dead-letter topic.
//
//	deliveries (spool) ─┐
//	held (the bridge)  ─┼─► Judge ─► Answer: a state, a sentence, the evidence
//	records (topic)    ─┤
//	dead letters       ─┘
//
// # What is looked for
//
// A number of a stream. It can belong to several messages: a group that was made
// anew counts from 1 again, and of two messages with one number and different
// Randoms both are published. So an answer has a list of messages, told apart by
// their ids, and each has its own state.
//
// # How the topic is searched
//
// Only the partition of the group is read, from its end backwards in growing
// steps. A record of the stream that moved its mark, with a number not above the
// one that is looked for, ends the search: the mark only rises, so that nothing
// before it can have that number. Where a reset is seen, that holds for the oldest
// numbering that was seen only. A stream that had been forgotten, or one of another
// app that has been silent, can have it further back; so an answer says where the
// search ended. A whole search (Search.From) finds those too. Where the message is
// in the spool, the first step begins at its own time.
//
// # What is not known
//
// A message that is nowhere was not received only where every place was read: the
// spool is its bridge's user's, and the right to read a topic can be missing.
// Otherwise it is Unknown, and the answer names those places.
//
// The places must be asked in this order: spool, checkpoint, bridge, topics. A
// message on its way through them is then seen at least once, and what was settled
// before the topic is read is in it.
package trace
