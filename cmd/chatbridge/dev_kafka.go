package main

import (
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kfake"
)

// devKafka is the Kafka inside dev: one broker, its data on disk.
type devKafka struct{ cluster *kfake.Cluster }

func startDevKafka(port int, dir string) (*devKafka, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the embedded Kafka's folder: %w", err)
	}
	cluster, err := kfake.NewCluster(kfake.Ports(port), kfake.DataDir(dir), kfake.SyncWrites())
	if err != nil {
		return nil, fmt.Errorf("start the embedded Kafka on port %d with its data in %s: %w", port, dir, err)
	}
	return &devKafka{cluster: cluster}, nil
}

// Close saves what is to be saved and stops the broker.
func (k *devKafka) Close() { k.cluster.Close() }
