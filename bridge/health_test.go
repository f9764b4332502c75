package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

// The figures are those of /metrics, also where the relay has begun anew meanwhile.
func TestTheFiguresAreThoseOfTheMetrics(t *testing.T) {
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.Ops.ActionToken = actionToken
	b, _ := runBridge(t, cfg, relay.Hooks{})
	settled := func(seqs ...int) {
		t.Helper()
		for _, seq := range seqs {
			postMessage(t, b, seq)
		}
		if left := b.Settle(t.Context()); left != 0 {
			t.Fatalf("%d are left", left)
		}
	}
	settled(1, 2, 2, 5)
	act(t, b, "pause", actionToken)
	act(t, b, "resume", actionToken)
	settled(6, 8)
	figures := map[string]string{}
	for _, f := range b.Status().Figures {
		figures[f.Name] = f.Value
	}
	for name, want := range map[string]string{
		"published":          "3 in order, 2 after a hole, 0 late, 0 unsequenced, 0 after a reset",
		"duplicates dropped": "1", "numbers skipped": "3", "held for order": "0 events in 0 streams, hold ",
	} {
		if !strings.HasPrefix(figures[name], want) {
			t.Errorf("%s: %q; want %q", name, figures[name], want)
		}
	}
	for order, n := range map[string]int{"in-order": 3, "after-hole": 2, "duplicate": 1} {
		mustShow(t, b, fmt.Sprintf("chatbridge_events_total{order=%q} %d", order, n))
	}
}

// All that is said of the oldest callback has one source: the lanes where they have
// something, for the spool tells a segment's beginning only.
func TestTheOldestHasOneSource(t *testing.T) {
	t.Parallel()
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	lanes := func(oldest ...time.Time) (s relay.Stats) {
		for _, o := range oldest {
			s.Lanes = append(s.Lanes, relay.LaneStats{Oldest: o})
		}
		return s
	}
	for name, c := range map[string]struct {
		lanes relay.Stats
		spool time.Time
		want  time.Time
	}{
		"no lanes yet":      {lanes(), at(10), at(10)},
		"lanes have some":   {lanes(at(30), time.Time{}, at(20)), at(10), at(20)},
		"lanes have none":   {lanes(time.Time{}), at(10), at(10)},
		"there is nothing":  {lanes(time.Time{}), time.Time{}, time.Time{}},
		"it is not read on": {lanes(at(20)), time.Time{}, at(20)},
	} {
		if got := oldestOf(c.lanes, spool.Stat{OldestReceipt: c.spool}); !got.Equal(c.want) {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
}
