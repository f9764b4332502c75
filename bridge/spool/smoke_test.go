package spool_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		s, err := spool.Open(spool.Options{Dir: dir, SegmentBytes: 8192})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(s.First(), s.End())
		for i := range 20 {
			p, err := s.Append(context.Background(), spool.Record{ReceivedAt: time.Now(), Query: []byte("q=1"), Body: []byte(fmt.Sprintf("%d-%d", round, i))})
			if err != nil {
				t.Fatal(err)
			}
			if p != spool.Position(round*20+i+1) {
				t.Fatal(p)
			}
		}
		r := s.NewReader(1)
		n := 0
		for {
			es, err := r.TryNext(7)
			if err != nil {
				t.Fatal(err)
			}
			if es == nil {
				break
			}
			n += len(es)
		}
		if n != 20*(round+1) {
			t.Fatal(n)
		}
		t.Logf("%+v", s.Stat())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		rep, err := spool.Verify(dir)
		t.Logf("%+v %v", rep, err)
	}
}
