package bridge

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/schema"
)

func TestRefusalsAreTheLastOnesFirst(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	x, now := newRecent(since, false), since
	o := x.observer(nil, func() time.Time { return now })
	const n = recentRefusals + 5
	for i := range n {
		now = since.Add(time.Duration(i) * time.Second)
		o.(ingest.Refuser).Refused(ingest.SignatureWrong, int64(i))
	}
	got := x.events().Refused
	if len(got) != recentRefusals {
		t.Fatalf("%d are kept; want %d", len(got), recentRefusals)
	}
	for i, r := range got {
		if want := (ops.Refused{At: since.Add(time.Duration(n-1-i) * time.Second), Reason: "signature-wrong", Bytes: int64(n - 1 - i)}); r != want {
			t.Fatalf("number %d is %+v; want %+v", i, r, want)
		}
	}
	for _, c := range []struct{ announced, shown int64 }{{-1, 0}, {0, 0}, {1 << 40, 1<<24 - 1}} {
		if r := newRefusal(-time.Second, c.announced).open(since, ingest.StoreFailed); r.Bytes != c.shown || r.Reason != "store-failed" || !r.At.Equal(since) {
			t.Errorf("%d bytes: %+v", c.announced, r)
		}
	}
}

// A scanner's requests do not push out the one that matters; those of all reasons
// are shown in the order of time.
func TestEachReasonForARefusalHasItsOwnRoom(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	x, now := newRecent(since, false), since
	o := x.observer(nil, func() time.Time { return now }).(ingest.Refuser)
	o.Refused(ingest.SignatureWrong, 7)
	for range 100 * recentRefusals {
		now = now.Add(50 * time.Millisecond)
		o.Refused(ingest.NotFound, 0)
		now = now.Add(50 * time.Millisecond)
		o.Refused(ingest.BadMethod, 0)
	}
	got := x.events().Refused
	if len(got) != 2*recentRefusals+1 || got[len(got)-1] != (ops.Refused{At: since, Reason: "signature-wrong", Bytes: 7}) {
		t.Fatalf("%d are kept, the oldest %+v", len(got), got[len(got)-1])
	}
	for i, r := range got[:len(got)-1] {
		want := ops.Refused{At: now.Add(time.Duration(-i) * 50 * time.Millisecond), Reason: ingest.BadMethod.String()}
		if i%2 == 1 {
			want.Reason = ingest.NotFound.String()
		}
		if r != want {
			t.Errorf("number %d is %+v; want %+v", i, r, want)
		}
	}
}

// P8: a refused request costs the page no memory, and so cannot be used to fill it.
func TestARefusalAllocatesNothing(t *testing.T) {
	o := newRecent(time.Unix(0, 0), false).observer(nil, func() time.Time { return time.Unix(60, 0) }).(ingest.Refuser)
	if n := testing.AllocsPerRun(100, func() { o.Refused(ingest.Full, 100) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

// P7, P8: bodies are kept where that is configured only, and not more of them than
// is said.
func TestBodiesAreKeptOnlyWhereTheyAreToBeShown(t *testing.T) {
	t.Parallel()
	for _, content := range []bool{false, true} {
		x, told := newRecent(time.Unix(0, 0), content), 0
		hooks := x.relayHooks(relay.Hooks{DeadLettered: func(relay.DeadLetter) { told++ }})
		body := []byte(strings.Repeat("x", mostOfABody+1))
		for range recentLetters + 1 {
			hooks.DeadLettered(relay.DeadLetter{Reason: schema.ReasonNotJSON, ReceivedAt: time.Unix(1, 0), Body: body})
		}
		body[0] = 'y' // it is the relay's
		letters := x.events().Letters
		if len(letters) != recentLetters || told != recentLetters+1 || letters[0].Number != recentLetters+1 || letters[0].Bytes != mostOfABody+1 {
			t.Fatalf("%d letters, the last %d of %d bytes, %d told", len(letters), letters[0].Number, letters[0].Bytes, told)
		}
		want := 0
		if content {
			want = mostOfABody
		}
		if kept := letters[0].Body; len(kept) != want || content && kept[0] != 'x' {
			t.Errorf("content %v: %d bytes are kept; want %d", content, len(kept), want)
		}
	}
}

func TestWarningsAndErrorsAreKept(t *testing.T) {
	t.Parallel()
	x := newRecent(time.Unix(0, 0), false)
	log := x.watch(zap.NewNop()).Named("part").With(zap.String("a", "1"))
	log.Info("not worth it")
	log.Warn("a warning", zap.Duration("took", time.Second))
	log.With(zap.Int("b", 2)).Error("an error", zap.Error(errors.New("why")))
	log.Warn("a long one", zap.String("é", strings.Repeat("é", mostOfFields)))
	got := x.events().Log
	if long := got[0].Fields; len(long) > mostOfFields+4 || !strings.HasSuffix(long, "é …") {
		t.Errorf("%d bytes of a long entry are kept, the last ones %q", len(long), long[len(long)-8:])
	}
	got = got[1:]
	for i := range got {
		got[i].At = time.Time{}
	}
	want := []ops.Entry{
		{Level: "error", Part: "part", Message: "an error", Fields: "a=1 b=2 error=why"},
		{Level: "warn", Part: "part", Message: "a warning", Fields: "a=1 took=1s"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What goes wrong on the way is on the page; a body is, where that is configured.
func TestThePageShowsWhatWentWrong(t *testing.T) {
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.Ops.ShowContent, cfg.HTTP.MaxBody = true, 1*KiB
	b, _ := runBridge(t, cfg, relay.Hooks{})
	if status := postBody(t, b, "Group.CallbackAfterSendMsg", "no JSON"); status != http.StatusBadRequest {
		t.Errorf("answered %d", status)
	}
	if status := postBody(t, b, "Group.CallbackAfterSendMsg", strings.Repeat(" ", 2<<10)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", status)
	}
	waitUntil(t, "the page shows both", func() bool {
		_, page := getOps(t, b, "/")
		return strings.Contains(page, "<td>not-json</td>") && strings.Contains(page, "<td>too-large</td><td class=\"number\">2 KiB</td>")
	})
	if status, body := getOps(t, b, "/letters/1"); status != http.StatusOK || body != "no JSON" {
		t.Errorf("the body: %d %q", status, body)
	}
	if _, page := getOps(t, b, "/"); !strings.Contains(page, "min_free: 32MiB") {
		t.Error("the page does not show the configuration")
	}
}
