// Package ledger is what a sender of callbacks writes down so that an audit can
// later prove what became of each of them.
//
// A ledger is a file of JSON lines ([Line]), only ever appended to. One line is
// one fact about one MsgSeq:
//
//	{"kind":"run", …}         a run begins: its seed, app and time
//	{"kind":"reserved", …}    the numbers seq..to of a stream may be used from now on
//	{"kind":"ok", …}          a message was answered OK: it is stored, it must reach the topic
//	{"kind":"copy", …}        a further delivery of a message was answered OK
//	{"kind":"refused", …}     a delivery was answered, but not OK
//	{"kind":"unanswered", …}  a delivery got no answer: it may or may not have arrived
//	{"kind":"dropped", …}     a number was taken and never sent: a hole
//	{"kind":"end"}            the run ended and everything above is complete
//
// # What a kill leaves
//
// Lines are collected and handed to the operating system every fraction of a
// second, so that a sender killed in between loses the last of them. This makes
// the ledger weaker, never wrong: a reserved line is handed over before the
// first byte of any message with one of its numbers leaves. A number that is
// reserved by a run without an end line, and that has no line of its own, has an
// unknown fate, and the audit treats it so. What survives is what the operating
// system has; there is no fsync, a power loss may take the end of the file.
//
// Numbers are never used twice: a run that continues a ledger begins above
// everything that was used or reserved before it ([History.Next]).
package ledger
