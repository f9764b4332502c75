package integration

import (
	"errors"
	"fmt"
)

// What a wire can be told.

// losing tells the wire to lose the next n answers to Produce requests; stall
// leaves their senders waiting, else their connections are closed.
func (w *wire) losing(n int, stall bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose, w.stall, w.lost = n, stall, 0
}

// hasLost returns an error until n answers were lost.
func (w *wire) hasLost(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost < n {
		return fmt.Errorf("%d answers of %d were lost", w.lost, n)
	}
	return nil
}

// keeping tells the wire to keep back the next n Produce requests.
func (w *wire) keeping(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep = n
}

// hasKept returns an error until a request is kept back.
func (w *wire) hasKept() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) == 0 {
		return errors.New("no request was kept back")
	}
	return nil
}

// leave closes the connections of those whose requests are kept back.
func (w *wire) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep = 0
	for _, h := range w.kept {
		h.call.client.Close()
	}
}

// deliver delivers what was kept back, and returns when it was answered or the
// node has closed the connection: how many were answered, and how many were not.
func (w *wire) deliver() (answered, refused int) {
	w.mu.Lock()
	all := w.kept
	w.kept, w.keep = nil, 0
	w.mu.Unlock()
	for _, h := range all {
		_, err := h.call.server.Write(h.frame)
		if err == nil && h.call.settle(correlation(h.frame)) {
			answered++
		} else {
			refused++
		}
	}
	return answered, refused
}

// settle waits for the answer to a request that had been kept back.
func (c *call) settle(id int32) bool {
	_, ok := <-c.answer
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, id)
	if c.gone && len(c.held) == 0 {
		c.server.Close()
	}
	return ok
}
