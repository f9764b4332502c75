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

// A group is asked for while publishing is paused: the answer says so, what was known
// is known still, nothing is said to leave, and all is there when publishing goes on.
func TestAGroupIsAskedForInAPause(t *testing.T) {
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.Ops.ActionToken, cfg.Resequence.Hold = actionToken, Hold{Fixed: time.Hour}
	b, _ := runBridge(t, cfg, relay.Hooks{})
	for _, seq := range []int{1, 2, 2, 5} {
		postMessage(t, b, seq)
	}
	var before ops.Stream
	waitUntil(t, "one is held and two are published", func() bool {
		g := groupOf(t, b)
		if len(g.Streams) == 1 {
			before = g.Streams[0]
		}
		return len(before.Held) == 1 && before.Duplicates.Count == 1 && before.Published != nil && before.Published.Offset == 1
	})
	act(t, b, "pause", actionToken)
	postMessage(t, b, 3)
	paused := groupOf(t, b)
	if len(paused.Notes) != 1 || !strings.Contains(paused.Notes[0], "publishing is paused by the operator since") ||
		!strings.Contains(paused.Notes[0], "may be of this group, and not have been read") {
		t.Errorf("the notes are %q", paused.Notes)
	}
	if len(paused.Streams) != 1 || len(paused.Streams[0].Held) != 1 || paused.Streams[0].Held[0].LeavesIn != 0 {
		t.Fatalf("the group is %+v; want one held that does not leave", paused)
	}
	if s := paused.Streams[0]; s.Published == nil || s.Duplicates.Count != 1 || !s.Since.Equal(*before.Since) {
		t.Errorf("in a pause the stream is %+v; was %+v", s, before)
	}
	if _, page := getOps(t, b, "/?group=unseen"); !strings.Contains(page, "publishing is paused by the operator since") {
		t.Error("the page does not say why a group is not known")
	}
	act(t, b, "resume", actionToken)
	waitUntil(t, "what came in the pause is published", func() bool {
		g := groupOf(t, b)
		return len(g.Notes) == 0 && len(g.Streams) == 1 && *g.Streams[0].Published.Seq == 3
	})
	if s := groupOf(t, b).Streams[0]; s.Duplicates.Count != 1 || !s.Since.Equal(*before.Since) {
		t.Errorf("after the pause the stream is %+v; was %+v", s, before)
	}
}

// Where nothing can be known yet, the answer says why.
func TestAGroupIsNotKnownBeforeKafka(t *testing.T) {
	b := runWith(t, func(*Config) {})
	if g := groupOf(t, b); g.Partition != nil || len(g.Streams) != 0 || len(g.Notes) != 1 || !strings.Contains(g.Notes[0], "Kafka") {
		t.Errorf("before Kafka has answered the group is %+v", g)
	}
}
