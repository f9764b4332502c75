package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A generator posts callbacks with hardly any work of its own: bodies are made
// ahead and only their numbers are written anew, answers are looked at for their
// status and length. The program's own send does much more (disorder, ledger) and
// would take the processor from what is measured.
type generator struct {
	t       testing.TB
	address string
	path    string
	conns   []*connection
	head    atomic.Pointer[[]byte] // request line and header, as long as its signature is fresh
}

// bodySize is that of the design's goals.
const bodySize = 650

// streamsPerConnection keeps every stream on one connection, and so in order.
const streamsPerConnection = 4

// newGenerator returns a generator with open connections to target.
func newGenerator(t testing.TB, target string, conns int) *generator {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{t: t, address: u.Host, path: u.Path}
	g.sign()
	for i := range conns {
		socket, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { socket.Close() })
		c := &connection{Conn: socket}
		for j := range streamsPerConnection {
			c.bodies = append(c.bodies, newBody(fmt.Sprintf("bench-%d-%d", i, j)))
		}
		g.conns = append(g.conns, c)
	}
	return g
}

// sign makes a fresh head; a signature is good for a minute.
func (g *generator) sign() {
	head := fmt.Appendf(nil, "POST %s?%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n",
		g.path, query(commandAfterSend).Encode(), g.address, bodySize)
	g.head.Store(&head)
}

// keepSigned signs anew until the returned function is called.
func (g *generator) keepSigned() (stop func()) {
	g.sign()
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				g.sign()
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// A body is one stream's callback, whose number can be written anew.
type body struct {
	text   []byte
	number []byte // the digits of MsgSeq, within text
	random []byte // those of Random
	seq    uint32
}

// firstSeq has as many digits as all that follow.
const firstSeq = 1_000_000_000

func newBody(group string) *body {
	now := time.Now()
	text := fmt.Sprintf(`{"CallbackCommand":"%s","GroupId":"@TGS#%s","Type":"Public","From_Account":"jared","Operator_Account":"jared",`+
		`"Random":%d,"MsgId":"144115233406643804-1727580296-4026038328","MsgSeq":%d,"MsgTime":%d,"OnlineOnlyFlag":0,`+
		`"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"`, commandAfterSend, group, firstSeq, firstSeq, now.Unix())
	rest := fmt.Sprintf(`"}}],"CloudCustomData":"","EventTime":%d}`, now.UnixMilli())
	text += strings.Repeat("red packet ", bodySize)[:bodySize-len(text)-len(rest)] + rest
	b := &body{text: []byte(text), seq: firstSeq}
	b.number = after(b.text, `"MsgSeq":`)
	b.random = after(b.text, `"Random":`)
	return b
}

// after is the ten bytes that follow name.
func after(text []byte, name string) []byte {
	at := bytes.Index(text, []byte(name)) + len(name)
	return text[at : at+10]
}

// next is the stream's next callback, valid until the one after.
func (b *body) next() []byte {
	b.seq++
	strconv.AppendUint(b.number[:0], uint64(b.seq), 10)
	strconv.AppendUint(b.random[:0], uint64(b.seq), 10)
	return b.text
}

// connection is one keep-alive connection with one callback at a time.
type connection struct {
	net.Conn
	bodies []*body
	turn   int
	out    []byte
	in     [4096]byte
}

// post sends the next callback and reads its answer.
func (c *connection) post(head []byte) (status int, err error) {
	c.turn++
	c.out = append(append(c.out[:0], head...), c.bodies[c.turn%len(c.bodies)].next()...)
	if _, err := c.Write(c.out); err != nil {
		return 0, err
	}
	for n := 0; ; {
		m, err := c.Read(c.in[n:])
		n += m
		if whole, status, bad := wholeAnswer(c.in[:n]); whole || bad != nil {
			return status, bad
		}
		if err != nil {
			return 0, err
		}
	}
}

var errAnswer = errors.New("the answer is not as expected")

// wholeAnswer reports whether b is an answer with all of its body.
func wholeAnswer(b []byte) (whole bool, status int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return false, 0, nil
	}
	status, err = strconv.Atoi(string(b[9:12]))
	at := bytes.Index(b[:end+2], []byte("Content-Length: "))
	if err != nil || at < 0 {
		return false, 0, errAnswer
	}
	digits, _, _ := bytes.Cut(b[at+len("Content-Length: "):], []byte("\r\n"))
	length, err := strconv.Atoi(string(digits))
	if err != nil {
		return false, 0, errAnswer
	}
	return len(b) >= end+4+length, status, nil
}

// load is what a run brought.
type load struct {
	ok     int
	failed int // not 200, or no answer
	took   time.Duration
	times  []time.Duration // of answers, sorted
}

func (l *load) perSecond() float64 { return float64(l.ok) / l.took.Seconds() }

// at is the time within which a share of the answers came.
func (l *load) at(share float64) time.Duration { return quantile(l.times, share) }

func quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// each runs work on every connection at once and adds up.
func (g *generator) each(work func(c *connection, l *load) error) load {
	g.t.Helper()
	defer g.keepSigned()()
	loads := make([]load, len(g.conns))
	begun := time.Now()
	var wg sync.WaitGroup
	for i, c := range g.conns {
		wg.Go(func() {
			if err := work(c, &loads[i]); err != nil {
				loads[i].failed++
			}
		})
	}
	wg.Wait()
	sum := load{took: time.Since(begun)}
	for i := range loads {
		sum.ok += loads[i].ok
		sum.failed += loads[i].failed
		sum.times = append(sum.times, loads[i].times...)
	}
	slices.Sort(sum.times)
	return sum
}

// closed is a closed loop: each connection posts when it was answered.
func (g *generator) closed(d time.Duration) load {
	g.t.Helper()
	end := time.Now().Add(d)
	return g.each(func(c *connection, l *load) error {
		for time.Now().Before(end) {
			status, err := c.post(*g.head.Load())
			switch {
			case err != nil:
				return err
			case status == 200:
				l.ok++
			default:
				l.failed++
			}
		}
		return nil
	})
}

// amount is a closed loop of n callbacks in all.
func (g *generator) amount(n int) load {
	g.t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	return g.each(func(c *connection, l *load) error {
		for left.Add(-1) >= 0 {
			status, err := c.post(*g.head.Load())
			switch {
			case err != nil:
				return err
			case status == 200:
				l.ok++
			default:
				l.failed++
			}
		}
		return nil
	})
}

// open is an open loop: callback i is due at i/rate, and its time counts from
// then, whether or not a connection was free.
func (g *generator) open(rate int, d time.Duration) load {
	g.t.Helper()
	begun := time.Now()
	count := int64(float64(rate) * d.Seconds())
	var next atomic.Int64
	return g.each(func(c *connection, l *load) error {
		timer := time.NewTimer(time.Hour)
		defer timer.Stop()
		for {
			i := next.Add(1) - 1
			if i >= count {
				return nil
			}
			due := begun.Add(time.Duration(i) * time.Second / time.Duration(rate))
			if wait := time.Until(due); wait > 0 {
				timer.Reset(wait)
				<-timer.C
			}
			status, err := c.post(*g.head.Load())
			if err != nil {
				return err
			}
			if status != 200 {
				l.failed++
				continue
			}
			l.ok++
			l.times = append(l.times, time.Since(due))
		}
	})
}
