// Package publisher writes batches of messages to Kafka partitions, each once and in order, and reads partitions back.
// It is the only door to kafka-go. It knows nothing of chats and spools; of the configuration it knows the names of the keys under
// kafka, so that its sentences can say which one to look at.
//
// # Use
//
//	client, err := publisher.New(publisher.Config{Brokers: []string{"127.0.0.1:9092"}})
//	partition := client.Partition("chat.group-messages", publisher.PartitionFor(key, count))
//	base, err := partition.Publish(ctx, publisher.Batch{Messages: batch, From: next, Announce: record})
//
// Publish blocks until the batch is settled, through outages of any length. There is one batch in flight in a partition; a partition
// that is stuck holds up no other. Status, Statuses and Hooks say how it goes.
//
// # Promises
//
//   - Settled means: in the log, and on every in-sync replica (acks=all). A batch is settled whole, in the order of the calls (P3).
//   - A settled batch is in the log once (P4), whatever happened on the way: answers lost, connections cut, brokers frozen or killed,
//     leaders moved, this process killed and started again with the identity that it had announced.
//   - Publish gives up only where it must: the context or the Client ended (outcome unknown), Kafka will never take the batch
//     (*RejectedError, nothing appended), the configuration must change (*FatalError). See the table in errors.go.
//   - Nothing hangs: every step has a time-out, ends with its context at once, and leaves no goroutine behind.
//   - Memory is bounded: one encoded batch for each Publish that is running, one fetch for each Read (P8).
//
// # How a batch stays one (P4)
//
// A batch carries an identity: producer id, epoch, first sequence. A broker that remembers the producer drops a batch that it has
// already. That memory is not enough: it ages by the records' own times, not by when they came, so that a backlog of old events is
// unprotected, and after a restart it holds only the last batch of a producer. So the rules are:
//
//  1. The batch is encoded once. Every attempt sends the same bytes under the same identity.
//  2. The identity is announced before the first byte leaves. The caller records it, and after a crash sends the same messages with
//     Resend, which counts as an attempt with an unknown outcome.
//  3. After every attempt that may have appended, the partition's tail is read (search in tail.go) before anything is sent again. The
//     log keeps the identity in each batch's header. Found: settled there. Not found: sent again, by rule 1.
//  4. The tail ends at the leader's log end, not at the high watermark; what lies between is waited for. Only a leader is asked, of one
//     epoch: ListOffsets and Fetch carry it, and Fetch stays below the version that followers answer.
//  5. A batch gets another identity, or is given back as rejected, only when no earlier attempt can still land: each was answered, or
//     Quarantine has passed since the last that was not, and the tail was read after that. An answered attempt is either in the log or
//     will never be.
//  6. A producer id is new to a partition or goes on without a gap. A sequence is never used for two different batches that were sent,
//     since the broker would drop the second one as known. So each Client asks for an id of its own, and an id is left before its
//     sequences end at 2^31-1.
//  7. After a cancelled Publish only the same batch is taken (ErrUnresolved): another one would overtake it.
//
// What this cannot hold: a request that nobody answered, that is delivered by the network after the batch was sent again and settled,
// and at a moment at which the broker has forgotten the producer (record times older than producer.id.expiration.ms, and its check,
// every ten minutes, just passed or the broker just restarted), is appended a second time. It takes all three; fencing a former writer
// for good takes a transactional id. Unclean leader elections lose what Kafka had confirmed; nothing here can see that.
//
// # What the broker may do between the calls
//
// A topic that is deleted and made anew is noticed by its log being shorter than From; then the whole log is the tail. Partitions that
// are added move keys to other partitions; PartitionCount tells, the caller decides. Topics with LogAppendTime work; records then come
// back with the broker's time. Batches that the broker compresses anew keep their identity.
//
// # Why not kafka-go's Transport and Client
//
// Their messages, codecs, SASL and errors are used; their connections are not (cluster.go, pool.go, wire.go). The Transport goes on using a
// request's buffer after the call has returned, shows a missing broker as a missing topic, asks for no metadata when a leader has moved,
// has no time-out while logging in, and its metadata request must be answered within the refresh interval. The Client routes
// InitProducerID to a transaction coordinator, which takes a permission that nobody needs; RawProduce waits 500 ms for replicas where its
// Client has no time-out. Fetch is in fetch.go, with the reasons.
//
// # Files
//
//	publisher.go   Client: New, Close, look-ups       partition.go  Partition, Batch, Publish
//	deliver.go     one Publish on its way             tail.go       looking for a batch in the log
//	identity.go    producer ids and sequences         errors.go     the table of errors
//	encode.go      messages → batch                   decode.go     batch → records
//	compress.go    codecs                             murmur2.go    key → partition
//	read.go        Read, Offsets, OffsetAt            fetch.go      the Fetch request
//	cluster.go     brokers and leaders                pool.go       connections, who is asked
//	wire.go        one connection                     security.go   TLS and SASL
//	linkfault.go   what a failure below Kafka's codes means, and a missing permission
//	preflight.go   Check: cluster, topics             settings.go   Check: a topic's settings
//	provision.go   Apply                              config.go     Config
//	status.go      Status, retrying, the log's gate   hooks.go      Hooks
package publisher
