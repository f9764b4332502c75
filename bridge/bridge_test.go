package bridge

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/schema"
)

func testConfig(t *testing.T, broker string) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.HTTP.Listen, cfg.Ops.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Apps = []AppConfig{{SDKAppID: 1400000000}}
	cfg.Spool.Dir, cfg.Spool.MaxBytes, cfg.Spool.MinFree = t.TempDir(), 256*MiB, 32*MiB
	cfg.Kafka.Brokers = []string{broker}
	cfg.Kafka.CreateTopics, cfg.Kafka.Partitions, cfg.Kafka.ReplicationFactor = true, 2, 1
	cfg.ShutdownTimeout = 10 * time.Second
	return cfg
}

// runBridge opens and runs a bridge; stop ends it and returns what Run returned.
func runBridge(t *testing.T, cfg Config, hooks relay.Hooks) (b *Bridge, stop func() error) {
	t.Helper()
	b, err := Open(cfg, Options{Version: "test", Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return b, stop
}

// postMessage posts one message and returns the answer's status; more is added
// to the query.
func postMessage(t *testing.T, b *Bridge, seq int, more ...string) int {
	t.Helper()
	url := fmt.Sprintf("http://%s/callback?SdkAppid=1400000000&CallbackCommand=%s", b.Addr(), schema.CommandAfterSend) + strings.Join(more, "")
	body := fmt.Sprintf(`{"GroupId":"g","MsgSeq":%d,"MsgTime":1760000000,"Random":%d}`, seq, seq)
	answer, err := http.Post(url, "", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func getOps(t *testing.T, b *Bridge, path string) (int, string) {
	t.Helper()
	answer, err := http.Get("http://" + b.OpsAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// Before Kafka has answered for the first time nobody is told that it is well.
func TestASilentKafkaIsNotWell(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b, stop := runBridge(t, testConfig(t, silent.Addr().String()), relay.Hooks{})
	status, body := getOps(t, b, "/sinkz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "Kafka has not answered yet") {
		t.Errorf("/sinkz = %d %s; want 503 and that Kafka has not answered yet", status, body)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// P1, P2: without Kafka the bridge answers and is ready; once Kafka is there,
// everything arrives.
func TestItServesWithoutKafkaAndDeliversOnceItIsThere(t *testing.T) {
	placeholder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := placeholder.Addr().(*net.TCPAddr)
	_ = placeholder.Close()
	b, stop := runBridge(t, testConfig(t, address.String()), relay.Hooks{})
	for seq := 1; seq <= 20; seq++ {
		if status := postMessage(t, b, seq); status != http.StatusOK {
			t.Fatalf("without Kafka message %d was answered %d", seq, status)
		}
	}
	if status, body := getOps(t, b, "/readyz"); status != http.StatusOK {
		t.Errorf("without Kafka /readyz = %d %s; want 200", status, body)
	}
	var sinkz string
	waitUntil(t, "sinkz says that Kafka is away", func() bool {
		var status int
		status, sinkz = getOps(t, b, "/sinkz")
		return status == http.StatusServiceUnavailable && strings.Contains(sinkz, address.String())
	})
	if strings.Contains(sinkz, "-1") {
		t.Errorf("sinkz names a partition that is none:\n%s", sinkz)
	}
	cluster, err := kfake.NewCluster(kfake.Ports(address.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if left := b.Settle(ctx); left != 0 {
		t.Fatalf("%d callbacks are left a minute after Kafka came", left)
	}
	waitUntil(t, "sinkz is good", func() bool { status, _ := getOps(t, b, "/sinkz"); return status == http.StatusOK })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for p := range int32(2) {
		n += cluster.PartitionInfo("chat.group-messages", p).HighWatermark
	}
	if n != 20 {
		t.Errorf("the topic has %d records; want 20", n)
	}
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		case <-tick.C:
		}
	}
}

// A stop that its deadline cuts short is a stop: the peer that keeps its request
// back has been promised nothing, and serve ends with 0 (design 11).
func TestAStopThatIsCutShortIsNoFailure(t *testing.T) {
	cfg := testConfig(t, "127.0.0.1:1")
	cfg.ShutdownTimeout = 50 * time.Millisecond
	b, stop := runBridge(t, cfg, relay.Hooks{})
	slow, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /callback?SdkAppid=1400000000&CallbackCommand=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", schema.CommandAfterSend)
	waitUntil(t, "the request is being read", func() bool { return b.ingest.Stats().Requests == 1 })
	if err := stop(); err != nil {
		t.Errorf("Run returned %v; want nil", err)
	}
}

// A failing start undoes what it had begun: the same start then succeeds.
func TestAFailedOpenLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := testConfig(t, "127.0.0.1:1")
	cfg.Ops.Listen = taken.Addr().String()
	if _, err := Open(cfg, Options{}); err == nil || !strings.Contains(err.Error(), "ops.listen") {
		t.Fatalf("Open with the operator's port taken = %v; want an error that names ops.listen", err)
	}
	cfg.Ops.Listen = "127.0.0.1:0"
	_, stop := runBridge(t, cfg, relay.Hooks{})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// Two processes on one spool: the second is refused, and told who has it.
func TestASecondBridgeOnOneSpoolIsRefused(t *testing.T) {
	cfg := testConfig(t, "127.0.0.1:1")
	runBridge(t, cfg, relay.Hooks{})
	if _, err := Open(cfg, Options{}); err == nil || !strings.Contains(err.Error(), "pid") {
		t.Errorf("Open on a spool in use = %v; want an error that names the holder's pid", err)
	}
}

// P7: tokens from a file count as those in the configuration do: an unsigned
// callback is refused, a signed one is taken, and no app is counted as unsigned.
func TestTokensFromAFileGuardTheEndpoint(t *testing.T) {
	cfg := testConfig(t, "127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("old-token\r\nbridge-token-1\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Apps = []AppConfig{{SDKAppID: 1400000000, TokensFile: file}}
	cfg.ShutdownTimeout = time.Millisecond // there is no Kafka to drain to
	b, _ := runBridge(t, cfg, relay.Hooks{})
	if status := postMessage(t, b, 1); status != http.StatusUnauthorized {
		t.Errorf("an unsigned callback was answered %d; want 401", status)
	}
	now := time.Now().Unix()
	signed := fmt.Sprintf("&RequestTime=%d&Sign=%x", now, sha256.Sum256(fmt.Appendf(nil, "bridge-token-1%d", now)))
	if status := postMessage(t, b, 1, signed); status != http.StatusOK {
		t.Errorf("a callback signed with a token of the file was answered %d; want 200", status)
	}
	if _, body := getOps(t, b, "/metrics"); !strings.Contains(body, "\nchatbridge_unsigned_apps 0\n") {
		t.Error("chatbridge_unsigned_apps is not 0 with a token file")
	}
}

// Every metric is there from the start, with a help text, and nothing fails to
// be gathered.
func TestMetricsAreCompleteFromTheStart(t *testing.T) {
	b, _ := runBridge(t, testConfig(t, "127.0.0.1:1"), relay.Hooks{})
	families, err := b.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range families {
		have[f.GetName()] = true
		if f.GetHelp() == "" {
			t.Errorf("%s has no help text", f.GetName())
		}
	}
	for _, name := range []string{
		"chatbridge_callbacks_total", "chatbridge_answer_seconds", "chatbridge_spool_fsync_seconds",
		"chatbridge_spool_group_records", "chatbridge_spool_bytes", "chatbridge_spool_records",
		"chatbridge_spool_oldest_age_seconds", "chatbridge_spool_free_bytes", "chatbridge_resequence_held",
		"chatbridge_resequence_hold_seconds", "chatbridge_resequence_missing_total", "chatbridge_events_total",
		"chatbridge_settle_seconds", "chatbridge_build_info", "chatbridge_durability_info", "chatbridge_ready",
	} {
		if !have[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
