package ingest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// P1 with the real spool: what was answered OK is in its files, each byte of it,
// though bodies share buffers.
func TestAnsweredIsInTheSpool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := spool.Open(spool.Options{Dir: dir, SegmentBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	core := &storeDouble{}
	srv, err := New(testConfig(), store, func() time.Time { return time.Unix(clock, 0) }, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Server: srv, t: t, store: core, served: make(chan error, 1)}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	f.addr = srv.Addr().String()
	go func() { f.served <- srv.Serve() }()
	t.Cleanup(f.stop)

	const clients, each = 8, 25
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var all sync.WaitGroup
	for client := range clients {
		p := f.dial(t)
		all.Go(func() {
			for n := range each {
				body := fmt.Sprintf(`{"GroupId":"g%d","MsgSeq":%d,"Pad":"%s"}`, client, n+1, strings.Repeat("p", n*client*7))
				p.send(request("POST", path+"?"+goodQuery(), body))
				if a := p.receive(); a.status != 200 {
					t.Errorf("got %d %q", a.status, a.ErrorInfo)
				}
				mu.Lock()
				acknowledged[body] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if err := f.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	stored := 0
	err = spool.Walk(dir, 0, func(e spool.Entry) error {
		stored++
		if !acknowledged[string(e.Record.Body)] || strings.Contains(string(e.Record.Query), "Sign=") {
			t.Errorf("stored %s %s", e.Record.Query, e.Record.Body)
		}
		return nil
	})
	if err != nil || stored != clients*each || len(acknowledged) != stored {
		t.Errorf("%v: %d stored, %d acknowledged", err, stored, len(acknowledged))
	}
}
