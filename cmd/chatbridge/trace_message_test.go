package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/trace"
	"github.com/chatbridge/chatbridge/schema"
)

const tracedGroup = "@TGS#traced"

// tracedWorld is what there is around trace-message.
type tracedWorld struct {
	broker, spool, ops string
	silent             bool // Kafka does not answer all, so that each question takes its time-out
}

// newTracedWorld has a Kafka with 1 and 2 in the events topic, and with the dead
// letters' topic where there is to be one; a spool of these numbers; and nobody who
// answers as the bridge.
func newTracedWorld(t *testing.T, letters bool, stored ...int) *tracedWorld {
	t.Helper()
	topics := []string{auditedTopic}
	if letters {
		topics = append(topics, auditedTopic+".dlq")
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := &tracedWorld{broker: cluster.ListenAddrs()[0], ops: unanswered(t), silent: !letters}
	producer, err := kgo.NewClient(kgo.SeedBrokers(w.broker))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for seq := range uint64(2) {
		e := auditedEvent(t, auditedMessage{group: tracedGroup, seq: 1 + seq})
		value, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: auditedTopic, Key: []byte(tracedGroup), Value: value, Timestamp: e.RecordTime()}
		for _, h := range e.Headers(schema.InOrder, schema.Hole{}) {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if err := producer.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	bodies := []string{testBody("another", 1)}
	for _, seq := range stored {
		bodies = append(bodies, testBody(tracedGroup, seq))
	}
	w.spool = fillSpool(t, 64<<10, bodies...)
	return w
}

// unanswered is an address where nobody listens.
func unanswered(t *testing.T) string {
	t.Helper()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	return gone.Addr().String()
}

// trace asks for a number and checks that the exit code is the state's, and that
// people are told the same.
func (w *tracedWorld) trace(t *testing.T, seq int, more ...string) *trace.Answer {
	t.Helper()
	args := append([]string{
		"trace-message", "--json", "--group", tracedGroup, "--seq", strconv.Itoa(seq), "--timeout", "3s",
		"--set", "kafka.brokers=" + w.broker, "--set", "spool.dir=" + w.spool, "--set", "ops.listen=" + w.ops,
	}, more...)
	r := runCommand(t, args...)
	var a trace.Answer
	if err := json.Unmarshal([]byte(r.stdout), &a); err != nil {
		t.Fatalf("number %d: exit %d, %q, %s: %v", seq, r.code, r.stdout, r.stderr, err)
	}
	if good := r.code == exitGood; good != a.State.Arrived() || !good && r.code != exitFailure {
		t.Errorf("number %d: %s with exit %d", seq, a.State, r.code)
	}
	if w.silent {
		return &a
	}
	shown := runCommand(t, slices.DeleteFunc(args, func(arg string) bool { return arg == "--json" })...)
	if shown.code != r.code || !strings.HasPrefix(shown.stdout, string(a.Sentence)+"\n") {
		t.Errorf("number %d: people are told %q, --json says %q", seq, shown.stdout, a.Sentence)
	}
	return &a
}

// P1: a message that may be where the command has not looked is not denied.
func TestTraceMessageDeniesNothingThatItHasNotRead(t *testing.T) {
	t.Parallel()
	all, lettersMissing := newTracedWorld(t, true), newTracedWorld(t, false)
	nowhere, empty, file := filepath.Join(t.TempDir(), "nowhere"), t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		world *tracedWorld
		spool string
		not   []trace.Place
		note  string
	}{
		"all is read":     {all, all.spool, nil, "usual"},
		"no spool":        {all, nowhere, []trace.Place{trace.InSpool}, "there is no spool in " + nowhere},
		"nothing in it":   {all, empty, []trace.Place{trace.InSpool}, "there is no spool in " + empty},
		"not a directory": {all, file, []trace.Place{trace.InSpool}, "the spool could not be looked at"},
		"no letters":      {lettersMissing, lettersMissing.spool, []trace.Place{trace.InLetters}, "the dead-letter topic could not be looked at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := *c.world
			w.spool = c.spool
			a := w.trace(t, 3)
			state := trace.Unknown
			if c.not == nil {
				state = trace.Expected
			}
			if a.State != state || !slices.Equal(a.NotRead, c.not) || !strings.Contains(strings.Join(a.Notes, " "), c.note) {
				t.Errorf("%s, not read %q, notes %q; want %s, %q, %q", a.State, a.NotRead, a.Notes, state, c.not, c.note)
			}
		})
	}
}

