// Package relay carries callbacks from the spool to Kafka: in order, once, and
// without ever losing its place.
//
//	spool ─► dispatcher ─► lane: read ─► resequence ─► batch ─► publisher.Partition ─► Kafka
//	             │           └── unreadable, other commands ─► aside ─► Kafka
//	         catch-up                         │
//	                                     checkpoint
//
// # Promises
//
//   - The checkpoint never passes a record that is held or unacknowledged (P1).
//   - Each event leaves once and, within its stream, in the order that the
//     resequencer decided, over any number of crashes at any point (P3, P4).
//   - A partition that Kafka cannot serve holds up its own groups only.
//   - Memory is bounded whatever the backlog (P8): what waits between spool and
//     Kafka by queueBytes, what waits for order by heldBytes, what is remembered
//     of streams by streamBytes, and what is kept for whoever asks after a group
//     by recentStreams. Everything else stays in the spool.
//   - Time is the spool's: see laneClock. A backlog is resequenced as it would
//     have been live.
//
// # A record's positions
//
// A position is open from the moment it is handed to a lane until it is
// finished: settled by Kafka, dead-lettered, or dropped as a duplicate or as a
// command that nobody wants. The lane's low mark is its lowest open position.
// Positions above it may be finished already; the checkpoint lists them.
//
// # What is written to the checkpoint, and when
//
// Before a batch is sent: intent, with its identity (producer id, epoch,
// sequence), its positions and the resequencer's decisions. After Kafka's answer:
// settled. What left in another way: finished, before the next intent and once a
// second. Once a second: each lane's low mark and next offset; then the log is
// synced, and only then the spool may let go of what lies below the lowest mark.
// When the log has grown, it is rewritten from the lanes' state.
//
// # What a crash can leave, and what the next start does
//
// The process was killed: the log is whole, for what was written is in the page
// cache. At most one batch per partition is announced and not settled. The tail
// of each partition, from the lane's next offset, is read. If the batch is there,
// it is settled. If it is not, the same records go under the same identity
// before anything else does: should a request of the dead process still be on
// its way, the broker takes only one of the two.
//
// The machine lost power: the end of the log may be missing. What is missing is
// in the tail, if it got that far: each record there that the log does not know
// is noted by its id, the resequencer is told what was published, and the spool's
// copy is passed over. A batch that nobody knows of may still lie with a broker
// that has not read it yet. So where the log was cut, or was last written in
// another boot of the machine and not ended, each partition is read to the end of
// its leader's log, given quietFor from the leader's first answer on, and read
// on; only then something is sent. The log is rewritten with what was learned there
// before a lane's next offset moves past it, so that a further restart knows it too.
//
// Everything that was decided and not settled leaves first, in the order in
// which it was decided, with the marks that were decided: a crash changes no
// decision that may have been seen. What was held is pushed again, with its own
// time of receipt. What the log does not know at all is read as if it were new.
//
// The checkpoint is lost or unreadable: every record of the spool is looked for
// in the partitions, from a day before the oldest receipt on (a record's time
// is never further from its receipt, see schema.Event.RecordTime).
//
// # What somebody may do to the topic meanwhile
//
// More partitions: noticed within seconds, without a restart. At a moment when
// nothing is on its way the lanes are cut anew; from then on groups go where the
// new number of partitions puts them. What they had stays in the old partition,
// so their order holds within each of the two.
//
// Deleted and made anew: what was settled before is gone with it. What is not
// settled goes to the new topic, once: a batch without an answer is looked for in
// the whole of the new log, and the next offset follows the new offsets down. A
// checkpoint whose next offset lies behind the log's end is not believed.
//
// Deleted and made anew with fewer partitions, counted three times in a row: what
// was on its way to a partition that is gone can never arrive. Once nothing is on
// its way in the partitions that are there, the lanes are cut anew as after a
// crash, and everything unsettled goes to where its group belongs now, unless the
// topic's tail, read by time, has it already.
//
// Each is said in the log and to Hooks.TopicChanged.
//
// # Asking after a group
//
// Group shows what a group's streams wait for. The next number, what is held and
// until when, and the holes that it waits for are the resequencer's own state. The
// last holes, the counts of late ones and duplicates, and what was published last
// are not worth a place in the state of each of a million streams: a table of a
// fixed size has them for the streams that were used last (recent.go), since they
// came into it. It goes on from run to run, as after a pause, and with a stream to
// another partition, and ends with the process. Nothing depends on it. The names of streams are
// digests; those of a group are told by the hash of the GroupId in them, and get
// their names back from that table, from what they hold, or from the question.
//
// # Traces
//
// What was stored of a trace behind a callback's query (spool.CutTrace) is told to
// the hooks, and goes into the record's headers where Options.TraceHeaders says so. It
// is the same in every attempt on a batch, also after a restart.
//
// # Goroutines
//
// Run starts, and waits for, one dispatcher, one catch-up, two per lane (order,
// send), one per side topic, one for the checkpoint and one that counts the
// topic's partitions. A lane's mutex guards its state; the journal's mutex
// orders what is written. A lane never holds its mutex while it takes the
// journal's, because a rewrite takes them the other way around; therefore state
// changes first and is written after, and every entry is idempotent.
package relay
