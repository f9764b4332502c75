package publisher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// The classes are a promise to the caller: what changes here changes what is lost or doubled. Every code that is not named is ambiguous.
func TestClassOfEveryKafkaErrorCode(t *testing.T) {
	named := map[class][]kafka.Error{
		classRetry:  {1, 2, 14, 15, 16, 19, 29, 30, 31, 33, 34, 41, 53, 58, 60, 65, 66, 72, 78, 89, 93},
		classReject: {10, 18, 32, 44, 87},
		classResync: {45, 46, 47, 48, 49, 59, 90},
		classFatal:  {17, 21, 35, 42, 43, 54, 76},
	}
	want := make(map[kafka.Error]class)
	for c, codes := range named {
		for _, code := range codes {
			want[code] = c
		}
	}
	for code := kafka.Error(-1); code < 140; code++ {
		if code == 0 {
			continue
		}
		expected, ok := want[code]
		if !ok {
			expected = classAmbiguous
		}
		r := ruleFor(code)
		if r.class != expected || r.label == "" || r.sentence == "" {
			t.Errorf("%d (%s): %s, %q, %q; want %s", code, code.Title(), r.class, r.label, r.sentence, expected)
		}
	}
}

func TestFailuresBelowKafkasCodes(t *testing.T) {
	at := func(s stage, sent bool, err error) error {
		return &linkError{stage: s, addr: "b:9092", sent: sent, err: err}
	}
	refused := &net.OpError{Op: "dial", Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}
	for _, tc := range []struct {
		err        error
		class      class
		label      string
		unanswered bool
	}{
		{at(stageDial, false, refused), classRetry, "refused", false},
		{at(stageDial, false, &net.DNSError{Name: "b"}), classRetry, "name-unknown", false},
		{at(stageDial, false, context.DeadlineExceeded), classRetry, "no-answer", false},
		{at(stageDial, false, errors.New("no route to host")), classRetry, "unreachable", false},
		{at(stageHello, true, io.ErrUnexpectedEOF), classRetry, "closed-at-once", false},
		{at(stageLogin, true, errRefused), classRetry, "login-refused", false},
		{at(stageLogin, true, kafka.SASLAuthenticationFailed), classRetry, "login-refused", false},
		{at(stageFiles, false, errors.New("not there")), classRetry, "files", false},
		{at(stageTLS, true, io.ErrUnexpectedEOF), classRetry, "tls", false},
		{at(stageHello, true, syscall.ECONNRESET), classRetry, "closed-at-once", false},
		{&linkError{stage: stageRequest, addr: "b:9092", sent: true, fresh: true, err: io.ErrUnexpectedEOF}, classAmbiguous, "login-wanted", true},
		{at(stageRequest, false, io.ErrUnexpectedEOF), classRetry, "cut", false},
		{at(stageRequest, true, io.ErrUnexpectedEOF), classAmbiguous, "cut", true},
		{at(stageRequest, true, context.DeadlineExceeded), classAmbiguous, "no-answer", true},
		{&lookupError{at(stageRequest, true, io.ErrUnexpectedEOF)}, classRetry, "cut", false},
		{&lookupError{kafka.NotLeaderForPartition}, classRetry, "not-leader", false},
		{kafka.NotLeaderForPartition, classAmbiguous, "not-leader", false},
		{errors.New("anything"), classAmbiguous, "other", false},
	} {
		f := judge(tc.err)
		if f.class != tc.class || f.label != tc.label || f.unanswered != tc.unanswered || f.sentence == "" {
			t.Errorf("%v: %s, %q, unanswered %t, %q", tc.err, f.class, f.label, f.unanswered, f.sentence)
		}
	}
}

