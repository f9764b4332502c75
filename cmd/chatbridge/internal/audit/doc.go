// Package audit proves on a topic what the bridge promises (P9): that nothing
// which was answered OK is lost (P1), that every stream is in order (P3), that
// every message is there once (P4), and that holes are marked as they are (P5).
//
// # How
//
// Each partition is read once, from its own goroutine. Every record is judged by
// itself: its value can be read, its headers say what its value says, its key is
// its group, and it lies in the partition of that key. What needs more than one
// record is written down as entries of 48 bytes ([entry]), which are then sorted
// in three different ways and read again in that order:
//
//	by id               records and ledger lines: doubled, lost, not in the ledger
//	by stream, place    each stream as the topic has it: out of order, gaps, marks
//	by stream, number   holes, and what the ledger knows of the numbers in them
//
// # Bounded (P8)
//
// A sort keeps a fixed number of entries in memory; what is more is sorted in
// parts, written to one temporary file, and merged. Memory depends neither on the
// length of the topic nor on the number of streams or of ledger lines; the disk
// takes at most about 150 bytes a record. Nothing is approximated: ids are
// compared in their whole length, streams by 128 bits of their SHA-256.
//
// # What follows from what
//
// One damage gives one verdict, wherever the records allow to tell:
//
//   - A record that is there twice is doubled, and not out of order as well.
//   - Two records that changed places are one out of order; that the first of
//     them leaves a gap is not said, for the second fills it.
//   - A record in the wrong partition is not missed in the right one.
//   - Nor is one that lies where a smaller topic had it (Options.GrownFrom): a group
//     that moved, and moved back, leaves no gap.
//   - A hole mark that names less than is missing is right in what it names; the
//     rest is a gap without a mark.
//   - A number that is missing because its message was lost is lost, and not
//     an unexplained hole too.
//
// # What the topic alone cannot tell
//
//   - That a message is missing and a mark says so, is a hole like any other.
//     Only a ledger knows whether somebody was told OK.
//   - A stream begins where it begins: what was before its first record, or
//     behind its last one, is not missed without a ledger.
//   - A stream that the bridge has forgotten (least recently used, for want of
//     memory) begins anew with the next record, which cannot say what was skipped
//     before it. That is a gap without a mark, as if a record had been lost.
//   - A group that was dismissed and made again counts from 1 again. The record
//     that says so is marked reset and begins a new order.
package audit
