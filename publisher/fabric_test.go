package publisher

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// fate is what the network does with one request.
type fate uint8

const (
	pass       fate = iota
	cutBefore       // the connection ends, the broker never sees the request
	loseAnswer      // the broker works, the answer is lost and the connection ends
	hang            // the broker works, the answer never comes
	late            // nothing comes back; the broker gets the request when everybody has given up on it
	slow            // request and answer take their time
)

// fabric is a network between client and brokers that knows requests and decides the fate of each. The zero value passes all.
type fabric struct {
	world *world
	delay time.Duration // of late and slow
	late  crew          // requests on their way
	all   crew          // connections

	mu     sync.Mutex
	decide func(key protocol.ApiKey, addr string) fate
	seen   map[protocol.ApiKey]int
	onLost func() // runs once, after the next answer was lost and before the client hears of it
}

func (w *world) fabric(delay time.Duration) *fabric {
	f := &fabric{world: w, delay: delay, seen: make(map[protocol.ApiKey]int)}
	w.t.Cleanup(func() {
		f.all.wait()
		f.late.wait()
	})
	return f
}

// use makes decide the judge from now on; nil passes all.
func (f *fabric) use(decide func(key protocol.ApiKey, addr string) fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

// next makes the next n requests of key meet fate what, and the others pass.
func (f *fabric) next(key protocol.ApiKey, n int, what fate) {
	f.use(func(k protocol.ApiKey, _ string) fate {
		if k == key && n > 0 {
			n--
			return what
		}
		return pass
	})
}

// count is how many requests of key came by.
func (f *fabric) count(key protocol.ApiKey) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[key]
}

func (f *fabric) judge(frame []byte, addr string) fate {
	key := protocol.ApiKey(binary.BigEndian.Uint16(frame[4:]))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[key]++
	if f.decide == nil {
		return pass
	}
	return f.decide(key, addr)
}

// dial is for Config.Dial.
func (f *fabric) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	up, err := f.world.network.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	client, inner := net.Pipe()
	f.all.start(func() { f.carry(inner, up, addr) })
	return client, nil
}

// carry takes requests from inner to up and answers back, one at a time, until either side ends.
func (f *fabric) carry(inner, up net.Conn, addr string) {
	defer inner.Close()
	for {
		req, err := readFrame(inner)
		if err != nil {
			up.Close()
			return
		}
		what := f.judge(req, addr)
		switch what {
		case cutBefore:
			up.Close()
			return
		case late:
			f.late.start(func() {
				time.Sleep(f.delay)
				exchange(up, req)
				up.Close()
			})
			awaitEnd(inner)
			return
		case slow:
			time.Sleep(f.delay)
		}
		answer, err := exchange(up, req)
		switch {
		case err != nil || what == loseAnswer:
			up.Close()
			f.mu.Lock()
			lost := f.onLost
			f.onLost = nil
			f.mu.Unlock()
			if lost != nil {
				lost()
			}
			return
		case what == hang:
			awaitEnd(inner)
			up.Close()
			return
		}
		if _, err := inner.Write(answer); err != nil {
			up.Close()
			return
		}
	}
}

func exchange(up net.Conn, req []byte) ([]byte, error) {
	if _, err := up.Write(req); err != nil {
		return nil, err
	}
	return readFrame(up)
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(head[:]))
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// awaitEnd returns when the client has closed its side.
func awaitEnd(c net.Conn) {
	_, _ = io.Copy(io.Discard, c)
}

// through makes a Client dial by f.
func through(f *fabric) func(*Config) {
	return func(c *Config) { c.Dial = f.dial }
}

// crew is a sync.WaitGroup that may be waited for while it is started.
type crew struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0
}

func (c *crew) start(work func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		c.idle = make(chan struct{})
	}
	c.n++
	go func() {
		work()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n--; c.n == 0 {
			close(c.idle)
		}
	}()
}

func (c *crew) wait() {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	if idle != nil {
		<-idle
	}
}
