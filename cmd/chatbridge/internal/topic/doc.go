// Package topic reads a Kafka topic for the commands that show it: how many
// partitions it has, where a time lies in them, and their records between two
// offsets. It only reads; it joins no consumer group and commits nothing.
package topic
