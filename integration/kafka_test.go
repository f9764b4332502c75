package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A spec is the Kafka that a test asks for.
type spec struct {
	nodes      int               // 1 where it is 0
	properties map[string]string // of every node, over the defaults; $FILES is where files are
	listeners  []listener        // beside the plain one
	files      map[string][]byte // by name
	fake       bool              // kfake, whatever else is there: for benchmarks only
	options    string            // of kfake: sync, blackhole, secured
	opts       []kgo.Opt         // of the test's own clients, where the plain listener wants a login
	warm       bool              // a JVM that is made to work and not to start quickly: for benchmarks only
}

// A listener is one more door into each node, beside the plain one.
type listener struct {
	name     string // in capitals
	protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL

	// advertised is the port that each node tells its clients to use, by node:
	// a proxy's. Nil is the listener's own.
	advertised []int
}

// A cluster is a Kafka of one node or several. Ports and data stay the same over
// kills.
type cluster struct {
	t     testing.TB
	spec  spec
	way   *way
	addr  string // where the plain listeners are: host:port, comma-separated
	files string // the folder with spec.files, as this test sees it
	nodes []*node
}

// A node is one broker of a cluster.
type node struct {
	id    int            // from 1
	ports map[string]int // on 127.0.0.1, by listener
	machine
}

// A machine is what a node runs on. Nothing here waits until Kafka answers; kill
// and stop return when it is gone.
type machine interface {
	start()
	kill()   // as kill -9
	stop()   // as SIGTERM
	freeze() // as SIGSTOP
	thaw()
	alive() bool
	pid() int     // 0 = not running
	said() string // the end of its log
	forget()      // removes its data
}

// The names of the listeners that every node has.
const (
	plainListener      = "PLAINTEXT"
	brokerListener     = "BROKER"
	controllerListener = "CONTROLLER"
)

// newKafka returns a Kafka of this test's own, that is not running yet.
func newKafka(t testing.TB, s spec) *cluster {
	t.Helper()
	return newKafkaBy(t, chosenWay(t, s), s)
}

func newKafkaBy(t testing.TB, w *way, s spec) *cluster {
	t.Helper()
	if w.given != "" {
		t.Fatalf("this test starts and stops its Kafka, and %s gives one that is not ours", brokersVariable)
	}
	s.nodes = max(s.nodes, 1)
	c := &cluster{t: t, spec: s, way: w}
	c.writeFiles()
	for id := 1; id <= s.nodes; id++ {
		c.nodes = append(c.nodes, &node{id: id, ports: c.freePorts()})
	}
	c.addr = c.at(plainListener)
	w.build(c)
	return c
}

// startKafka returns a Kafka of this test's own, that answers.
func startKafka(t testing.TB, s spec) *cluster {
	t.Helper()
	c := newKafka(t, s)
	c.start()
	c.answers()
	return c
}

func (c *cluster) freePorts() map[string]int {
	ports := map[string]int{}
	for _, name := range []string{plainListener, brokerListener, controllerListener} {
		ports[name] = freePort(c.t)
	}
	for _, l := range c.spec.listeners {
		ports[l.name] = freePort(c.t)
	}
	return ports
}

// at is where the listeners of that name are, comma-separated.
func (c *cluster) at(name string) string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", n.ports[name]))
	}
	return strings.Join(all, ",")
}

// advertisedAt is where clients of the listener are sent, comma-separated.
func (c *cluster) advertisedAt(l listener) string {
	if l.advertised == nil {
		return c.at(l.name)
	}
	var all []string
	for i := range c.nodes {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", l.advertised[i]))
	}
	return strings.Join(all, ",")
}

// nowhere is where no Kafka is.
func nowhere() *cluster { return &cluster{addr: "127.0.0.1:1"} }

// settings are what a bridge is told of this Kafka beside its address.
func (c *cluster) settings() []string {
	return []string{fmt.Sprintf("kafka.replication_factor=%d", c.replicas())}
}

func (c *cluster) replicas() int { return min(max(len(c.nodes), 1), 3) }

// each does something to every node.
func (c *cluster) each(do func(machine)) {
	for _, n := range c.nodes {
		do(n)
	}
}

func (c *cluster) start()  { c.each(machine.start) }
func (c *cluster) kill()   { c.each(machine.kill) }
func (c *cluster) freeze() { c.each(machine.freeze) }
func (c *cluster) thaw()   { c.each(machine.thaw) }

// discard kills it and frees its disk, before the test ends.
func (c *cluster) discard() {
	c.kill()
	for _, n := range c.nodes {
		n.forget()
	}
}

