package integration

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// A gate stands before a node of Kafka: first a wire, which knows requests and
// answers, then a passage, which knows bytes. It listens on the port that the
// node advertises.
type gate struct {
	wire    *wire
	passage *passage
}

func newGate(t testing.TB, from, to int) *gate {
	t.Helper()
	middle := freePort(t)
	d := &gate{passage: newPassage(t, middle, to)}
	d.wire = newWire(t, from, middle)
	return d
}

// A wire carries Kafka's requests and answers. It can be told to lose the answers
// to Produce requests, or to keep such requests back.
type wire struct {
	t        testing.TB
	to       string
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	calls  map[*call]struct{}
	closed bool

	lose  int  // answers that are still to be lost
	stall bool // a connection that lost an answer stays open, and is silent
	lost  int  // answers that were
	keep  int  // requests that are still to be kept back
	kept  []*held
}

// A held request is one that its sender has sent, and nobody has received.
type held struct {
	frame []byte
	call  *call
}

// correlation is what the answer to a request names it by.
func correlation(frame []byte) int32 { return int32(binary.BigEndian.Uint32(frame[8:])) }

// A call is one client's connection, and ours to the node.
type call struct {
	client, server net.Conn

	mu     sync.Mutex
	asked  map[int32]int16 // API keys by correlation id
	silent bool            // nothing goes to the client any more
	held   map[int32]bool  // requests that are kept back: the server's side stays open for them
	gone   bool            // the client's side has ended
	answer chan struct{}   // to requests that had been kept back
}

const produceKey = 0

func newWire(t testing.TB, from, to int) *wire {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", from))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, to: fmt.Sprintf("127.0.0.1:%d", to), listener: l, calls: map[*call]struct{}{}}
	w.work.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wire) close() {
	w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for c := range w.calls {
		c.client.Close()
		c.server.Close()
	}
	w.mu.Unlock()
	w.work.Wait()
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.to)
		if err != nil {
			client.Close()
			continue
		}
		c := &call{client: client, server: server, asked: map[int32]int16{}, held: map[int32]bool{}, answer: make(chan struct{}, 64)}
		w.mu.Lock()
		if w.closed {
			client.Close()
			server.Close()
		}
		w.calls[c] = struct{}{}
		w.mu.Unlock()
		w.work.Go(func() { w.carryUp(c) })
		w.work.Go(func() { w.carryDown(c) })
	}
}

// carryUp carries requests, until the client ends.
func (w *wire) carryUp(c *call) {
	for {
		frame, err := readFrame(c.client)
		if err != nil || len(frame) < 12 {
			break
		}
		key := int16(binary.BigEndian.Uint16(frame[4:]))
		c.mu.Lock()
		c.asked[correlation(frame)] = key
		c.mu.Unlock()
		if key == produceKey && w.keepsBack(c, frame) {
			continue
		}
		if _, err := c.server.Write(frame); err != nil {
			break
		}
	}
	c.client.Close()
	c.mu.Lock()
	c.gone = true
	open := len(c.held) > 0
	c.mu.Unlock()
	if !open {
		c.server.Close()
	}
}

// keepsBack reports whether the request is kept back.
func (w *wire) keepsBack(c *call, frame []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keep == 0 {
		return false
	}
	w.keep--
	c.mu.Lock()
	c.held[correlation(frame)] = true
	c.mu.Unlock()
	w.kept = append(w.kept, &held{frame, c})
	return true
}

// carryDown carries answers, until the node ends.
func (w *wire) carryDown(c *call) {
	for {
		frame, err := readFrame(c.server)
		if err != nil || len(frame) < 8 {
			break
		}
		id := int32(binary.BigEndian.Uint32(frame[4:]))
		c.mu.Lock()
		key, known := c.asked[id]
		delete(c.asked, id)
		gone, silent, held := c.gone, c.silent, c.held[id]
		c.mu.Unlock()
		if held {
			c.answer <- struct{}{}
		}
		switch {
		case gone, silent:
		case known && key == produceKey && w.loses(c):
		default:
			_, _ = c.client.Write(frame) // carryUp sees that the client has ended
		}
	}
	c.client.Close()
	c.server.Close()
	w.mu.Lock()
	delete(w.calls, c)
	w.mu.Unlock()
	close(c.answer)
}

// loses reports whether the answer on c is lost.
func (w *wire) loses(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lose == 0 {
		return false
	}
	w.lose--
	w.lost++
	if w.stall {
		c.mu.Lock()
		c.silent = true
		c.mu.Unlock()
	} else {
		c.client.Close()
	}
	return true
}

// readFrame reads one request or answer, with its length.
func readFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	const most = 64 << 20
	n := int(binary.BigEndian.Uint32(length[:]))
	if n < 0 || n > most {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, length[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}
