package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	brokerRole = "broker"

	portVariable    = "CHATBRIDGE_TEST_PORT"
	dataVariable    = "CHATBRIDGE_TEST_DATA"
	optionsVariable = "CHATBRIDGE_TEST_OPTIONS" // space-separated: sync, blackhole
)

// playBroker is a Kafka, until its standard input ends.
func playBroker() error {
	port, err := strconv.Atoi(os.Getenv(portVariable))
	if err != nil {
		return err
	}
	opts := []kfake.Opt{kfake.Ports(port), kfake.DefaultNumPartitions(12)}
	if dir := os.Getenv(dataVariable); dir != "" {
		opts = append(opts, kfake.DataDir(dir))
	}
	for option := range strings.FieldsSeq(os.Getenv(optionsVariable)) {
		switch option {
		case "sync":
			opts = append(opts, kfake.SyncWrites())
		case "blackhole":
			opts = append(opts, kfake.BlackholeProduce())
		default:
			return fmt.Errorf("the broker has no option %q", option)
		}
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// broker is a Kafka of one node in a process of its own. Its port and its data
// stay the same over kills.
type broker struct {
	t       testing.TB
	addr    string
	port    int
	data    string
	options string
	log     string
	starts  int

	*process // of the last start
}

// newBroker returns a Kafka that is not running yet.
func newBroker(t testing.TB, options ...string) *broker {
	t.Helper()
	port := freePort(t)
	return &broker{
		t: t, port: port, addr: fmt.Sprintf("127.0.0.1:%d", port),
		data: newDir(t, "kafka"), options: strings.Join(options, " "), log: logFile(t, "kafka"),
	}
}

// startBroker returns a Kafka that answers.
func startBroker(t testing.TB, options ...string) *broker {
	t.Helper()
	b := newBroker(t, options...)
	b.start()
	b.answers()
	return b
}

// start starts it, and does not wait until it answers.
func (b *broker) start() {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+brokerRole,
		portVariable+"="+strconv.Itoa(b.port), dataVariable+"="+b.data, optionsVariable+"="+b.options)
	if _, err := cmd.StdinPipe(); err != nil { // it ends with us
		b.t.Fatal(err)
	}
	b.starts++
	b.process = launch(b.t, "kafka", b.log, cmd)
}

// answers waits until it does.
func (b *broker) answers() {
	b.t.Helper()
	client := b.client()
	defer client.Close()
	eventually(b.t, "kafka answers", func() error {
		if !b.alive() {
			b.t.Fatalf("kafka ended: %s", tail(b.log, 20))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return client.Ping(ctx)
	})
}

// client returns somebody else's Kafka client, so that what is read back was not
// read by the code that wrote it.
func (b *broker) client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.addr), kgo.RetryTimeout(patience))...)
	if err != nil {
		b.t.Fatal(err)
	}
	return client
}

// read consumes a topic from its beginning until done says that it is enough.
func (b *broker) read(topic string, done func([]*kgo.Record) bool) []*kgo.Record {
	b.t.Helper()
	client := b.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var records []*kgo.Record
	for !done(records) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); errors.Is(err, context.DeadlineExceeded) {
			b.t.Fatalf("topic %s: %d records and no more", topic, len(records))
		}
		records = append(records, fetches.Records()...)
	}
	return records
}