// cpu is the processor time that all nodes have used since their last start.
func (c *cluster) cpu() time.Duration {
	total := time.Duration(0)
	c.each(func(m machine) { total += cpuOf(m.pid()) })
	return total
}

// answers waits until every node is there and has joined the cluster.
func (c *cluster) answers() {
	c.t.Helper()
	client := c.client()
	defer client.Close()
	eventually(c.t, "kafka answers", func() error {
		for _, n := range c.nodes {
			if !n.alive() {
				c.t.Fatalf("node %d ended: %s", n.id, n.said())
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := client.Ping(ctx); err != nil {
			return err
		}
		client.ForceMetadataRefresh()
		if there := len(client.DiscoveredBrokers()); there < len(c.nodes) {
			return fmt.Errorf("%d nodes of %d", there, len(c.nodes))
		}
		return nil
	})
}

// client returns somebody else's Kafka client, so that what is read back was not
// read by the code that wrote it.
func (c *cluster) client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(c.addr, ",")...), kgo.RetryTimeout(patience), kgo.MetadataMinAge(100 * time.Millisecond),
	}, slices.Concat(c.spec.opts, opts)...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// read consumes a topic from its beginning until done says that it is enough.
func (c *cluster) read(topic string, done func([]*kgo.Record) bool) []*kgo.Record {
	c.t.Helper()
	client := c.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var records []*kgo.Record
	for !done(records) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); errors.Is(err, context.DeadlineExceeded) {
			c.t.Fatalf("topic %s: %d records and no more", topic, len(records))
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// writeFiles puts spec.files where a node of any kind can read them.
func (c *cluster) writeFiles() {
	c.files = newDir(c.t, "kafka-files")
	for name, content := range c.spec.files {
		c.writeFile(name, content)
	}
}

// writeFile puts a file beside those of the spec, or in the place of one.
func (c *cluster) writeFile(name string, content []byte) {
	c.t.Helper()
	if err := os.Chmod(c.files, 0o755); err != nil { // a container's user is another
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.files+"/"+name, content, 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// A hall is how the nodes of one kind find each other and their files.
type hall struct {
	bind  string                            // the address that listeners bind to
	inner func(n *node, port string) string // host:port by which nodes reach each other
	files string                            // what $FILES stands for
	ports func(n *node, name string) int    // where a listener is bound
}

// properties are those of one node, in Kafka's own names.
func (c *cluster) properties(n *node, h hall) map[string]string {
	replicas := itoa(c.replicas())
	p := map[string]string{
		"process.roles": "broker,controller", "node.id": itoa(n.id),
		"controller.listener.names": controllerListener, "inter.broker.listener.name": brokerListener,
		"offsets.topic.replication.factor": replicas, "transaction.state.log.replication.factor": replicas,
		"transaction.state.log.min.isr": itoa((c.replicas() + 1) / 2), "min.insync.replicas": itoa((c.replicas() + 1) / 2),
		"group.initial.rebalance.delay.ms": "0", "auto.create.topics.enable": "false",
		// A node that was killed is known to be away after 9 s by default. Nobody
		// would wait for that in a test of many kills.
		"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
		"offsets.topic.num.partitions": "4", "transaction.state.log.num.partitions": "4",
	}
	var voters []string
	for _, other := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", other.id, h.inner(other, controllerListener)))
	}
	p["controller.quorum.voters"] = strings.Join(voters, ",")
	all := append([]listener{{name: plainListener, protocol: "PLAINTEXT"}}, c.spec.listeners...)
	bound := []string{
		fmt.Sprintf("%s://%s:%d", brokerListener, h.bind, h.ports(n, brokerListener)),
		fmt.Sprintf("%s://%s:%d", controllerListener, h.bind, h.ports(n, controllerListener)),
	}
	told := []string{fmt.Sprintf("%s://%s", brokerListener, h.inner(n, brokerListener))}
	protocols := []string{brokerListener + ":PLAINTEXT", controllerListener + ":PLAINTEXT"}
	for _, l := range all {
		port := n.ports[l.name]
		if l.advertised != nil {
			port = l.advertised[n.id-1]
		}
		bound = append(bound, fmt.Sprintf("%s://%s:%d", l.name, h.bind, h.ports(n, l.name)))
		told = append(told, fmt.Sprintf("%s://127.0.0.1:%d", l.name, port))
		protocols = append(protocols, l.name+":"+l.protocol)
	}
	p["listeners"], p["advertised.listeners"] = strings.Join(bound, ","), strings.Join(told, ",")
	p["listener.security.protocol.map"] = strings.Join(protocols, ",")
	maps.Copy(p, c.spec.properties)
	for name, value := range p {
		p[name] = strings.ReplaceAll(value, "$FILES", h.files)
	}
	return p
}
