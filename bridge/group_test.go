package bridge

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
)

// groupOf asks a bridge after the group of postMessage.
func groupOf(t *testing.T, b *Bridge) (g ops.Group) {
	t.Helper()
	status, body := getOps(t, b, "/group?group=g")
	if status != http.StatusOK {
		t.Fatalf("/group = %d %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// P3: the operator asks after a group, and is told what it waits for.
func TestTheOperatorFindsAGroup(t *testing.T) {
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.Resequence.Hold = Hold{Fixed: time.Hour}
	b, _ := runBridge(t, cfg, relay.Hooks{})
	for _, seq := range []int{1, 2, 2, 5} {
		if status := postMessage(t, b, seq); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	var g ops.Group
	waitUntil(t, "one is held and two are published", func() bool {
		g = groupOf(t, b)
		return len(g.Streams) == 1 && len(g.Streams[0].Held) == 1 && g.Streams[0].Published != nil && g.Streams[0].Published.Offset == 1
	})
	s := g.Streams[0]
	if g.GroupID != "g" || g.Partition == nil || s.AppID != 1400000000 || s.Unnamed || s.NextExpected != 3 || s.HoldSeconds != 3600 {
		t.Errorf("the group is %+v", g)
	}
	if len(s.WaitsFor) != 1 || s.WaitsFor[0] != (ops.Hole{From: 3, To: 4}) || s.Held[0].Seq != 5 || s.Held[0].LeavesIn < 1800 {
		t.Errorf("it waits for %v, holding %+v; want 3-4, holding 5 for nearly an hour", s.WaitsFor, s.Held)
	}
	if s.Duplicates.Count != 1 || s.Duplicates.Seq != 2 || s.Published.Seq == nil || *s.Published.Seq != 2 {
		t.Errorf("duplicates %+v, published last %+v", s.Duplicates, s.Published)
	}
}

// Where nothing can be known yet, the answer says why.
func TestAGroupIsNotKnownBeforeKafka(t *testing.T) {
	b := runWith(t, func(*Config) {})
	if g := groupOf(t, b); g.Partition != nil || len(g.Streams) != 0 || len(g.Notes) != 1 || !strings.Contains(g.Notes[0], "Kafka") {
		t.Errorf("before Kafka has answered the group is %+v", g)
	}
}
