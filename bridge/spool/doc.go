// Package spool is the durable, ordered log between the endpoint and Kafka.
// It is what promise P1 stands on: no 200 leaves before Append has returned,
// and Append returns when the record is on stable storage.
//
//	s, err := spool.Open(spool.Options{Dir: dir, MaxBytes: 10 << 30})
//	pos, err := s.Append(ctx, spool.Record{ReceivedAt: now, Query: q, Body: b})
//
//	r := s.NewReader(from)            // from: what the checkpoint says
//	entries, err := r.Next(ctx, 500)  // blocks; io.EOF after Close
//	…settle them…
//	s.Checkpoint().Append(…); s.Checkpoint().Sync()
//	s.Release(settled)                // whole segments below it are removed
//
// # Promises
//
//  1. A record that was acknowledged is read back, byte for byte, under the
//     position that Append returned, until it is released.
//  2. A record that was refused is read back at most once, and only if the
//     process died before it could write anything else. One whose Append did
//     not return may be read back, once.
//  3. Positions are dense, rise in the order of storing, and never have a
//     second meaning. Where damage took records, or a log lost what was
//     settled, positions are skipped; they are not used again.
//  4. A reader never sees a record that is not durable (under Interval and
//     Memory: that was not handed to the system).
//  5. What is not released is never deleted, full disk or not. Bytes that
//     were written are never overwritten, and cut off only as zeros: torn
//     tails and damaged places stay in their file until it is released.
//  6. No record is read that was not stored: every byte that matters is under
//     a checksum that is bound to its segment and position.
//  7. Memory does not grow with the backlog: two groups that form and are
//     written (1 MiB each), MemoryBytes, one block of 256 KiB or a record a
//     reader, about 150 bytes a segment.
//
// # The directory
//
//	lock                                    flock; holds "pid N" while it is held
//	0000000007-00000000000000001000.seg     segment: id, first position
//	0000000006-….seg.damaged                kept aside; never read; for people
//	checkpoint.log                          see Checkpoint
//	checkpoint.log.<time>.damaged
//	reserve-append, reserve-rewrite         space kept for the checkpoint
//	blank-….tmp, checkpoint.log.tmp         may go at Open
//
// Directory 0700, files 0600. Files with other names are left alone.
//
// # Format, version 1
//
// Every file begins with magic and version, the same in every version; one of
// a version that is not known is a *VersionError and is left as it is. A
// segment is two copies of a header (header.go) and then frames (frame.go),
// each at a multiple of 8; a new kind of frame needs a new version:
//
//	0         512       1024
//	| header  | header  | record record record commit | record commit | 0 0 0 …
//	                    |<-------- one group -------->|
//
// A group is what one write and one fdatasync make durable. It is written only
// when the one before it is durable. Each record knows its place in its group.
// So a frame of a group proves that every earlier group was durable once, and
// that is how recovery tells damage from a torn tail.
//
// A segment is zero-filled and synced before it is used, so that fdatasync in
// it writes no metadata. It is sealed by the header of its successor, which
// says where it ends (previous end) and up to where it was whole (previous
// sound); nothing has to be written into a segment that cannot be written to.
// That header is the one commit point of rotation, of poisoning and of
// recovery. testdata/ holds files of version 1, and tests that they are read.
//
// # What is assumed of the disk
//
//	A1 After fdatasync returned nil, what was written before it is there after
//	   a power loss, and the size of the file with it.
//	A2 After fsync of a directory returned nil, so are the names in it. A
//	   rename is there or not, never half.
//	A3 What was not synced may be there or not, sector by sector, in any order;
//	   a sector may be torn. A name that was not synced may be there or not.
//	A4 Writing a sector again does not harm the bytes in it that stay the same
//	   (a group begins where the last one ended, within a sector).
//	A5 A failed fsync may have lost any of what was written since the last good
//	   one, may lie about it from then on in what is read, and a later fsync
//	   that succeeds means nothing.
//	A6 Bits may rot, blocks may become unreadable, files may be cut or vanish.
//	   Then something is lost; but nothing else, and it is told.
//	A7 flock excludes other processes (not so on some network disks: then keep
//	   the spool on a local one).
//
// faultdisk is a disk that does all of A3, A5 and A6. Where A1 is a lie (a
// drive that acknowledges early), the tail may be gone without a trace; what
// the checkpoint says beyond it keeps its positions (NewReader).
//
// # Crash analysis
//
// Append. The group is written and not synced: not acknowledged; after the
// crash any of its sectors may be there. Records that are whole count, others
// do not, and the new segment's header sets sound before the first one that
// is gone and end behind the last that is there. Synced: there, by A1.
//
// Rotation. A zero-filled file under a .tmp name gets its header, is synced,
// renamed, and the directory synced. Before the rename it is removed at Open.
// During it: it is there, empty, and its header says what its predecessor
// holds at that moment; or it is not. From the rename on nothing is written to
// the predecessor, even if the rename seemed to fail: the header may come to
// light and cut off what came later. A try that failed leaves a segment that
// nothing follows and nothing is in; its successor follows the same
// predecessor at the same position (directory.go drops it).
//
// Write or sync error. The descriptor is not used again (A5). The group goes
// to a new segment, whose header says that the old one ends before the group:
// whatever of it is in the old one is void. It is acknowledged only when it is
// durable there. After three segments the group is refused, then all appends,
// until a segment can be made again. If the process dies before that, the
// group may be found in the old segment: promise 2.
//
// Recovery. The newest segment is synced (a killed process may have left
// bytes in memory only), forgotten by the page cache (A5), read through, and
// followed by a new segment. No other is read. Until the new header is
// durable nothing has changed, so a crash during recovery finds the same. On a
// full disk no segment can be made; Open succeeds without.
//
// Release. Oldest first, each removal durable before the next: a crash leaves
// the end of the log, without a hole. The newest segment stays, since it says
// what the next position is.
//
// Checkpoint. Append and Sync as above, entry by entry. Its torn tail is cut
// in fact and the cut synced before it is appended to, so that no entry behind
// the cut comes back. Rewrite is tmp, fsync, rename, directory fsync; after an
// error the next operation writes a new file again, since two files may have
// the name.
//
// Zeros are cut off a segment's end at Close and at Open (ftruncate): whether
// that survives makes no difference.
//
// # Damage
//
// What recovery or a reader finds to be damaged is gone around: the next valid
// header is searched for at multiples of 8. The segment gets a second name
// that ends in .damaged (a hard link: no space, no copying; a copy where there
// are no links), so that it outlives its release; it is logged, counted in
// Stat, told by Damage and EventQuarantined, and the spool serves on. A block
// that cannot be read is tried again for a quarter of a second first. Repair,
// on a spool that is not in use, copies a damaged segment and writes what is
// good in it anew, with a gap frame for what is gone.
//
// A bit that rots in the very last group, with nothing stored after it, looks
// like a torn tail: the record that holds it is lost as if it had not been
// acknowledged. All others of the group are kept.
//
// # Full
//
// Appends are refused above MaxBytes (segments only) and below MinFree, and
// taken again when there is room for two segments and MinFree plus an eighth
// of it (one segment at most). ENOSPC is the same, whatever the bounds say.
// Two reserves make sure that the checkpoint can be appended to, and
// rewritten at twice its size, on a disk without a free byte; it is what lets
// segments go.
//
// # Goroutines
//
// Two, from Open to Close: the committer writes segments; the preparer
// zero-fills the next one from when an eighth of the one in use is used. The
// first segment of a life is small (4 MiB), so that Open is quick.
package spool
