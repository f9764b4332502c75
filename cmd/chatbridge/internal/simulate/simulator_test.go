package simulate

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/schema"
)

// A receiver is a bridge that remembers what it was sent.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	events []*schema.Event
}

// newReceiver returns one that answers as answer says; nil is always OK.
func newReceiver(t *testing.T, answer func(w http.ResponseWriter, e *schema.Event)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		e, readErr := schema.Normalize(schema.Request{AppID: testApp, ReceivedAt: time.Now()}, body)
		if err != nil || readErr != nil {
			t.Errorf("a request that cannot be read: %v, %v: %s", err, readErr, body)
			return
		}
		r.mu.Lock()
		r.events = append(r.events, e)
		r.mu.Unlock()
		if answer != nil {
			answer(w, e)
			return
		}
		_, _ = io.WriteString(w, okBody)
	}))
	t.Cleanup(r.Close)
	return r
}

const testApp = 1400000000

// options are of a small run against a receiver, with a ledger.
func options(t *testing.T, url string) Options {
	t.Helper()
	o := Defaults()
	o.URL, o.App, o.Token, o.Groups, o.Topics = url, testApp, "token", 5, 0
	o.Rate, o.Count, o.Connections, o.Seed = 0, 200, 4, 1
	o.Ledger = filepath.Join(t.TempDir(), "ledger")
	return o
}

