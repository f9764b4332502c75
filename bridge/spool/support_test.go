package spool

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, o Options) *Spool {
	t.Helper()
	s, err := Open(o)
	must(t, err)
	return s
}

// appendBody appends a record and returns its position.
func appendBody(t testing.TB, s *Spool, body string) Position {
	t.Helper()
	p, err := s.Append(context.Background(), Record{ReceivedAt: time.Unix(1, 0), Query: []byte("q"), Body: []byte(body)})
	must(t, err)
	return p
}

// bodies reads everything that a reader can have without waiting.
func bodies(t testing.TB, r *Reader) map[Position]string {
	t.Helper()
	got := make(map[Position]string)
	for {
		entries, err := r.TryNext(100)
		must(t, err)
		if len(entries) == 0 {
			return got
		}
		for _, e := range entries {
			got[e.Position] = string(e.Record.Body)
		}
	}
}

func positions(m map[Position]string) []Position {
	var list []Position
	for p := range m {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}

// eventLog is a hook that remembers.
type eventLog struct {
	mu    sync.Mutex
	kinds []string
}

func (l *eventLog) add(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds = append(l.kinds, kind)
}

func (l *eventLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.kinds)
}

func (l *eventLog) count(kind string) int {
	n := 0
	for _, k := range l.all() {
		if k == kind {
			n++
		}
	}
	return n
}
