package publisher

import "time"

// Hooks are called synchronously by the publishing goroutine; they must be quick. Nil ones are skipped.
type Hooks struct {
	Published func(topic string, partition, records, bytes int, took time.Duration)
	Retried   func(topic string, partition int, class string, err error)
	TailRead  func(topic string, partition int, found bool)
	Resynced  func(topic string, partition int)
	Rejected  func(topic string, partition, records int, err error)
}
