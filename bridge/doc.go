// Package bridge wires the parts of chatbridge together: configuration, start
// and stop, health and metrics.
//
//	Tencent ── POST ──► ingest ─► spool ══ fsync ══► 200
//	                                │
//	                     relay: dispatch ─► lane of the partition ─► resequence ─► publisher ─► Kafka
//	                                │
//	                           checkpoint
//
// # Invariants
//
//  1. ingest answers 200, or 400 for an authentic body that cannot be read, only
//     after spool.Append returned (P1). Nothing else stands between a request
//     and its answer, so Kafka cannot slow it (P2).
//  2. What is in the spool leaves it only when the checkpoint that says so is
//     durable. The checkpoint never passes what is held or unacknowledged.
//  3. The bridge is ready as long as it can store. Kafka's state is reported
//     apart, by /sinkz, and never makes it unready.
//  4. Stopping loses nothing at any point: a stop that takes its time drains
//     first; one that is cut is a crash, and the next start recovers from it.
//
// # Start and stop
//
// Open takes the spool's lock, recovers it and binds both listeners, so that
// whatever is wrong with disk or ports is said at once. Run stops in this order
// when its context ends: readiness off, ingest drains, the relay drains until
// the deadline and is then cut, the last checkpoint is written, Kafka's
// connections close, the spool is closed and unlocked, the operator's listener
// goes last. While the operator has publishing paused there is nothing to drain
// by, and the stop does not wait for it.
package bridge
