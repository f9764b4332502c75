// Package faultdisk is a disk for tests, in memory, that is as bad as real
// ones are allowed to be.
//
//   - What was written and not synced may be lost, sector by sector, in any
//     combination; a sector may be torn in the middle. The new size of a file
//     may be lost, or be there without the bytes.
//   - Names that were made, moved or removed and not synced may be lost, each
//     for itself and in any order.
//   - A Sync that fails leaves the written bytes visible and marks them clean:
//     they never reach the disk, a second Sync succeeds without them, and
//     Forget shows what is really there.
//   - Any call can fail with any error, write a part of what it was given, run
//     out of space, or be the last one before the power goes.
//
// A Disk outlives the processes that use it. Boot begins such a process and
// returns its view, a disk.FS; Kill or Crash ends it, and every later call on
// that view fails with ErrCrashed.
package faultdisk
