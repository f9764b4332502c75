// Package publisher writes batches of messages to Kafka partitions, each once and in order.
package publisher
