package simulate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// head is what matters of an answer's status line and header.
type head struct {
	status  int
	length  int  // of the body; -1: not announced
	chunked bool // the body comes in chunks
	last    bool // the server closes the connection after it
}

// errHead is an answer that is not HTTP/1.1.
var errHead = errors.New("the answer is not HTTP/1.1")

// readHead reads up to the empty line. Interim answers (1xx) are skipped.
func readHead(in *bufio.Reader) (head, error) {
	for {
		h, err := readOneHead(in)
		if err != nil || h.status >= http.StatusOK {
			return h, err
		}
	}
}

func readOneHead(in *bufio.Reader) (head, error) {
	line, err := readLine(in)
	if err != nil {
		return head{}, err
	}
	const version = "HTTP/1."
	if len(line) < len("HTTP/1.1 200") || string(line[:len(version)]) != version {
		return head{}, errHead
	}
	h := head{length: -1, last: line[len(version)] == '0'}
	h.status, err = strconv.Atoi(string(line[len("HTTP/1.1 "):len("HTTP/1.1 200")]))
	if err != nil {
		return head{}, errHead
	}
	for {
		line, err := readLine(in)
		if err != nil || len(line) == 0 {
			h.last = h.last || (h.length < 0 && !h.chunked)
			return h, err
		}
		if err := h.field(line); err != nil {
			return head{}, err
		}
	}
}

// field takes in one line of the header.
func (h *head) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 {
			return fmt.Errorf("%w: Content-Length %q", errHead, value)
		}
		h.length = n
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		h.chunked = bytes.EqualFold(value, []byte("chunked"))
	case bytes.EqualFold(name, []byte("Connection")):
		h.last = h.last || bytes.EqualFold(value, []byte("close"))
	}
	return nil
}

// readLine returns the next line without its end; it is valid until the next read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// readChunks reads a chunked body of at most the given size into c.reply.
func (c *client) readChunks(most int) error {
	c.reply = c.reply[:0]
	for {
		line, err := readLine(c.in)
		if err != nil {
			return err
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 32)
		if err != nil || len(c.reply)+int(size) > most {
			return fmt.Errorf("%w: chunk %q", errHead, line)
		}
		if size == 0 {
			return c.skipTrailer()
		}
		before := len(c.reply)
		c.reply = append(c.reply, make([]byte, size)...)
		if _, err := io.ReadFull(c.in, c.reply[before:]); err != nil {
			return err
		}
		if _, err := readLine(c.in); err != nil { // the chunk's own end of line
			return err
		}
	}
}

// skipTrailer reads up to the empty line that ends a chunked body.
func (c *client) skipTrailer() error {
	for {
		line, err := readLine(c.in)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}
