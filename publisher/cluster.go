package publisher

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
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

// ask sends req to addr and returns the answer, which must come within timeout once the connection is ready. repeatable says that req
// may be sent a second time, on a new connection, where one from the pool turns out to be dead.
func (k *cluster) ask(ctx context.Context, addr string, req protocol.Message, timeout time.Duration, repeatable bool) (protocol.Message, error) {
	l, reused, err := k.take(ctx, addr)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := l.roundTrip(within, req)
	if err == nil {
		k.park(l)
		return res, nil
	}
	k.drop(l)
	if reused && repeatable && within.Err() == nil {
		return k.ask(ctx, addr, req, timeout, repeatable) // drop has emptied the pool: this one is new
	}
	return nil, err
}

// take returns a connection to addr for the caller alone.
func (k *cluster) take(ctx context.Context, addr string) (l *link, reused bool, err error) {
	now := time.Now()
	k.mu.Lock()
	for links := k.idle[addr]; len(links) > 0 && l == nil; links = k.idle[addr] {
		l = links[len(links)-1]
		k.idle[addr] = links[:len(links)-1]
		if !l.usable(now, k.cfg.IdleTimeout) {
			l.close()
			l = nil
			continue
		}
		k.busy[l] = struct{}{}
	}
	closed := k.closed
	k.mu.Unlock()
	if closed {
		return nil, false, ErrClosed
	}
	if l != nil {
		return l, true, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.ctx, cancel)() // a connection being made ends with the cluster too
	if l, err = connect(ctx, k.cfg, addr); err != nil {
		return nil, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		l.close()
		return nil, false, ErrClosed
	}
	k.busy[l] = struct{}{}
	return l, false, nil
}

// park gives a connection back to the pool, and closes those that have been idle for too long.
func (k *cluster) park(l *link) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.busy, l)
	if k.closed || !l.usable(now, k.cfg.IdleTimeout) {
		l.close()
		return
	}
	links := append(k.idle[l.addr], l)
	for len(links) > 0 && !links[0].usable(now, k.cfg.IdleTimeout) {
		links[0].close()
		links = links[1:]
	}
	k.idle[l.addr] = links
}

// drop closes a connection that failed, and the idle ones to the same broker: what broke one has most likely broken all.
func (k *cluster) drop(l *link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.busy, l)
	l.close()
	for _, other := range k.idle[l.addr] {
		other.close()
	}
	delete(k.idle, l.addr)
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
		return place{}, t.code
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
		return 0, t.code
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

// askAny sends req to whichever broker answers, for requests that any broker may serve.
func (k *cluster) askAny(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	var worst error
	for _, addr := range k.addresses() {
		res, err := k.ask(ctx, addr, req, k.cfg.RequestTimeout, true)
		if err == nil {
			return res, nil
		}
		worst = moreTelling(worst, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, worst
}

// askController sends req to the controller; in KRaft any broker passes it on. code reads the answer's error code: a broker that is not
// the controller any more is followed by another one.
func (k *cluster) askController(ctx context.Context, req protocol.Message, code func(protocol.Message) kafka.Error) (protocol.Message, error) {
	for try := 0; ; try++ {
		addr, err := k.controllerAddr(ctx, try > 0)
		if err != nil {
			return nil, err
		}
		res, err := k.ask(ctx, addr, req, k.cfg.RequestTimeout, true)
		if err != nil || code(res) != kafka.NotController || try == 4 {
			return res, err
		}
	}
}

// controllerAddr returns the controller's address, asking where it is not known or anew is set.
func (k *cluster) controllerAddr(ctx context.Context, anew bool) (string, error) {
	known := func() string {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.brokers[k.controller]
	}
	if addr := known(); addr != "" && !anew {
		return addr, nil
	}
	if err := k.refresh(ctx); err != nil {
		return "", err
	}
	if addr := known(); addr != "" {
		return addr, nil
	}
	return "", kafka.BrokerNotAvailable
}

// moreTelling returns which of two failures says more: one that came further on the way to an answer.
func moreTelling(a, b error) error {
	if a == nil || rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(err error) int {
	var le *linkError
	if !errors.As(err, &le) {
		return 9
	}
	if errors.Is(err, context.Canceled) {
		return 0
	}
	switch le.stage {
	case stageLogin:
		return 5
	case stageTLS:
		return 4
	case stageHello:
		return 3
	case stageRequest:
		return 2
	}
	return 1
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