// What is said at once is said again later, ever more seldom; what is new is not held back by what is not.
func TestLogGateSaysLessAndLess(t *testing.T) {
	var g logGate
	begin := time.Unix(0, 0)
	said := map[string][]time.Duration{}
	for at := time.Duration(0); at < time.Hour; at += time.Second {
		for _, what := range []string{"a", "b"} {
			if what == "b" && at < time.Minute {
				continue
			}
			if more, ok := g.pass(what, begin.Add(at)); ok {
				said[what] = append(said[what], at)
				if want := len(said[what]) > 1; (more > 0) != want {
					t.Errorf("%s at %v: %d were not logged", what, at, more)
				}
			}
		}
	}
	seconds := func(list ...int) (d []time.Duration) {
		for _, s := range list {
			d = append(d, time.Duration(s)*time.Second)
		}
		return d
	}
	if diff := cmp.Diff(seconds(0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030), said["a"]); diff != "" {
		t.Error(diff)
	}
	if len(said["b"]) == 0 || said["b"][0] != time.Minute {
		t.Errorf("b was said at %v", said["b"])
	}
	if _, ok := g.pass("a", begin.Add(2*time.Hour)); !ok {
		t.Error("what comes back after an hour is not said")
	}
	if len(g.said) != 1 {
		t.Errorf("%d sentences are remembered", len(g.said))
	}
}

func TestBackoffDoublesUpToItsCeilingAndIsSpread(t *testing.T) {
	cfg := Config{RetryMin: 20 * time.Millisecond, RetryMax: time.Second}
	for n, want := range map[int]time.Duration{1: 20 * time.Millisecond, 2: 40 * time.Millisecond, 6: 640 * time.Millisecond, 7: time.Second, 1_000_000: time.Second} {
		if low, high := backoff(&cfg, n, 0), backoff(&cfg, n, 0.999999); low != want/2 || high > want || high < want*99/100 {
			t.Errorf("after %d failures between %v and %v, want up to %v", n, low, high, want)
		}
	}
}

// A storm of retries must not flood the log, nor be silent.
func TestLogOfAnOutageIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 30)
		w.cluster.Close()
		core, logs := observer.New(zapcore.DebugLevel)
		c := w.client(func(c *Config) { c.Logger = zap.New(core) })
		ctx, cancel := contextWithTimeout(t, 10*time.Minute)
		defer cancel()
		done := make(chan struct{})
		for id := range 30 {
			go func() {
				defer func() { done <- struct{}{} }()
				_, _ = c.Partition(testTopic, id).Publish(ctx, Batch{Messages: texts("secret text"), From: -1})
			}()
		}
		for range 30 {
			<-done
		}
		if n := logs.Len(); n < 3 || n > 12 {
			t.Errorf("%d lines in ten minutes", n)
		}
		for _, e := range logs.All() {
			if e.Message != "kafka attempt failed, trying again" || e.ContextMap()["sentence"] == "" {
				t.Errorf("line %+v", e)
			}
		}
	})
}

func TestConfigFaultsAreAllNamed(t *testing.T) {
	_, err := New(Config{Brokers: []string{"nowhere"}, Compression: 9, SASL: SASL{Mechanism: "OAUTH"}, TLSFiles: &TLSFiles{CertFile: "a"}})
	if err == nil {
		t.Fatal("no error")
	}
	want := "configuring the publisher: broker \"nowhere\" is not host:port\ncompression 9 is not known\n" +
		"SASL mechanism \"OAUTH\" is not known: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512\na client certificate needs both a certificate file and a key file"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []Config{{}, {Brokers: []string{"a:1"}, SASL: SASL{Username: "x"}}, {Brokers: []string{"a:1"}, SASL: SASL{Mechanism: MechanismPlain}}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestCompressionNames(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		if got, err := ParseCompression(c.String()); got != c || err != nil {
			t.Errorf("%s: %v, %v", c, got, err)
		}
	}
	if _, err := ParseCompression("brotli"); err == nil {
		t.Error("brotli was taken")
	}
}

func TestStatusesListWhatIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 2)
		c := w.client()
		mustPublish(t, c.Partition(testTopic, 1), new(ledger), "a")
		c.Partition("another", 0)
		if n, err := c.PartitionCount(t.Context(), testTopic); n != 2 || err != nil {
			t.Errorf("%d partitions, %v", n, err)
		}
		if diff := cmp.Diff([]Status{{Topic: "another", OK: true}, {Topic: testTopic, Partition: -1, OK: true}, {Topic: testTopic, Partition: 1, OK: true}}, c.Statuses()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"another", testTopic}, c.Topics()); diff != "" {
			t.Error(diff)
		}
		if first, again := c.Partition(testTopic, 1), c.Partition(testTopic, 1); first != again {
			t.Error("two handles of one partition")
		}
	})
}
