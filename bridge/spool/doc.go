// Package spool is the durable, ordered log between the endpoint and Kafka.
package spool
