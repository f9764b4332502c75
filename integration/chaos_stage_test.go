package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A company is what a Kafka that several scenes share takes for its test: it
// speaks for the scene at hand, and cleans up after the last.
type company struct {
	testing.TB            // the scene at hand
	all        testing.TB // the run
}

func (c *company) Cleanup(f func()) { c.all.Cleanup(f) }
func (c *company) TempDir() string  { return c.all.TempDir() }
func (c *company) Name() string     { return c.all.Name() }

// A site is a Kafka with what stands in front of it.
type site struct {
	ground  ground
	company *company
	kafka   *cluster
	gates   []*gate // one a node
}

// gatesListener is the listener that the gates stand in front of.
const gatesListener = "GATES"

// newSite makes the Kafka of a ground, for the scene t and those of the run after it.
func newSite(t, run testing.TB, g ground) *site {
	t.Helper()
	c := &company{TB: t, all: run}
	s := &site{ground: g, company: c}
	l := listener{name: gatesListener, protocol: "PLAINTEXT"}
	for range g.nodes {
		l.advertised = append(l.advertised, freePort(c))
	}
	p := spec{nodes: g.nodes, listeners: []listener{l}}
	if g.forgetful {
		p.properties = map[string]string{"producer.id.expiration.ms": "1000", "producer.id.expiration.check.interval.ms": "500"}
	}
	s.kafka = startKafka(c, p)
	for i, n := range s.kafka.nodes {
		s.gates = append(s.gates, newGate(c, l.advertised[i], n.ports[gatesListener]))
	}
	return s
}

// through is where a bridge finds Kafka behind the gates.
func (s *site) through() string {
	return "kafka.brokers=" + s.kafka.advertisedAt(s.kafka.spec.listeners[0])
}

// A stage is a scene that is being played.
type stage struct {
	t *testing.T
	*site
	scene  *scene
	front  *passage // from the sender to the bridge
	bridge *bridge
	sender *sender
	ledger string
	sends  []string // of send, beside the usual

	disk, spoolDisk string // where file systems are mounted, if the scene has its own
	clock           string // the file with the offset of the bridge's clock, if it has its own
}

// leave ends the site's Kafka, after its last scene.
func (s *site) leave() {
	s.company.TB = s.company.all
	s.kafka.discard()
}

// newStage starts the scene's bridge and its load.
func newStage(t *testing.T, at *site, sc *scene) *stage {
	t.Helper()
	at.company.TB = t
	s := &stage{t: t, site: at, scene: sc, ledger: newLedger(t)}
	if sc.open != nil {
		sc.open(s)
	} else {
		s.bridge = newBridge(t, at.kafka, s.settings()...)
	}
	s.bridge.start()
	s.bridge.ready()
	s.sends = append(append(s.sends, "--rate", itoa(sizes.rate)), sc.sends.args...)
	if sc.front {
		s.front = newPassage(t, freePort(t), portOf(t, s.bridge.url))
		s.sends = append(s.sends, "--url", fmt.Sprintf("http://127.0.0.1:%d/callback", s.front.port))
	}
	s.sender = startSend(s.bridge, s.ledger, s.sends...)
	s.flows()
	return s
}

// settings are those of the scene's bridge.
func (s *stage) settings() []string {
	if s.scene.gates {
		return []string{s.through()}
	}
	return nil
}

// healing is how long a Kafka and a bridge may take to work again. A cluster that
// lost two brokers on a busy machine elects for minutes; it only ends what hangs.
const healing = 15 * time.Minute

// flows waits until records get through from the sender to Kafka. The bridge may
// be another process than before.
func (s *stage) flows() {
	s.t.Helper()
	const published, some = "chatbridge_publish_records_total", 50
	before := -1.0
	eventuallyWithin(s.t, healing, "records flow", func() error {
		if !s.sender.alive() {
			s.t.Fatalf("send ended: %s", tail(s.sender.log, 20))
		}
		if !s.bridge.alive() {
			s.t.Fatalf("serve ended with %d: %s", s.bridge.cmd.ProcessState.ExitCode(), tail(s.bridge.log, 20))
		}
		all, err := s.bridge.metrics()
		if err != nil {
			return err
		}
		if now := all[published]; before < 0 || now < before {
			before = now
		}
		if got := all[published] - before; got < some {
			return fmt.Errorf("%.0f records were published", got)
		}
		return nil
	})
}

// judged ends the load and says what became of it: the sender's summary, audit's
// verdict, and each way in which it is not clean.
func (s *stage) judged() (sent, verdict, []string) {
	s.t.Helper()
	s.bridge.ready()
	s.flows()
	s.kafka.answers()
	sum := s.sender.stop()
	s.t.Log(sum)
	v, wrong := judge(s.bridge, s.ledger)
	s.t.Log(v)
	if v.Messages == 0 {
		wrong = append(wrong, "nothing was published: the scene shows nothing")
	}
	return sum, v, wrong
}

// leave ends the bridge and takes its topics away: a broker that is killed looks
// through all there are when it starts.
func (s *stage) leave() {
	s.t.Helper()
	s.bridge.kill()
	client := s.kafka.client(kgo.RetryTimeout(10 * time.Second))
	defer client.Close()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 10_000
	for _, topic := range []string{s.bridge.events, s.bridge.dead} {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics, req.TopicNames = append(req.Topics, t), append(req.TopicNames, topic)
	}
	if _, err := req.RequestWith(s.t.Context(), client); err != nil {
		s.t.Logf("the topics stay, and make each kill slower: %v", err)
	}
}

// node is one of the Kafka's by the turn's luck.
func (s *stage) node(u turn, i int) *node { return s.kafka.nodes[u.pick(i, len(s.kafka.nodes))] }

// gate is the one in front of a node.
func (s *stage) gate(n *node) *gate { return s.gates[n.id-1] }
