package simulate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// idleLimit is how long an unused connection is trusted to be still open.
const idleLimit = 5 * time.Second

// A client is one keep-alive connection, one request at a time. It speaks
// HTTP/1.1 by itself: next to the bridge on the same machine, net/http's client
// would take more of the processor than the bridge that is to be measured.
type client struct {
	target  *target
	timeout time.Duration

	conn  net.Conn // nil: to be dialled
	in    *bufio.Reader
	used  time.Time
	out   []byte
	reply []byte
}

// A target is where callbacks go.
type target struct {
	address string      // host:port
	host    string      // of the Host header
	path    string      // with the query that the URL has already, and ? or & at its end
	tls     *tls.Config // nil: plain
}

func newTarget(o *Options) (*target, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	t := &target{host: u.Host, path: u.EscapedPath() + "?"}
	if t.path == "?" {
		t.path = "/?"
	}
	if u.RawQuery != "" {
		t.path += u.RawQuery + "&"
	}
	port := u.Port()
	if u.Scheme == "https" {
		t.tls = &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: o.Insecure, NextProtos: []string{"http/1.1"}} //nolint:gosec // only where --insecure was given
		if port == "" {
			port = "443"
		}
	}
	if port == "" {
		port = "80"
	}
	t.address = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// dial opens a connection, handshake included.
func (t *target) dial(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	if t.tls == nil {
		return dialer.DialContext(ctx, "tcp", t.address)
	}
	secure := tls.Dialer{NetDialer: dialer, Config: t.tls}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return secure.DialContext(ctx, "tcp", t.address)
}

// post sends one callback and waits for its answer.
func (c *client) post(ctx context.Context, query, body []byte, now time.Time) answer {
	if c.conn != nil && now.Sub(c.used) > idleLimit {
		c.close()
	}
	if c.conn == nil {
		conn, err := c.target.dial(ctx, c.timeout)
		if err != nil {
			return answer{outcome: Unanswered, reason: "connect"}
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 4096)
	}
	c.used = now
	status, err := c.exchange(query, body)
	switch {
	case err != nil:
		c.close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return answer{outcome: Unanswered, reason: "timeout"}
		}
		return answer{outcome: Unanswered, reason: "broken"}
	case status == http.StatusOK && bytes.Contains(c.reply, []byte(`"ActionStatus":"OK"`)):
		return answer{outcome: Stored, status: status}
	default:
		return answer{outcome: Refused, status: status}
	}
}

// exchange writes the request and reads the whole answer into c.reply.
func (c *client) exchange(query, body []byte) (status int, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	c.out = append(append(c.out[:0], "POST "...), c.target.path...)
	c.out = append(append(c.out, query...), " HTTP/1.1\r\nHost: "...)
	c.out = append(append(c.out, c.target.host...), "\r\nContent-Length: "...)
	c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, err
	}
	head, err := readHead(c.in)
	if err != nil {
		return 0, err
	}
	if err := c.readReply(head); err != nil {
		return 0, err
	}
	if head.last {
		c.close()
	}
	return head.status, nil
}

func (c *client) readReply(head head) error {
	const most = 64 << 10
	switch {
	case head.length > most:
		return fmt.Errorf("an answer of %d bytes", head.length)
	case head.length >= 0:
		if cap(c.reply) < head.length {
			c.reply = make([]byte, head.length)
		}
		c.reply = c.reply[:head.length]
		_, err := io.ReadFull(c.in, c.reply)
		return err
	case head.chunked:
		return c.readChunks(most)
	default: // the answer ends with the connection
		var err error
		c.reply, err = io.ReadAll(io.LimitReader(c.in, most))
		return err
	}
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
