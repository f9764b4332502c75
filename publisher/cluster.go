package publisher

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// cluster knows the brokers and the leaders, and keeps the connections. It is safe for concurrent use.
//
// A leader is believed until a broker says otherwise (mistrust); then the next look-up asks anew. There is no background goroutine:
// a leader that moved costs one refused request.
type cluster struct {
	cfg    *Config
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines that ask for metadata

	mu         sync.Mutex
	closed     bool
	brokers    map[int32]string // node → host:port, as the brokers advertise themselves
	controller int32
	topics     map[string]*topicView // those in use
	idle       map[string][]*link    // by address, newest last
	busy       map[*link]struct{}
	asking     *asking // the metadata request that is under way
}

// topicView is what the last metadata said of a topic.
type topicView struct {
	fetched    time.Time // zero = never
	code       kafka.Error
	partitions []place
}

// place is where a partition's leader is.
type place struct {
	node  int32
	epoch int32 // of the leadership; -1 = the broker does not say
	addr  string
	code  kafka.Error
	stale bool // a broker refused what was sent there
}

type asking struct {
	done chan struct{}
	err  error
}

func newCluster(cfg *Config) *cluster {
	ctx, cancel := context.WithCancel(context.Background())
	return &cluster{
		cfg: cfg, ctx: ctx, cancel: cancel, controller: -1,
		brokers: make(map[int32]string), topics: make(map[string]*topicView),
		idle: make(map[string][]*link), busy: make(map[*link]struct{}),
	}
}

// close cuts every connection; requests under way fail. It waits for the cluster's goroutines.
func (k *cluster) close() {
	k.cancel()
	k.mu.Lock()
	k.closed = true
	for l := range k.busy {
		l.close()
	}
	for _, links := range k.idle {
		for _, l := range links {
			l.close()
		}
	}
	clear(k.idle)
	k.mu.Unlock()
	k.work.Wait()
}

// use makes topic one whose metadata is asked for.
func (k *cluster) use(topic string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.topics[topic] == nil {
		k.topics[topic] = &topicView{}
	}
}

// inUse lists the topics in use.
func (k *cluster) inUse() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := make([]string, 0, len(k.topics))
	for name := range k.topics {
		names = append(names, name)
	}
	return names
}

// leader returns where the partition's leader is, asking where that is not known. Nothing was sent to it when it fails.
func (k *cluster) leader(ctx context.Context, topic string, partition int) (place, error) {
	p, err := k.known(topic, partition)
	if err == nil && !p.stale {
		return p, nil
	}
	if err := k.refresh(ctx); err != nil {
		return place{}, err
	}
	return k.known(topic, partition)
}

// known returns the leader as last heard.
func (k *cluster) known(topic string, partition int) (place, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.topics[topic]
	switch {
	case t == nil || t.fetched.IsZero():
		return place{}, kafka.LeaderNotAvailable
	case t.code != 0:
		return place{}, k.cfg.denied("Describe", topic, t.code)
	case partition < 0 || partition >= len(t.partitions):
		return place{}, kafka.UnknownTopicOrPartition
	}
	p := t.partitions[partition]
	switch {
	case p.node < 0 && p.code != 0:
		return place{}, p.code
	case p.node < 0:
		return place{}, kafka.LeaderNotAvailable
	case p.addr == "":
		return place{}, kafka.BrokerNotAvailable
	}
	return p, nil
}

// mistrust notes that what was sent to p did not succeed, so that the next look-up asks anew.
func (k *cluster) mistrust(topic string, partition int, p place) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.topics[topic]; t != nil && partition < len(t.partitions) {
		if now := &t.partitions[partition]; now.node == p.node && now.epoch == p.epoch {
			now.stale = true
		}
	}
}