// What waits in the spool of a bridge that is away is named.
func TestTraceMessageNamesWhatIsStoredBesideIt(t *testing.T) {
	t.Parallel()
	w := newTracedWorld(t, true, 10, 8, 0, 12)
	a := w.trace(t, 9)
	if s := a.Spooled; s == nil || s.Below == nil || s.Below.Seq != 8 || s.Above == nil || s.Above.Seq != 10 || s.Above.Position != 2 || s.Unsequenced != 1 {
		t.Errorf("the spool has %+v", a.Spooled)
	}
	if a.State != trace.Expected || a.Sentence != "Not received so far: the stream is at 2, and 10 waits in the spool." {
		t.Errorf("%s: %s", a.State, a.Sentence)
	}
}

// bridgeSays answers as a bridge does that knows this of the group and of Kafka.
func bridgeSays(t *testing.T, stream, sink string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/group":
			fmt.Fprintf(w, `{"group":%q,"partition":0,"streams":[{"app_id":1400000000,%s}]}`, tracedGroup, stream)
		default:
			fmt.Fprintf(w, `{"version":"v1","level":"good","sentence":"","ready":{"ok":true},"sink":{"reasons":[%s]}}`, sink)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// What the bridge knows is used, above all where Kafka is away.
func TestTraceMessageUsesWhatTheBridgeKnows(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "give the user operator and the password", http.StatusUnauthorized)
	}))
	t.Cleanup(refuses.Close)
	const at = `"2026-03-04T05:06:07Z"`
	away := &tracedWorld{broker: unanswered(t), spool: fillSpool(t, 64<<10, testBody(tracedGroup, 9)), ops: unanswered(t), silent: true}
	known := newTracedWorld(t, true)
	for name, c := range map[string]struct {
		world *tracedWorld
		ops   string
		seq   int
		state trace.State
		says  string
	}{
		"published last": {away, bridgeSays(t, `"next_expected":6,"last_published":{"seq":5,"partition":7,"offset":41,"at":`+at+`}`, `"no leader"`), 5, trace.Published,
			"The bridge published it at partition 7, offset 41, at 2026-03-04T05:06:07.000Z; the topic was not read."},
		"given up": {away, bridgeSays(t, `"next_expected":6,"last_holes":[{"from":4,"to":4,"at":`+at+`},{"from":1,"to":2,"at":`+at+`}]`, `"no leader"`), 2, trace.Unknown,
			"the bridge gave it up at 2026-03-04T05:06:07.000Z, with the hole 1-2"},
		"held in a pause": {known, bridgeSays(t, `"next_expected":3,"waits_for":[{"from":3,"to":4}],"held":[{"seq":5,"leaves_in_seconds":0}]`, `"publishing is paused"`), 5, trace.Waiting,
			"Held until publishing goes on (publishing is paused): it waits for 3-4."},
		"others are held":      {known, bridgeSays(t, `"next_expected":3,"held":[{"seq":5},{"seq":7},{"seq":1,"restart":true}]`, ``), 3, trace.Expected, "Not received so far: the stream is at 2, and 5, 7 are held."},
		"the password refused": {away, refuses.Listener.Addr().String(), 9, trace.Stored, "401 Unauthorized: give the user operator and the password."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := *c.world
			w.ops = c.ops
			if a := w.trace(t, c.seq); a.State != c.state || !strings.Contains(a.Sentence, c.says) {
				t.Errorf("%s: %s\nwant %s: … %s …", a.State, a.Sentence, c.state, c.says)
			}
		})
	}
}