func mustRun(t *testing.T, o Options) Summary {
	t.Helper()
	sum, err := New(o).Run(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func mustReadLedger(t *testing.T, path string) []ledger.Line {
	t.Helper()
	var lines []ledger.Line
	if err := ledger.Read(path, func(_ int64, l *ledger.Line) error { lines = append(lines, *l); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

// byID counts the lines of a kind by message.
func byID(lines []ledger.Line, kind ledger.Kind) map[string]int {
	ids := map[string]int{}
	for i := range lines {
		if lines[i].Kind == kind {
			ids[lines[i].ID]++
		}
	}
	return ids
}

// The ledger is what P9 rests on: it says of each message what really happened.
func TestLedgerSaysWhatWasAnswered(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	o := options(t, r.URL)
	o.Disorder, o.Duplicate, o.Drop, o.OnlineOnly = 0.2, 0.1, 0.1, 0.05
	sum := mustRun(t, o)
	lines := mustReadLedger(t, o.Ledger)
	received := map[string]int{}
	for _, e := range r.events {
		received[e.ID]++
	}
	stored, copies := byID(lines, ledger.OK), byID(lines, ledger.Copy)
	if uint64(len(stored)) != o.Count || uint64(len(received)) != o.Count {
		t.Fatalf("%d stored, %d received, of %d", len(stored), len(received), o.Count)
	}
	for id, n := range received {
		if stored[id] != 1 || copies[id] != n-1 {
			t.Errorf("%s was received %d times; the ledger has it %d times and %d copies", id, n, stored[id], copies[id])
		}
	}
	dropped := map[schema.Stream]map[uint64]bool{}
	for i := range lines {
		if l := &lines[i]; l.Kind == ledger.Dropped {
			if dropped[l.Stream()] == nil {
				dropped[l.Stream()] = map[uint64]bool{}
			}
			dropped[l.Stream()][l.Seq] = true
			sum.Dropped--
		}
	}
	for _, e := range r.events {
		if seq, ok := e.Sequence(); ok && dropped[e.Stream()][seq] {
			t.Errorf("the dropped number %d of %v was sent", seq, e.Stream())
		}
	}
	if sum.Dropped != 0 || sum.MessagesStored != o.Count || sum.Copies == 0 || sum.Overtaken == 0 || sum.Stopped {
		t.Errorf("%+v", sum)
	}
	if first, last := lines[0], lines[len(lines)-1]; first.Kind != ledger.Run || first.Seed != 1 || last.Kind != ledger.End {
		t.Errorf("the ledger is from %+v to %+v", first, last)
	}
}

// A killed sender leaves the ledger as it is at some request: whatever had been
// sent by then is at least reserved.
func TestNothingIsSentBeforeItsNumberIsReserved(t *testing.T) {
	t.Parallel()
	var path string
	r := newReceiver(t, func(w http.ResponseWriter, e *schema.Event) {
		seq, _ := e.Sequence()
		reserved := false
		err := ledger.Read(path, func(_ int64, l *ledger.Line) error {
			reserved = reserved || l.Kind == ledger.Reserved && l.Stream() == e.Stream() && l.Seq <= seq && seq <= l.To
			return nil
		})
		if err != nil || !reserved {
			t.Errorf("number %d of %v is here and not reserved: %v", seq, e.Stream(), err)
		}
		_, _ = io.WriteString(w, okBody)
	})
	o := options(t, r.URL)
	o.Groups, o.Count, o.Disorder = 1, 600, 0.2 // more than one block
	path = o.Ledger
	mustRun(t, o)
}

func TestASecondRunGoesOnInTheLedger(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	o := options(t, r.URL)
	o.Seed = 0
	first := mustRun(t, o)
	second := mustRun(t, o)
	if second.Seed != first.Seed || second.Run != 2 {
		t.Errorf("the second run has seed %d and is run %d", second.Seed, second.Run)
	}
	seen := map[schema.Stream]map[uint64]bool{}
	for _, e := range r.events {
		if seen[e.Stream()] == nil {
			seen[e.Stream()] = map[uint64]bool{}
		}
		seq, _ := e.Sequence()
		if seen[e.Stream()][seq] {
			t.Errorf("number %d of %v was sent by both runs", seq, e.Stream())
		}
		seen[e.Stream()][seq] = true
	}
	if len(seen) != o.Groups {
		t.Errorf("%d streams, want the same %d", len(seen), o.Groups)
	}
	for s, numbers := range seen {
		for n := range uint64(len(numbers)) {
			if !numbers[n+1] {
				t.Errorf("%v leaves out %d", s, n+1)
			}
		}
	}
}

func TestWhatIsNotAnsweredOKIsWrittenAsSuchAndNotSentAgain(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, e *schema.Event) {
		switch e.Message.Seq.Value % 3 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"ActionStatus":"FAIL","ErrorInfo":"full","ErrorCode":1}`)
		case 1:
			panic(http.ErrAbortHandler) // cuts the connection
		default:
			_, _ = io.WriteString(w, okBody)
		}
	})
	o := options(t, r.URL)
	sum := mustRun(t, o)
	lines := mustReadLedger(t, o.Ledger)
	got := map[ledger.Kind]int{}
	for i := range lines {
		l := &lines[i]
		got[l.Kind]++
		wrong := false
		switch l.Kind {
		case ledger.OK:
			wrong = l.Seq%3 != 2
		case ledger.Refused:
			wrong = l.Seq%3 != 0 || l.Status != 503
		case ledger.Unanswered:
			wrong = l.Seq%3 != 1 || l.Reason != "broken"
		}
		if wrong || l.Attempts > 1 {
			t.Errorf("%+v", l)
		}
	}
	if got[ledger.OK]+got[ledger.Refused]+got[ledger.Unanswered] != 200 || len(r.events) != 200 {
		t.Errorf("%v for %d requests", got, len(r.events))
	}
	if sum.Refused[503] != uint64(got[ledger.Refused]) || sum.Unanswered["broken"] != uint64(got[ledger.Unanswered]) {
		t.Errorf("%+v, the ledger has %v", sum, got)
	}
}

func TestRetryTriesAgainUntilOK(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, _ *schema.Event) {
		if refused.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, okBody)
	})
	o := options(t, r.URL)
	o.Count, o.Connections, o.Retries = 2, 1, -1
	sum := mustRun(t, o)
	lines := mustReadLedger(t, o.Ledger)
	if sum.MessagesStored != 2 || sum.Callbacks != 2 || len(r.events) != 5 {
		t.Errorf("%+v after %d requests", sum, len(r.events))
	}
	for i := range lines {
		if l := &lines[i]; l.Kind == ledger.OK && l.Attempts != []int{0, 4, 1}[l.Seq] && l.Attempts != 1 {
			t.Errorf("%+v", l)
		}
	}
}

func TestStoppingLeavesACompleteLedger(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	var n atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, _ *schema.Event) {
		if n.Add(1) == 100 {
			cancel()
		}
		_, _ = io.WriteString(w, okBody)
	})
	o := options(t, r.URL)
	o.Count, o.Disorder, o.Rate = 0, 0.5, 20_000
	sum, err := New(o).Run(ctx, nil)
	if err != nil || !sum.Stopped {
		t.Fatalf("%v, %+v", err, sum)
	}
	lines := mustReadLedger(t, o.Ledger)
	if lines[len(lines)-1].Kind != ledger.End {
		t.Error("the ledger has no end")
	}
	// Every number up to the highest has its line: answered, or never sent.
	have, top := map[schema.Stream]map[uint64]bool{}, map[schema.Stream]uint64{}
	for i := range lines {
		l := &lines[i]
		if l.Kind == ledger.Reserved || l.Seq == 0 {
			continue
		}
		if have[l.Stream()] == nil {
			have[l.Stream()] = map[uint64]bool{}
		}
		have[l.Stream()][l.Seq] = true
		top[l.Stream()] = max(top[l.Stream()], l.Seq)
	}
	for s, highest := range top {
		for seq := uint64(1); seq <= highest; seq++ {
			if !have[s][seq] {
				t.Errorf("number %d of %v has no line", seq, s)
			}
		}
	}
}

func TestWatcherIsToldOfEveryNumber(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	o := options(t, r.URL)
	o.Ledger, o.Disorder, o.Duplicate, o.Drop = "", 0.2, 0.1, 0.1
	got := map[string]uint64{}
	sum, err := New(o).Run(context.Background(), func(e Event) { // not locked: the calls are in a row
		switch {
		case e.Outcome == Dropped:
			got["dropped"]++
		case e.Copy:
			got["copies"]++
		case e.Overtaken:
			got["overtaken"]++
			fallthrough
		default:
			got["messages"]++
		}
		if e.Outcome == Stored && (e.Message == nil || e.Stream.GroupID == "" || e.Took <= 0) {
			t.Errorf("%+v", e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{"dropped": sum.Dropped, "copies": sum.Copies, "overtaken": sum.Overtaken, "messages": sum.Messages}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A server that stalls keeps callbacks from being sent; their waiting counts.
func TestLatencyRunsFromWhenTheCallbackWasDue(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	var first atomic.Bool
	r := newReceiver(t, func(w http.ResponseWriter, _ *schema.Event) {
		if first.CompareAndSwap(false, true) {
			<-time.After(stall)
		}
		_, _ = io.WriteString(w, okBody)
	})
	o := options(t, r.URL)
	o.Count, o.Rate, o.Connections = 100, 1000, 1 // all are due within the first 100 ms
	sum := mustRun(t, o)
	if sum.Latency.P50 < stall-100*time.Millisecond {
		t.Errorf("the median is %s, though nothing was answered for %s", sum.Latency.P50, stall)
	}
	o.Rate = 0 // a closed loop sees one slow answer
	first.Store(false)
	sum = mustRun(t, o)
	if sum.Latency.Max < stall || sum.Latency.P50 > stall/2 {
		t.Errorf("closed loop: %+v", sum.Latency)
	}
}

func TestOldMessagesAreOldAndTheirSignatureIsNot(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	o := options(t, r.URL)
	o.Count, o.Age = 10, 72*time.Hour
	mustRun(t, o)
	for _, e := range r.events {
		if age := time.Since(e.Message.SentAt); age < o.Age || age > o.Age+time.Hour {
			t.Errorf("sent %s ago", age)
		}
		if age := time.Since(e.OccurredAt); age < o.Age || age > o.Age+time.Hour {
			t.Errorf("occurred %s ago", age)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.URL = "localhost:8080" }, "--url"},
		{func(o *Options) { o.App = 0 }, "--app is missing"},
		{func(o *Options) { o.Drop = 1.5 }, "--drop"},
		{func(o *Options) { o.URL = "http://127.0.0.1:1/callback" }, "nobody answers at 127.0.0.1:1: start the bridge or correct --url"},
	} {
		o := options(t, "http://127.0.0.1:1/")
		c.change(&o)
		_, err := New(o).Run(context.Background(), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}
