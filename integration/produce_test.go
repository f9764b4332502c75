package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/chatbridge/chatbridge/publisher"
)

// produceRole publishes records and ends. It knows the package publisher, which
// no other process here does: what is measured is its share of the work alone.
const produceRole = "produce"

const (
	addressVariable  = "CHATBRIDGE_TEST_ADDRESS"
	topicVariable    = "CHATBRIDGE_TEST_TOPIC"
	producerVariable = "CHATBRIDGE_TEST_PRODUCER"
)

// What is published: the sizes of the project's own measurements of libraries.
const (
	producePartitions = 12
	produceBatch      = 500
	produceValue      = 1000
	produceKeys       = 2000
)

// BenchmarkProducer: processor time of the client for each record that a real
// Kafka has acknowledged (acks=all, lz4), of the publisher and of franz-go's
// idempotent producer, alternating, each in a process of its own. Goal: at most
// 0.6 of franz-go's.
func BenchmarkProducer(b *testing.B) {
	needsReal(b, "figures on a real Kafka")
	kafka := startKafka(b, spec{warm: true})
	records := int(600_000*sizes.scale) / (producePartitions * produceBatch) * producePartitions * produceBatch
	topic := topicOf(b)
	client := kafka.client()
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(b.Context(), producePartitions, int16(kafka.replicas()), nil, topic); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"chatbridge", "franz-go"} {
		produce(b, kafka, topic, name, records/4) // what is not measured, so that the JVM is warm
	}
	t := newTable(b)
	for range sizes.rounds {
		used := map[string]float64{}
		for _, name := range []string{"chatbridge", "franz-go"} {
			used[name] = produce(b, kafka, topic, name, records)
			t.add(name+" CPU us", used[name])
		}
		t.add("ratio", used["chatbridge"]/used["franz-go"])
	}
	t.report()
}

// produce runs one producer to its end, and returns its processor time in
// microseconds a record.
func produce(b *testing.B, kafka *cluster, topic, name string, records int) float64 {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+produceRole, addressVariable+"="+kafka.addr, topicVariable+"="+topic,
		producerVariable+"="+name, recordsVariable+"="+itoa(records))
	p := launch(b, name, logFile(b, "produce"), cmd)
	<-p.done
	state := p.cmd.ProcessState
	if !state.Success() {
		b.Fatalf("%s: %s", name, strings.TrimSpace(tail(p.log, 5)))
	}
	return float64((state.UserTime() + state.SystemTime()).Microseconds()) / float64(records)
}

// playProduce publishes so many records, evenly over the partitions.
func playProduce() error {
	records, err := strconv.Atoi(os.Getenv(recordsVariable))
	if err != nil {
		return err
	}
	producers := map[string]func(addr []string, topic string, records int) error{
		"chatbridge": produceOwn, "franz-go": produceFranz,
	}
	run, ok := producers[os.Getenv(producerVariable)]
	if !ok {
		return fmt.Errorf("%s=%q is no producer", producerVariable, os.Getenv(producerVariable))
	}
	return run(strings.Split(os.Getenv(addressVariable), ","), os.Getenv(topicVariable), records)
}

// values and keys are of words, so that they can be compressed about as well as
// events can.
func produceData() (keys, values [][]byte) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("red packet group message sender account element custom data text platform operator random")
	for i := range produceKeys {
		keys = append(keys, fmt.Appendf(nil, "@TGS#%08d", i))
	}
	for range 64 {
		var v []byte
		for len(v) < produceValue {
			v = fmt.Appendf(v, "%s %d ", words[rnd.IntN(len(words))], rnd.Uint32())
		}
		values = append(values, v[:produceValue])
	}
	return keys, values
}

// produceOwn is the way of the relay: a goroutine for each partition, batch after
// batch.
func produceOwn(addr []string, topic string, records int) error {
	client, err := publisher.New(publisher.Config{Brokers: addr, Compression: publisher.LZ4})
	if err != nil {
		return err
	}
	defer client.Close()
	keys, values := produceData()
	var wg sync.WaitGroup
	faults := make([]error, producePartitions)
	for p := range producePartitions {
		wg.Go(func() {
			partition := client.Partition(topic, p)
			batch := make([]publisher.Message, produceBatch)
			for done := 0; done < records/producePartitions && faults[p] == nil; done += produceBatch {
				now := time.Now()
				for i := range batch {
					batch[i] = publisher.Message{Key: keys[(done+i)%len(keys)], Value: values[(done+i)%len(values)], Time: now}
				}
				_, faults[p] = partition.Publish(context.Background(), publisher.Batch{Messages: batch, From: -1})
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

// produceFranz is franz-go as it comes: idempotent, acks=all, with as much
// compression and as large batches.
func produceFranz(addr []string, topic string, records int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr...), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(2*producePartitions*produceBatch))
	if err != nil {
		return err
	}
	defer client.Close()
	keys, values := produceData()
	var fault atomic.Pointer[error]
	for i := range records {
		client.Produce(context.Background(), &kgo.Record{
			Key: keys[i%len(keys)], Value: values[i%len(values)], Partition: int32(i / produceBatch % producePartitions), Timestamp: time.Now(),
		}, func(_ *kgo.Record, err error) {
			if err != nil {
				fault.Store(&err)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	if err := fault.Load(); err != nil {
		return *err
	}
	return nil
}
