// Package disk is what the spool asks of a disk, and nothing more.
//
// FS and File are a durability contract: each method says what is on stable
// storage when it returns. The fsync of a directory is part of every method
// that changes one for good (Rename, Link, Remove, MkdirAll), so that it
// cannot be forgotten. Only Create leaves its directory unsynced: a new file
// gets its lasting name by Rename.
//
//	f := Create("x.tmp") → f.WriteAt … → f.Sync → Rename("x.tmp", "x")
//
// OS is the real disk. Package faultdisk below it is a double for tests that
// loses what was not synced; one conformance suite holds both to the
// contract.
package disk
