package publisher

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const benchBatch = 500

// cpu is the processor time that this process has used; the broker is in it, the same for each producer.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPublish compares, on a broker that stores nothing, the cost of a record with kafka-go's Writer and with franz-go. An op is a
// batch of 500 messages of about 400 bytes; each producer waits for it.
func BenchmarkPublish(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic), kfake.BlackholeProduce())
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	brokers := cluster.ListenAddrs()
	msgs := sample(benchBatch, 1)
	measure := func(name string, send func(context.Context) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if err := send(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			n := float64(b.N) * benchBatch
			b.ReportMetric(float64(cpu()-before)/n, "cpu-ns/record")
			b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
		})
	}

	client, err := New(Config{Brokers: brokers})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	partition := client.Partition(testTopic, 0)
	measure("chatbridge", func(ctx context.Context) error {
		_, err := partition.Publish(ctx, Batch{Messages: msgs, From: 0})
		return err
	})

	transport := new(kafka.Transport) // the shared one would keep its goroutines
	defer transport.CloseIdleConnections()
	writer := &kafka.Writer{Transport: transport, Addr: kafka.TCP(brokers...), Topic: testTopic, RequiredAcks: kafka.RequireAll, BatchSize: benchBatch, BatchBytes: 10 << 20, BatchTimeout: time.Second}
	defer writer.Close()
	theirs := make([]kafka.Message, len(msgs))
	for i, m := range msgs {
		theirs[i] = kafka.Message{Key: m.Key, Value: m.Value, Time: m.Time}
		for _, h := range m.Headers {
			theirs[i].Headers = append(theirs[i].Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
	}
	measure("kafka-go Writer", func(ctx context.Context) error { return writer.WriteMessages(ctx, theirs...) })

	franz, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(testTopic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		b.Fatal(err)
	}
	defer franz.Close()
	measure("franz-go", func(ctx context.Context) error {
		recs := make([]*kgo.Record, len(msgs))
		for i, m := range msgs {
			recs[i] = &kgo.Record{Key: m.Key, Value: m.Value, Timestamp: m.Time}
			for _, h := range m.Headers {
				recs[i].Headers = append(recs[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
		}
		return franz.ProduceSync(ctx, recs...).FirstErr()
	})
}

// BenchmarkRead reads a log of 100,000 records from an in-process broker.
func BenchmarkRead(b *testing.B) {
	for _, codec := range []Compression{None, LZ4, Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic))
			if err != nil {
				b.Fatal(err)
			}
			defer cluster.Close()
			client, err := New(Config{Brokers: cluster.ListenAddrs(), Compression: codec})
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			p := client.Partition(testTopic, 0)
			for i := range 200 {
				if _, err := p.Publish(b.Context(), Batch{Messages: sample(benchBatch, uint64(i)), From: 0}); err != nil {
					b.Fatal(err)
				}
			}
			records := 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Read(b.Context(), 0, func(*Record) error { records++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
