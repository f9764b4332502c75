package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/chatbridge/chatbridge/bridge/relay"
)

// What is set must reach the part that it is for: each setting here is seen from
// outside, on a bridge that was given it.

// runWith runs a bridge without Kafka, its configuration changed. It does not
// wait for Kafka when it stops.
func runWith(t *testing.T, change func(*Config)) *Bridge {
	t.Helper()
	cfg := testConfig(t, "127.0.0.1:1")
	cfg.ShutdownTimeout = time.Millisecond
	change(&cfg)
	b, _ := runBridge(t, cfg, relay.Hooks{})
	return b
}

// postBody posts a body and returns the answer's status.
func postBody(t *testing.T, b *Bridge, command, body string) int {
	t.Helper()
	url := fmt.Sprintf("http://%s/callback?SdkAppid=1400000000&CallbackCommand=%s", b.Addr(), command)
	answer, err := http.Post(url, "", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// mustShow waits until the metrics have a line.
func mustShow(t *testing.T, b *Bridge, line string) {
	t.Helper()
	waitUntil(t, "metrics show "+line, func() bool {
		_, metrics := getOps(t, b, "/metrics")
		return strings.Contains(metrics, "\n"+line+"\n")
	})
}

func TestMaxBodyReachesTheEndpoint(t *testing.T) {
	b := runWith(t, func(c *Config) { c.HTTP.MaxBody = 1 * KiB })
	if status := postBody(t, b, "Group.CallbackAfterSendMsg", strings.Repeat(" ", 1025)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over http.max_body was answered %d; want 413", status)
	}
}

func TestTheCallbacksTopicHasOtherCommandsStored(t *testing.T) {
	for topic, outcome := range map[string]string{"": "ignored", "chat.callbacks": "callback-stored"} {
		b := runWith(t, func(c *Config) { c.Kafka.CallbacksTopic = topic })
		if status := postBody(t, b, "State.StateChange", "{}"); status != http.StatusOK {
			t.Errorf("another command was answered %d; want 200", status)
		}
		mustShow(t, b, fmt.Sprintf(`chatbridge_callbacks_total{outcome=%q} 1`, outcome))
	}
}

func TestTheCertificateReachesTheEndpoint(t *testing.T) {
	cert, key := keyPairFiles(t)
	b := runWith(t, func(c *Config) { c.HTTP.TLS = ServerTLSFiles{CertFile: cert, KeyFile: key} })
	conn, err := tls.Dial("tcp", b.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a certificate of the test's own
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	mustShow(t, b, `chatbridge_certificate_expiry_timestamp_seconds{use="http"} 4e+09`)
}

func TestTheExpiryOfTheClientCertificateIsShown(t *testing.T) {
	cert, key := keyPairFiles(t)
	b := runWith(t, func(c *Config) { c.Kafka.TLS = KafkaTLS{Enabled: true, CertFile: cert, KeyFile: key} })
	mustShow(t, b, `chatbridge_certificate_expiry_timestamp_seconds{use="kafka"} 4e+09`)
}

// Design 4, 10: a spool that cannot store makes the bridge unready, and is
// refused or held, as is set.
func TestAFullSpoolIsAnsweredAsIsSet(t *testing.T) {
	full := func(policy WhenFull) *Bridge {
		return runWith(t, func(c *Config) { c.Spool.MinFree, c.Spool.WhenFull = 1<<20*TiB/2, policy })
	}
	b := full(WhenFullRefuse)
	if status := postMessage(t, b, 1); status != http.StatusServiceUnavailable {
		t.Errorf("with refuse: answered %d; want 503", status)
	}
	if status, body := getOps(t, b, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "spool.min_free") {
		t.Errorf("/readyz = %d %s; want 503 and the reason", status, body)
	}
	mustShow(t, b, "chatbridge_ready 0")

	b = full(WhenFullHold)
	ctx, giveUp := context.WithCancel(t.Context())
	url := fmt.Sprintf("http://%s/callback?SdkAppid=1400000000&CallbackCommand=Group.CallbackAfterSendMsg", b.Addr())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"GroupId":"g"}`))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
		}
		done <- err
	}()
	waitUntil(t, "the request is held", func() bool { return b.ingest.Stats().Held == 1 })
	giveUp()
	if err := <-done; err == nil {
		t.Error("with hold: the request was answered")
	}
}

func TestDurabilityReachesTheSpool(t *testing.T) {
	b := runWith(t, func(c *Config) { c.Spool.Durability = DurabilityMemory })
	mustShow(t, b, `chatbridge_durability_info{mode="memory"} 1`)
}

func TestTheHoldReachesTheResequencer(t *testing.T) {
	cluster, err := kfake.NewCluster()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for _, c := range []struct {
		set  ResequenceConfig
		hold string
	}{
		{ResequenceConfig{Hold: Hold{Fixed: 7 * time.Second}, Floor: time.Millisecond, Ceiling: time.Second}, "7"},
		{ResequenceConfig{Hold: Hold{}, Floor: time.Millisecond, Ceiling: time.Second}, "0"},
		{ResequenceConfig{Hold: Hold{Adaptive: true}, Floor: 250 * time.Millisecond, Ceiling: time.Second}, "0.25"},
	} {
		cfg := testConfig(t, cluster.ListenAddrs()[0])
		cfg.Resequence = c.set
		b, stop := runBridge(t, cfg, relay.Hooks{})
		mustShow(t, b, `chatbridge_partition_open_records{partition="1"} 0`) // the lanes are there
		mustShow(t, b, "chatbridge_resequence_hold_seconds "+c.hold)
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// Design 11: damage is said, and the bridge serves on.
func TestDamageIsToldToTheOperator(t *testing.T) {
	cfg := testConfig(t, "127.0.0.1:1")
	cfg.ShutdownTimeout = time.Millisecond
	b, stop := runBridge(t, cfg, relay.Hooks{})
	for seq := 1; seq <= 3; seq++ { // each in a group of its own
		postMessage(t, b, seq)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(cfg.Spool.Dir, "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	stored, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	stored[bytes.Index(stored, []byte(`"MsgSeq":1`))] ^= 1
	if err := os.WriteFile(segments[0], stored, 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ = runBridge(t, cfg, relay.Hooks{})
	if _, status := getOps(t, b, "/status"); !strings.Contains(status, filepath.Base(segments[0])) {
		t.Errorf("/status does not name the damaged segment:\n%s", status)
	}
	mustShow(t, b, "chatbridge_spool_quarantined_files 1")
	if status := postMessage(t, b, 4); status != http.StatusOK {
		t.Errorf("with a damaged segment: answered %d; want 200", status)
	}
}
