package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

const testDir = "/spool"

// history is what the outside knows of a spool: what was handed in, what was
// answered, what readers saw. After any fault, what is recovered must agree
// with it.
type history struct {
	mu       *sync.Mutex
	waves    map[string]int      // body handed to Append → its wave; a wave ends before the next begins
	acked    map[Position]string // answered OK
	refused  map[string]error    // answered with an error
	seen     map[Position]string // shown to a reader
	released Position
	wave     int

	// The checkpoint log may be any of these: one, but while it is rewritten.
	logs []ckLog
}

// ckLog is a checkpoint log: its entries, and how many of them are synced.
type ckLog struct {
	entries []string
	synced  int
}

func newHistory() *history {
	return &history{
		mu: new(sync.Mutex), waves: make(map[string]int), acked: make(map[Position]string),
		refused: make(map[string]error), seen: make(map[Position]string),
		logs: []ckLog{{}},
	}
}

// appendWave appends n records at once and notes the answers.
func (h *history) appendWave(s *Spool, n int) {
	h.wave++
	var wg sync.WaitGroup
	for i := range n {
		body := fmt.Sprintf("wave %d record %d %s", h.wave, i, bytes.Repeat([]byte{byte('a' + i)}, (h.wave*331+i*97)%900))
		h.mu.Lock()
		h.waves[body] = h.wave
		h.mu.Unlock()
		wg.Go(func() {
			p, err := s.Append(context.Background(), Record{
				ReceivedAt: time.Unix(int64(h.wave), int64(i)), Query: []byte("q=1"), Body: []byte(body),
			})
			h.mu.Lock()
			defer h.mu.Unlock()
			if err != nil {
				h.refused[body] = err
				return
			}
			h.acked[p] = body
		})
	}
	wg.Wait()
}

// read notes what a reader sees until there is nothing more.
func (h *history) read(r *Reader) error {
	for {
		entries, err := r.TryNext(3)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			h.seen[e.Position] = string(e.Record.Body)
		}
	}
}

// ckAppend, ckSync and ckRewrite do to the checkpoint what they say, and to
// the model. An error leaves the model with all that may be.
func (h *history) ckAppend(c *Checkpoint, entry string) error {
	err := c.Append([]byte(entry))
	for i, l := range h.logs {
		with := ckLog{append(append([]string(nil), l.entries...), entry), l.synced}
		if err != nil {
			h.logs = append(h.logs, with) // it may be there or not
		} else {
			h.logs[i] = with
		}
	}
	return err
}

func (h *history) ckSync(c *Checkpoint) error {
	err := c.Sync()
	for i := range h.logs {
		if err == nil {
			h.logs[i].synced = len(h.logs[i].entries)
		}
	}
	return err
}

