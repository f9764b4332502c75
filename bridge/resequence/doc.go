// Package resequence gives the messages of each stream back the order in which
// they were sent (P3), drops what was seen before (P4), and says which numbers
// are missing (P5), within a bounded wait and bounded memory (P8).
//
// It is pure: no goroutine, no clock, no input or output. Time comes in as a
// value, decisions come out as values. The caller pushes what it receives,
// publishes what comes out, in that order, and calls Expire at NextDeadline:
//
//	b := resequence.New[*event](resequence.Config{})
//	out = b.Push(now, item, out[:0])          // publish out, drop the duplicates
//	if at, ok := b.NextDeadline(); ok { … }   // call Expire then
//	out = b.Expire(now, out[:0])              // publish out
//
// A Buffer belongs to one goroutine. now never goes back; it need not be the
// time of day: behind a backlog it follows the receipt of what is read, so that
// what came together in time waits for each other there as well.
//
// # Promise
//
// Each item pushed leaves exactly once: out = in, and out − duplicates is to be
// published. What is in order leaves within the Push that brings it, without a
// timer, a search, or, once its window has grown, an allocation. Nothing waits longer than the hold, counted
// from its own receipt, provided Expire is called when NextDeadline says. The
// same calls give the same decisions.
//
// # Rules
//
// The mark of a stream is the last number that left in order; the next one is
// expected. A hole is a range of numbers between the mark and something held.
//
// Rule 1. The expected number leaves at once, in-order, and with it what was
// held right behind it. Nearly all messages come in order: they must not pay
// for the few that do not.
//
// Rule 2. A number ahead of the expected one waits for those in between, until
// its own receipt plus the hold in force when it was pushed. Callbacks are
// sent concurrently, so a missing one is mostly under way. Only that stream
// waits. The hold counts from the receipt, not from the push, so that what was
// held when the process stopped and is pushed again waits for the rest of its
// time and no longer; a receipt after now counts as now, so that a clock that
// jumped back holds nothing for hours. Also, no more than StreamItems and
// StreamBytes wait in a stream, and no more than Budget in all Buffers that
// share it. What would exceed a bound of the stream ends the first wait of the
// stream; what would exceed the budget ends the first wait of the stream of
// this Buffer that would leave first anyway, which loses the least; and where
// this Buffer holds nothing else, the newcomer itself does not wait.
//
// Rule 3. A wait ends with the earliest deadline among all that is held in the
// stream. Everything up to the end of the run of the highest overdue number
// leaves; each that skips numbers leaves after-hole and names them. The runs
// behind the next hole go on waiting, each until its own deadline. (A run
// cannot leave before the one below it. So where the run behind the second hole
// was received earlier, its deadline ends both waits: the number missing in the
// first hole was sent still earlier, and is the later for it.) A hole is
// evidence, not an error: notices of joining and leaving take numbers and send
// no callback. Pressure ends a wait in the same way, one run at a time. A
// missing number that comes after its time but before Expire still fills.
//
// Rule 4. Below the mark, and at numbers that are held, identity decides: the
// same number with the same ID is a duplicate. With another ID it is another
// message: both are published. Where both are held, the first to come takes
// the place and the other follows it as late. What is below the mark and was
// not seen is late, and leaves at once: it is worth more out of order than
// lost, as the source sends no message again. A message without a usable
// number leaves at once as unsequenced, is compared with the unsequenced ones
// only, and moves nothing.
//
// Rule 5. A stream that is not known starts where it starts; waiting for what
// may be before it would tax each first message. A group that is created again
// begins again at 1. So two consecutive numbers n and n+1, both unseen, both
// at or below the expected number, n below it, and both with a MsgTime newer
// than the newest that moved the mark, re-base the stream. The first to come is
// held as long as the hold. When its neighbour comes, in either order, the
// lowest that is held leaves with reset. If n has left as late by then, n+1
// carries reset. If n+1 has left as late, n waits for its own chance. Within
// an epoch a lower number is never newer, so two that are merely late re-base
// nothing; one alone could be anything. A jump forward is a hole: nothing says
// that it is not. Times that are not known decide nothing.
//
// At a reset, what is held of the old epoch, that is, above the mark and sent
// before the message that carries reset, leaves first, after-hole. What is held
// and newer belongs to the new epoch and waits in it. What comes from then on
// above the new mark but was sent before the new epoch is a straggler of the
// old one: a duplicate if it was seen, else late, and moves nothing. Therefore
// the windows survive a reset: identities differ by MsgTime and Random, so the
// old ones can do no harm.
//
// Rule 6. What is known of streams is saved and loaded; facts published since
// are observed (see below). Above StateBytes the least recently used stream is
// forgotten, never one that holds items nor the one just used. A stream that
// ends its wait counts as just used. A forgotten stream starts anew.
//
//	   ┌──────────────────── forgotten (rule 6) ◄────────────────────┐
//	   ▼                                                             │
//	unknown ──── first number: in-order; Load, Observe (5, 6) ──► in order ◄─┐
//	                                                              │   ▲  └───┘ expected: in-order (1)
//	                       a number ahead (2), or one below       │   │        below, known: duplicate (4)
//	                       that may begin an epoch (5): held      │   │        below, unknown: late (4)
//	                                                              ▼   │        no number: unsequenced (4)
//	                                                            waiting ◄─┐
//	                  nothing is held any more: the holes         │   └───┘ as above, and
//	                  are filled (1), given up: after-hole, late  │         more is held (2, 5),
//	                  (2, 3), or re-based: reset (5) ─────────────┘         a part of it leaves (1, 3)
//
// # The adaptive hold
//
// What it observes. Lateness: when a missing number comes, the time from the
// receipt of the message that waited for it, the earliest above it, to its own
// receipt. That is taken when it fills a hole, and as well when it comes late,
// below the mark, after its hole was given up: else a hold that is too short
// could never learn so. For that, the last 4 holes given up are kept for each of
// 256 groups of streams; what is pushed out of there is lost as evidence only.
// Fills and misses: each missing number that comes, in time or late, is a fill;
// each hole that is given up is a miss, however wide, and ceases to be one when
// a number of it comes late. A lateness above the ceiling is no fill, as
// no hold would have met it. What a reset gives up counts as nothing.
//
// How it moves. Latenesses go into a histogram with eight buckets to each
// doubling; whenever they are 1,024 all weights are halved, so that it speaks of
// about the last thousand. The usual hold is one and a half times the upper
// edge of the bucket of the 99th percentile, at once from the first sample, at
// least Floor, at most Ceiling; before that it is Floor. The usual hold is in
// force for a stream unless its holes hardly ever fill: where
//
//	(fills of the stream + 4 × share of all) / (fills + misses of the stream + 4)  <  1/32
//
// with share of all = fills / (fills + misses) of all streams, the hold in force
// is Floor. The counts of a stream are halved at 128, those of all at 1,024.
//
// Why so. How late a callback can be is a property of the network, the same for
// all streams, and takes many samples to know: so the lateness is common to
// the Buffer. Whether a hole fills at all is a property of the group, of its
// notices and of its senders: so the share is the stream's own, and a stream
// without evidence borrows four waits of what is usual. At the floor, the late
// ones that still come are evidence, so the hold can rise again. BenchmarkHold
// prints what this costs and gains against no hold and a fixed one.
//
// Off holds for nothing: the first number after a hole leaves at once.
//
// # What is remembered
//
// Of each stream: the expected number, the newest MsgTime, the epoch, and three
// windows of identities: of the last Window numbers that moved the mark, of
// Window numbers that came late, and of the last Window unsequenced messages.
// The late window forgets first what lies Window numbers or more below the
// mark. So each repeat of a number among the last Window of its stream is
// recognized (as long as no more than Window late ones came among them), and
// mostly further back.
//
// Limits. A repeat from further back is not known to be one, and is published
// again, as late. So is anything of a stream that was forgotten. A stream in
// which a MsgTime far in the future was published can not be re-based until
// that time has come; its messages are late, not lost. A straggler of an old
// epoch that was sent in the same second as the new one began is taken for one
// of the new.
//
// An identity is 64 bits of number and ID. Two different messages of a stream
// look the same with odds of 2⁻⁶⁴ a pair; only what is below the mark is
// compared, with 2,048 entries at most, so one late message in 9 × 10¹⁵ is
// taken for a repeat. The ID must itself be spread evenly, as a hash is.
//
// A stream that was seen with one message takes about 93 bytes, with 1,024 or
// more about 8.1 KiB, and there are no pointers in it. Windows grow by doubling
// and lie in arenas by size, where a slot that falls free is filled with the
// last one: what is given back is given back.
//
// # Stopping and starting
//
// Save says what is known now; held items are no part of it. After a restart
// the caller loads what was saved last, observes what was published since, read
// back from the topic in its order, and pushes what was not published again, in
// the order in which it came, with its first ReceivedAt. Then the Buffer
// decides as the one that did not stop, but that evidence of holes given up
// just before is lost. Facts may begin before the state was saved: those that it
// contains, or that are older, change nothing. A repeat pushed again is a
// duplicate only as far as the windows reach: the caller must not push again
// what it knows to be published.
//
// # Looking
//
// View shows one stream, and Keys the names of all, a part at a time. Neither is
// a use of a stream, and neither changes anything.
//
// # Invariants
//
// Checked after each step of the tests, against a slow twin:
//
//   - what is held is above the mark, or below it and newer than the newest;
//   - a stream is either in the list of use or holds items and is in the heap of
//     deadlines, with the earliest of them;
//   - held bytes = the budget's share = the sum of sizes;
//   - each window's slot belongs to it, and each slot to a window.
package resequence