// partitions returns how many partitions topic has, from an answer at most maxAge old.
func (k *cluster) partitions(ctx context.Context, topic string, maxAge time.Duration) (int, error) {
	k.use(topic)
	k.mu.Lock()
	fresh := time.Since(k.topics[topic].fetched) <= maxAge && k.topics[topic].code == 0
	k.mu.Unlock()
	if !fresh {
		if err := k.refresh(ctx); err != nil {
			return 0, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.topics[topic]
	if t.code != 0 {
		return 0, k.cfg.denied("Describe", topic, t.code)
	}
	if len(t.partitions) == 0 {
		return 0, kafka.UnknownTopicOrPartition
	}
	return len(t.partitions), nil
}

// refresh asks for metadata. Callers at the same time share one request.
func (k *cluster) refresh(ctx context.Context) error {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return ErrClosed
	}
	a := k.asking
	if a == nil {
		a = &asking{done: make(chan struct{})}
		k.asking = a
		k.work.Go(func() {
			a.err = k.askAround()
			k.mu.Lock()
			k.asking = nil
			k.mu.Unlock()
			close(a.done)
		})
	}
	k.mu.Unlock()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hedge is how long a broker may take to answer a metadata request before another one is asked too: a frozen broker must not hold up
// the partitions of the others.
const hedge = time.Second

// askAround asks one broker after the other until one has answered, and returns the most telling error where none does.
func (k *cluster) askAround() error {
	ctx, cancel := context.WithTimeout(k.ctx, k.cfg.DialTimeout+k.cfg.RequestTimeout)
	defer cancel()
	addrs := k.addresses()
	results := make(chan error, len(addrs))
	var worst error
	next, open := 0, 0
	launch := func() {
		if next == len(addrs) {
			return
		}
		addr := addrs[next]
		next, open = next+1, open+1
		k.work.Go(func() { results <- k.metadataFrom(ctx, addr) })
	}
	launch()
	timer := time.NewTimer(hedge)
	defer timer.Stop()
	for open > 0 {
		select {
		case err := <-results:
			open--
			if err == nil {
				return nil
			}
			worst = moreTelling(worst, err)
			launch()
		case <-timer.C:
			launch()
			timer.Reset(hedge)
		}
	}
	return worst
}

// addresses lists the brokers to ask, in random order: those known from metadata, then those configured.
func (k *cluster) addresses() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var addrs []string
	seen := make(map[string]bool)
	add := func(list []string) {
		for _, i := range rand.Perm(len(list)) {
			if !seen[list[i]] {
				seen[list[i]] = true
				addrs = append(addrs, list[i])
			}
		}
	}
	known := make([]string, 0, len(k.brokers))
	for _, addr := range k.brokers {
		known = append(known, addr)
	}
	add(known)
	add(k.cfg.Brokers)
	return addrs
}

// metadataFrom asks addr for the topics in use and takes the answer over.
func (k *cluster) metadataFrom(ctx context.Context, addr string) error {
	names := k.inUse()
	m, err := k.ask(ctx, addr, &metadata.Request{TopicNames: names}, k.cfg.RequestTimeout, true)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.adopt(m.(*metadata.Response), names, time.Now())
	return nil
}

// adopt takes over an answer that was asked for names. mu is held.
func (k *cluster) adopt(res *metadata.Response, names []string, now time.Time) {
	if len(res.Brokers) > 0 {
		clear(k.brokers)
		for _, b := range res.Brokers {
			k.brokers[b.NodeID] = hostPort(b.Host, b.Port)
		}
	}
	k.controller = res.ControllerID
	answered := make(map[string]*metadata.ResponseTopic, len(res.Topics))
	for i := range res.Topics {
		answered[res.Topics[i].Name] = &res.Topics[i]
	}
	for _, name := range names {
		old := k.topics[name]
		view := &topicView{fetched: now, code: kafka.UnknownTopicOrPartition}
		if t := answered[name]; t != nil {
			view.code = kafka.Error(t.ErrorCode)
			view.partitions = k.placesOf(t, old)
		}
		k.topics[name] = view
	}
}

// placesOf lists the leaders of an answer. A leader that is still believed is kept against an answer with an older epoch: that one
// comes from a broker which has not heard of the newest election yet, and would lead to a former leader. mu is held.
func (k *cluster) placesOf(t *metadata.ResponseTopic, old *topicView) []place {
	n := 0
	for i := range t.Partitions {
		n = max(n, int(t.Partitions[i].PartitionIndex)+1)
	}
	places := make([]place, n)
	for i := range places {
		places[i] = place{node: -1, epoch: -1}
	}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		now := place{node: p.LeaderID, epoch: p.LeaderEpoch, addr: k.brokers[p.LeaderID], code: kafka.Error(p.ErrorCode)}
		if int(p.PartitionIndex) < len(old.partitions) {
			if was := old.partitions[p.PartitionIndex]; !was.stale && was.node >= 0 && was.epoch > now.epoch && k.brokers[was.node] == was.addr {
				now = was
			}
		}
		places[p.PartitionIndex] = now
	}
	return places
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
