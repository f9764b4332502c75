package publisher

import "time"

// Hooks tell of what happens, for metrics. They are called by the goroutine that works, so they must be quick; nil ones are skipped.
// They may be called concurrently for different partitions.
type Hooks struct {
	// Published is called for each settled batch: its records, its bytes as sent (compressed), and the time from the call of Publish.
	Published func(topic string, partition, records, bytes int, took time.Duration)
	// Retried is called for each failed attempt that is followed by another; class is a short constant such as "not-leader".
	// Partition -1 is a look-up that concerns the topic as a whole.
	Retried func(topic string, partition int, class string, err error)
	// TailRead is called when the partition's tail was read after an ambiguous outcome, with whether the batch was there.
	TailRead func(topic string, partition int, found bool)
	// Resynced is called when a partition goes on under a new producer id because the broker did not accept the sequence.
	Resynced func(topic string, partition int)
	// Rejected is called when a batch goes back to the caller as one that Kafka never takes.
	Rejected func(topic string, partition, records int, class string)
}
