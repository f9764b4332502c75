package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// fillRole fills a spool without a bridge. It is the one place that knows a
// package of the program: through the endpoint, gigabytes would take minutes, of
// which each benchmark needs several.
const fillRole = "fill"

const (
	recordsVariable = "CHATBRIDGE_TEST_RECORDS"
	streamsVariable = "CHATBRIDGE_TEST_STREAMS"
)

// playFill appends records as the endpoint would store them: so many, over so
// many streams, each stream in order.
func playFill() error {
	records, err := strconv.Atoi(os.Getenv(recordsVariable))
	if err != nil {
		return err
	}
	streams, err := strconv.Atoi(os.Getenv(streamsVariable))
	if err != nil {
		return err
	}
	s, err := spool.Open(spool.Options{Dir: os.Getenv(dataVariable), Durability: spool.Memory})
	if err != nil {
		return err
	}
	return errors.Join(appendAll(s, records, streams), s.Close())
}

// writers append at the same time, each its share and to streams of its own.
const writers = 64

func appendAll(s *spool.Spool, records, streams int) error {
	q := query(commandAfterSend)
	q.Del("Sign")
	text := []byte(q.Encode())
	var wg sync.WaitGroup
	faults := make([]error, writers)
	for w := range writers {
		wg.Go(func() {
			own := max(1, streams/writers)
			bodies := make([]*body, 0, min(own, streamsPerConnection))
			for i := range records / writers {
				var next *body
				if own > streamsPerConnection { // so many that each gets a message or two
					next = newBody(fmt.Sprintf("fill-%d-%d", w, i%own))
					next.seq += uint32(i / own)
				} else {
					if len(bodies) < own {
						bodies = append(bodies, newBody(fmt.Sprintf("fill-%d-%d", w, i)))
					}
					next = bodies[i%own%len(bodies)]
				}
				_, err := s.Append(context.Background(), spool.Record{
					ReceivedAt: time.Now(), Query: text, Body: append([]byte(nil), next.next()...),
				})
				if err != nil {
					faults[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

// fill adds records to the spool of a bridge that is not running.
func fill(b *bridge, records, streams int) {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+fillRole, dataVariable+"="+b.spool,
		recordsVariable+"="+itoa(records), streamsVariable+"="+itoa(streams))
	p := launch(b.t, "fill", logFile(b.t, "fill"), cmd)
	<-p.done
	if !p.cmd.ProcessState.Success() {
		b.t.Fatalf("fill the spool: %s", strings.TrimSpace(tail(p.log, 5)))
	}
}

// recordsOf is how many records of the benchmarks' size a spool of so many bytes
// holds, at the scale of the run: as many for each writer.
func recordsOf(bytes float64) int { return int(bytes*sizes.scale/(bodySize+200)) / writers * writers }

// spoolBytes is the size of a bridge's spool on disk, in GB.
func spoolBytes(t testing.TB, b *bridge) float64 {
	t.Helper()
	entries, err := os.ReadDir(b.spool)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		sum += info.Size()
	}
	return float64(sum) / 1e9
}
