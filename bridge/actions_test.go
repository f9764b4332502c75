package bridge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

const actionToken = "a token of the tests"

// act does something on the page, and returns the answer's status.
func act(t *testing.T, b *Bridge, action, token string) int {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm("http://"+b.OpsAddr().String()+"/actions", url.Values{"action": {action}, "token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// P1, P3, P4: publishing that is paused, again and again, while messages come in
// loses nothing, and all are there in order and once when it goes on; the bridge
// stays ready meanwhile, and says what is up.
func TestPausedPublishingGoesOnWhereItWas(t *testing.T) {
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg := testConfig(t, cluster.ListenAddrs()[0])
	cfg.Ops.ActionToken = actionToken
	b, stop := runBridge(t, cfg, relay.Hooks{})
	const rounds, each = 5, 40
	for round := range rounds {
		for i := range each {
			if i == each/2 {
				if status := act(t, b, "pause", actionToken); status != http.StatusSeeOther {
					t.Fatalf("pause was answered %d", status)
				}
			}
			if status := postMessage(t, b, 1+round*each+i); status != http.StatusOK {
				t.Fatalf("a message was answered %d", status)
			}
		}
		if _, body := getOps(t, b, "/status"); !strings.Contains(body, "Publishing is paused by the operator since") {
			t.Errorf("/status does not say that publishing is paused: %s", body)
		}
		if status, _ := getOps(t, b, "/readyz"); status != http.StatusOK {
			t.Errorf("/readyz is %d while publishing is paused", status)
		}
		if left := b.spool.Stat().Records; left < each/2 {
			t.Errorf("%d are in the spool; at least %d came while publishing was paused", left, each/2)
		}
		if status := act(t, b, "resume", actionToken); status != http.StatusSeeOther {
			t.Fatalf("resume was answered %d", status)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := b.Settle(ctx); left != 0 {
		t.Fatalf("%d are left a minute after publishing went on", left)
	}
	n := int64(0)
	for p := range int32(2) {
		n += cluster.PartitionInfo("chat.group-messages", p).HighWatermark
	}
	if s := b.relay.Stats().Resequence; n != rounds*each || s.Late != 0 {
		t.Errorf("the topic has %d records, %d of them late; want %d and none", n, s.Late, rounds*each)
	}
	for _, message := range []string{"the operator has paused publishing; callbacks are stored", "the operator has let publishing go on"} {
		if n := logged(b, message, "peer=127.0.0.1"); n != rounds {
			t.Errorf("the log has %d times %q with the peer; want %d", n, message, rounds)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// logged counts the warnings and errors of a bridge's log with a message and fields.
func logged(b *Bridge, message, fields string) (n int) {
	for _, e := range b.recent.events().Log {
		if e.Message == message && e.Fields == fields {
			n++
		}
	}
	return n
}

// A stop does not wait for what a pause holds back: the next start publishes it.
func TestAPausedBridgeStopsAtOnce(t *testing.T) {
	b := runWith(t, func(c *Config) { c.Ops.ActionToken, c.ShutdownTimeout = actionToken, time.Hour })
	act(t, b, "pause", actionToken)
	postMessage(t, b, 1)
}

// P7: nothing is done without the token, by a link, or where none is configured.
func TestNothingIsDoneWithoutTheToken(t *testing.T) {
	b := runWith(t, func(c *Config) { c.Ops.ActionToken = actionToken })
	for _, token := range []string{"", "another", actionToken + " "} {
		if status := act(t, b, "pause", token); status != http.StatusForbidden {
			t.Errorf("with the token %q: %d; want 403", token, status)
		}
	}
	if status, _ := getOps(t, b, "/actions?action=pause&token="+url.QueryEscape(actionToken)); status != http.StatusMethodNotAllowed {
		t.Errorf("by a link: %d; want 405", status)
	}
	if status := act(t, b, "explode", actionToken); status != http.StatusNotFound {
		t.Errorf("what there is not: %d; want 404", status)
	}
	if _, page := getOps(t, b, "/"); strings.Contains(page, actionToken) || !strings.Contains(page, "Pause publishing") {
		t.Error("the page shows the token, or not the actions")
	}
	if n := logged(b, "a secret of the operator's listener was given wrong", "omitted=0 peer=127.0.0.1 what=token"); n != 1 {
		t.Errorf("the log has %d lines of the wrong tokens; want one, with the peer", n)
	}
	none := runWith(t, func(*Config) {})
	if status := act(t, none, "pause", ""); status != http.StatusNotFound {
		t.Errorf("where there is no token: %d; want 404", status)
	}
	if _, page := getOps(t, none, "/"); strings.Contains(page, "Pause publishing") {
		t.Error("the page shows actions where there is no token")
	}
	for _, x := range []*Bridge{b, none} {
		if !x.gate.since().IsZero() {
			t.Error("publishing is paused")
		}
	}
}

// What a verification finds is in the first sentence, and no "All is well" beside it.
func TestDamageThatVerifyingFindsIsInTheSentence(t *testing.T) {
	b := runWith(t, func(c *Config) { c.Ops.ActionToken = actionToken })
	for seq := range 5 {
		postMessage(t, b, 1+seq)
	}
	rot(t, b.cfg.Spool.Dir, `"MsgSeq":2`)
	act(t, b, "verify", actionToken)
	waitUntil(t, "/status tells the damage", func() bool {
		_, body := getOps(t, b, "/status")
		return strings.Contains(body, "the spool is damaged in 1 place, 1 record is lost; run chatbridge spool verify")
	})
	b.verification.reads.Wait()
	x := b.situation(b.relay.Stats(), ops.Condition{OK: true})
	if s := x.state(); s.Level != ops.Degraded || s.Fault != ops.FaultDisk || !strings.Contains(s.Sentence, "found damage in 1 place, 1 record is lost") {
		t.Errorf("the state is %+v", s)
	}
}

// rot changes one bit of what is on the disk.
func rot(t *testing.T, dir, at string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range segments {
		stored, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(stored, []byte(at)); i >= 0 {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{stored[i] ^ 1}, int64(i)); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no segment of %v has %s", segments, at)
}

// Whether what is lost was in Kafka is said only where it is known.
func TestWhetherKafkaHadWhatDamageTook(t *testing.T) {
	t.Parallel()
	torn := &spool.CorruptError{Segment: "1.seg", Offset: 5, Err: io.ErrUnexpectedEOF}
	one := func(end spool.Position) spool.Report {
		return spool.Report{Segments: []spool.SegmentReport{{End: end, Lost: 1, Damage: []*spool.CorruptError{torn}}, {End: end + 10}}}
	}
	checkpoint := spool.Report{Checkpoint: spool.CheckpointReport{Damage: torn}}
	for name, c := range map[string]struct {
		report spool.Report
		before spool.Stat
		want   string
	}{
		"settled":                   {one(10), spool.Stat{Released: 10}, "1 place, 1 record is lost that Kafka had already"},
		"not all of it settled":     {one(10), spool.Stat{Released: 9}, "1 place, 1 record is lost"},
		"the relay met damage":      {one(10), spool.Stat{Released: 10, Lost: 1}, "1 place, 1 record is lost"},
		"a former relay met damage": {one(10), spool.Stat{Released: 10, Quarantined: 1}, "1 place, 1 record is lost"},
		"the checkpoint is damaged": {checkpoint, spool.Stat{Released: 10}, "1 place, 0 records are lost"},
	} {
		if got := damageIn(c.report, c.before, time.Now()).String(); got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
	if got := damageIn(spool.Report{}, spool.Stat{}, time.Now()); got != nil {
		t.Errorf("no damage is %s", got)
	}
}

// The bridge knows when a pause has ended, so that nobody blames Kafka for it.
func TestTheEndOfAPauseIsKnown(t *testing.T) {
	b := runWith(t, func(c *Config) { c.Ops.ActionToken = actionToken })
	resumed := func() time.Time { return b.situation(b.relay.Stats(), ops.Condition{OK: true}).resumed }
	act(t, b, "resume", actionToken) // it was not paused
	act(t, b, "pause", actionToken)
	if !resumed().IsZero() {
		t.Errorf("publishing went on at %s", resumed())
	}
	act(t, b, "resume", actionToken)
	if resumed().Before(b.started) {
		t.Errorf("publishing went on at %s; the bridge was started at %s", resumed(), b.started)
	}
}

func TestTheSpoolIsVerifiedWhileItIsUsed(t *testing.T) {
	b := runWith(t, func(c *Config) { c.Ops.ActionToken = actionToken })
	for seq := range 5 {
		postMessage(t, b, 1+seq)
	}
	if status := act(t, b, "verify", actionToken); status != http.StatusSeeOther {
		t.Fatalf("verify was answered %d", status)
	}
	waitUntil(t, "the page has the result", func() bool {
		_, page := getOps(t, b, "/")
		return strings.Contains(page, "the spool was verified: 5 records in 1 segment, no damage")
	})
}