func (h *history) ckRewrite(c *Checkpoint, entries ...string) error {
	fresh := ckLog{entries, len(entries)}
	h.logs = append(h.logs, fresh)
	err := c.Rewrite(func(add func([]byte) error) error {
		for _, e := range entries {
			if err := add([]byte(e)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		h.logs = []ckLog{fresh}
	}
	return err
}

// ckLoad is what a process does first: what it finds is what it goes on with.
func (h *history) ckLoad(c *Checkpoint) error {
	got := []string{}
	err := c.Load(func(e []byte) error {
		got = append(got, string(e))
		return nil
	})
	if err != nil {
		return err
	}
	if !h.mayBe(got) {
		return fmt.Errorf("%w: is %q, may be one of %+v", errWrongCheckpoint, got, h.logs)
	}
	h.logs = []ckLog{{got, len(got)}}
	return nil
}

var errWrongCheckpoint = errors.New("checkpoint is not what it was")

func (h *history) release(s *Spool, before Position) error {
	h.released = max(h.released, before)
	return s.Release(before)
}

// mayBe reports whether a log that was read back is one that may be there: a
// beginning, with all that was synced.
func (h *history) mayBe(got []string) bool {
	for _, l := range h.logs {
		if len(got) < l.synced || len(got) > len(l.entries) {
			continue
		}
		same := true
		for i, e := range got {
			same = same && e == l.entries[i]
		}
		if same {
			return true
		}
	}
	return false
}

// check holds what a spool has, opened after a fault, against the history.
// These are promise P1 and the half of P4 that the spool answers for.
func (h *history) check(t *testing.T, label string, s *Spool) {
	t.Helper()
	recovered := make(map[Position]string)
	last, wave := Position(0), 0
	bodies := make(map[string]Position)
	r := s.NewReader(0)
	for {
		entries, err := r.TryNext(5)
		if err != nil {
			t.Fatalf("%s: read after recovery: %v", label, err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			body := string(e.Record.Body)
			w, sent := h.waves[body]
			switch {
			case !sent:
				t.Fatalf("%s: position %d holds what nobody sent: %.60q", label, e.Position, body)
			case e.Position <= last:
				t.Fatalf("%s: position %d after %d", label, e.Position, last)
			case w < wave:
				t.Fatalf("%s: position %d is of wave %d, after one of wave %d", label, e.Position, w, wave)
			case bodies[body] != 0:
				t.Fatalf("%s: positions %d and %d hold the same record", label, bodies[body], e.Position)
			case string(e.Record.Query) != "q=1" || e.Record.ReceivedAt.Unix() != int64(w):
				t.Fatalf("%s: position %d has another query or time", label, e.Position)
			}
			last, wave, bodies[body], recovered[e.Position] = e.Position, w, e.Position, body
		}
	}
	h.checkThere(t, label, "acknowledged", h.acked, recovered)
	h.checkThere(t, label, "shown to a reader", h.seen, recovered)
	for p, body := range recovered {
		h.seen[p] = body // this too was shown to a reader
	}
	if last >= s.End() {
		t.Fatalf("%s: position %d is there, and the end is %d", label, last, s.End())
	}
}

func (h *history) checkThere(t *testing.T, label, what string, want, recovered map[Position]string) {
	t.Helper()
	for _, p := range h.lost(want, recovered) {
		t.Fatalf("%s: position %d was %s as %.40q and is %.40q", label, p, what, want[p], recovered[p])
	}
}

// lost lists the positions of what is wanted that are not there as they were.
func (h *history) lost(want, recovered map[Position]string) (list []Position) {
	for p, body := range want {
		if p >= h.released && recovered[p] != body {
			list = append(list, p)
		}
	}
	return list
}

func (h *history) checkCheckpoint(t *testing.T, label string, s *Spool) {
	t.Helper()
	if err := h.ckLoad(s.Checkpoint()); err != nil {
		t.Fatalf("%s: load checkpoint: %v", label, err)
	}
}

// smallSpool has segments so small that a run of a few waves goes through
// every operation.
func smallSpool(d disk.FS) Options {
	return Options{Dir: testDir, FS: d, SegmentBytes: 8 << 10, MemoryBytes: 6 << 10}
}

// script is the run whose every call is a place to fail at. It ends at the
// first error if stop says so.
type script struct {
	h    *history
	fs   disk.FS
	stop bool // an error ends the run
	s    *Spool
	r    *Reader
}

// play runs the script: groups of several sizes, rotations, readers that keep
// up and that fall behind, releases, every checkpoint operation, a close and
// an open in between.
func (x *script) play() (err error) {
	defer func() {
		if x.s != nil {
			_ = x.s.Close()
		}
	}()
	steps := []func() error{
		x.open,
		x.singles,
		func() error { return x.h.ckAppend(x.s.Checkpoint(), "one") },
		func() error { x.h.appendWave(x.s, 5); return x.h.read(x.r) },
		func() error { return x.h.ckSync(x.s.Checkpoint()) },
		func() error { x.h.appendWave(x.s, 9); return nil },
		func() error { return x.h.ckAppend(x.s.Checkpoint(), string(bytes.Repeat([]byte("two"), 400))) },
		func() error { x.h.appendWave(x.s, 6); return x.h.read(x.r) },
		x.settle,
		func() error { return x.h.ckRewrite(x.s.Checkpoint(), "three", "four") },
		func() error { return x.h.ckAppend(x.s.Checkpoint(), "four and a half") },
		func() error { return x.h.ckSync(x.s.Checkpoint()) },
		func() error { x.h.appendWave(x.s, 7); return nil },
		func() error { return x.h.ckAppend(x.s.Checkpoint(), "five") },
		x.reopen,
		x.singles,
		func() error { x.h.appendWave(x.s, 8); return x.h.read(x.r) },
		func() error { return x.h.ckAppend(x.s.Checkpoint(), "six") },
		x.settle,
		func() error { x.h.appendWave(x.s, 3); return nil },
	}
	for _, step := range steps {
		if x.s == nil {
			step = x.open // a fault kept it from being open
		}
		if err := step(); err != nil && (x.stop || errors.Is(err, errWrongCheckpoint)) {
			return err
		}
		if x.stop && len(x.h.refused) > 0 {
			return errors.New("refused")
		}
	}
	return nil
}

func (x *script) open() error {
	s, err := Open(smallSpool(x.fs))
	if err != nil {
		return err
	}
	if err := x.h.ckLoad(s.Checkpoint()); err != nil {
		return errors.Join(err, s.Close())
	}
	x.s = s
	x.r = s.NewReader(x.h.released)
	return nil
}

// singles appends one after the other, so that each is a group.
func (x *script) singles() error {
	for range 4 {
		x.h.appendWave(x.s, 1)
	}
	return nil
}

func (x *script) reopen() error {
	err := x.s.Close()
	x.s = nil
	if x.stop && err != nil {
		return err
	}
	return x.open()
}

// settle releases what the reader has passed, once a synced checkpoint says
// so, as the relay does.
func (x *script) settle() error {
	if err := x.h.ckSync(x.s.Checkpoint()); err != nil {
		return err
	}
	return x.h.release(x.s, x.r.Position())
}

// reopenAndCheck is what follows every fault: a new process opens the spool,
// finds what it must, and goes on.
func (h *history) reopenAndCheck(t *testing.T, label string, d *faultdisk.Disk) {
	t.Helper()
	s, err := Open(smallSpool(d.Boot(nil)))
	if err != nil {
		t.Fatalf("%s: open after the fault: %v", label, err)
	}
	defer s.Close()
	h.check(t, label, s)
	h.checkCheckpoint(t, label, s)
	if err := s.Damage(); err != nil {
		t.Fatalf("%s: taken for damage: %v", label, err)
	}
	end := s.End()
	before := len(h.acked)
	h.appendWave(s, 2)
	if len(h.acked) != before+2 {
		t.Fatalf("%s: the spool does not go on: %v", label, h.refused)
	}
	for p := range h.acked {
		if h.waves[h.acked[p]] == h.wave && p < end {
			t.Fatalf("%s: position %d was used again", label, p)
		}
	}
	h.check(t, label+", then appended to", s)
}
