package tail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a topic that grows when a test says so.
type memory struct {
	mu         sync.Mutex
	partitions [][]publisher.Record
	grown      chan struct{} // closed, and made anew, by append
	failure    error
}

func newMemory(partitions int) *memory {
	return &memory{partitions: make([][]publisher.Record, partitions), grown: make(chan struct{})}
}

func (m *memory) append(partition int, second int64, key, value string, headers ...publisher.Header) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.partitions[partition] = append(m.partitions[partition], publisher.Record{
		Offset: int64(len(m.partitions[partition])), Time: time.Unix(second, 0), Key: []byte(key), Value: []byte(value), Headers: headers,
	})
	close(m.grown)
	m.grown = make(chan struct{})
}

func (m *memory) Partitions(context.Context) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.partitions), m.failure
}

// change makes the topic one of so many partitions; those that stay are emptied
// where anew is set.
func (m *memory) change(partitions int, anew bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.partitions) < partitions {
		m.partitions = append(m.partitions, nil)
	}
	if anew {
		m.partitions = make([][]publisher.Record, partitions)
	}
	close(m.grown)
	m.grown = make(chan struct{})
}

func (m *memory) Offsets(_ context.Context, p int) (start, end int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return 0, int64(len(m.partitions[p])), nil
}

func (m *memory) OffsetAt(_ context.Context, p int, at time.Time) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.partitions[p], func(r publisher.Record) bool { return !r.Time.Before(at) })
	if i < 0 {
		i = len(m.partitions[p])
	}
	return int64(i), nil
}

func (m *memory) Read(_ context.Context, p int, from, to int64, fn func(*publisher.Record) error) error {
	m.mu.Lock()
	list := m.partitions[p]
	m.mu.Unlock()
	for i := from; i < to; i++ {
		r := list[i]
		r.Value = bytes.Clone(r.Value)
		if err := fn(&r); err != nil {
			return err
		}
		clear(r.Value) // it was valid during the call only
	}
	return nil
}

func (m *memory) Follow(ctx context.Context, p int, from int64, _ time.Duration, fn func(*publisher.Record) error) (int64, error) {
	m.mu.Lock()
	if p >= len(m.partitions) {
		m.mu.Unlock()
		return from, errors.New("no such partition")
	}
	end, grown := int64(len(m.partitions[p])), m.grown
	m.mu.Unlock()
	if from > end { // as the publisher does it
		from = 0
	}
	if from < end {
		return end, m.Read(ctx, p, from, end, fn)
	}
	select {
	case <-grown:
		return from, nil
	case <-ctx.Done():
		return from, ctx.Err()
	}
}

func TestHistoryIsMergedByTimeAndKeepsEachPartitionsOrder(t *testing.T) {
	t.Parallel()
	m := newMemory(3)
	for i := range 200 { // partition 1 has times that go back; partition 2 is empty
		m.append(0, int64(10*i), "a", fmt.Sprintf("a%d", i))
		m.append(1, int64(10*i+5-30*(i%2)), "b", fmt.Sprintf("b%d", i))
	}
	var got []string
	newest := map[int]int64{}
	err := Follow(context.Background(), m, Options{}, func(r *Record) error {
		if r.Offset != newest[r.Partition] {
			t.Errorf("partition %d: offset %d, want %d", r.Partition, r.Offset, newest[r.Partition])
		}
		newest[r.Partition]++
		got = append(got, string(r.Value))
		return nil
	})
	if err != nil || len(got) != 400 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	if diff := cmp.Diff([]string{"a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"}, got[:8]); diff != "" {
		t.Error(diff)
	}
}

func TestWhatComesIsShownAfterWhatWasThere(t *testing.T) {
	t.Parallel()
	m := newMemory(2)
	m.append(0, 1, "a", "old")
	ctx, cancel := context.WithCancel(context.Background())
	var got []string
	err := Follow(ctx, m, Options{Follow: true}, func(r *Record) error {
		got = append(got, string(r.Value))
		switch len(got) {
		case 1:
			m.append(1, 2, "b", "new 1")
		case 2:
			m.append(0, 3, "a", "new 2")
		case 3:
			cancel()
		}
		return nil
	})
	if diff := cmp.Diff([]string{"old", "new 1", "new 2"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestFollowEndsAsAsked(t *testing.T) {
	t.Parallel()
	m := newMemory(2)
	for i := range 10 {
		m.append(i%2, int64(i), []string{"a", "b", "c"}[i%3], fmt.Sprint(i))
	}
	show := func(o Options) []string {
		var got []string
		if err := Follow(context.Background(), m, o, func(r *Record) error {
			got = append(got, string(r.Value))
			return nil
		}); err != nil {
			t.Error(err)
		}
		return got
	}
	for name, c := range map[string]struct {
		o    Options
		want []string
	}{
		"a count":        {Options{Count: 3, Follow: true}, []string{"0", "1", "2"}},
		"a group":        {Options{Groups: []string{"b"}}, []string{"1", "4", "7"}},
		"two groups":     {Options{Groups: []string{"b", "c"}, Count: 3}, []string{"1", "2", "4"}},
		"from an offset": {Options{From: topic.Offset(4)}, []string{"8", "9"}},
		"from a time":    {Options{From: topic.At(time.Unix(7, 0))}, []string{"7", "8", "9"}},
		"from the end":   {Options{From: topic.Latest()}, nil},
	} {
		if diff := cmp.Diff(c.want, show(c.o)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestFailuresEndFollowing(t *testing.T) {
	t.Parallel()
	m := newMemory(2)
	m.append(0, 1, "a", "x")
	full := errors.New("no space")
	if err := Follow(context.Background(), m, Options{}, func(*Record) error { return full }); !errors.Is(err, full) {
		t.Errorf("emit's error became %v", err)
	}
	m.failure = errors.New("nobody there")
	if err := Follow(context.Background(), m, Options{Follow: true}, nil); !errors.Is(err, m.failure) {
		t.Errorf("the source's error became %v", err)
	}
}

// newRecord makes a record of a callback's body.
func newRecord(t *testing.T, body string, order schema.Order, hole schema.Hole) *Record {
	t.Helper()
	e, err := schema.Normalize(schema.Request{AppID: 1, ReceivedAt: time.UnixMilli(1760000000500)}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	value, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Record{Partition: 2, Record: publisher.Record{Offset: 7, Time: e.RecordTime(), Key: []byte(e.Group.ID), Value: value}}
	for _, h := range e.Headers(order, hole) {
		r.Headers = append(r.Headers, publisher.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

func TestLinesSayWhatHappened(t *testing.T) {
	t.Parallel()
	text := func(s string) string {
		return `{"GroupId":"room 7","From_Account":"anna","MsgSeq":7,"MsgTime":1760000000,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"` + s + `"}}]}`
	}
	at := time.Unix(1760000000, 0).UTC()
	for _, c := range []struct {
		body  string
		order schema.Order
		hole  schema.Hole
		want  Line
	}{
		{text("hi"), schema.InOrder, schema.Hole{}, Line{Time: at, Group: "room 7", Number: "#7", Sender: "anna", Text: "hi"}},
		{text("hi"), schema.AfterHole, schema.Hole{From: 5, To: 6}, Line{Time: at, Group: "room 7", Number: "#7", Mark: "hole 5-6", Sender: "anna", Text: "hi"}},
		{text("hi"), schema.AfterHole, schema.Hole{From: 6, To: 6}, Line{Time: at, Group: "room 7", Number: "#7", Mark: "hole 6", Sender: "anna", Text: "hi"}},
		{text("hi"), schema.Late, schema.Hole{}, Line{Time: at, Group: "room 7", Number: "#7", Mark: "▲late", Sender: "anna", Text: "hi"}},
		{text("hi"), schema.Reset, schema.Hole{}, Line{Time: at, Group: "room 7", Number: "#7", Mark: "reset", Sender: "anna", Text: "hi"}},
		{
			`{"GroupId":"c","TopicId":"c@TOPIC#_x","MsgSeq":0,"MsgTime":1760000000}`, schema.Unsequenced, schema.Hole{},
			Line{Time: at, Group: "c/@TOPIC#_x", Number: "-", Text: "[empty]"},
		},
		{
			`{"GroupId":"g","MsgSeq":1,"MsgTime":1760000000,"MsgBody":[{"MsgType":"TIMFaceElem","MsgContent":{"Index":1}},` +
				`{"MsgType":"TIMCustomElem","MsgContent":{"Data":"{\n\"a\":1}"}},{"MsgType":"TIMNewElem","MsgContent":{}}]}`,
			schema.InOrder, schema.Hole{}, Line{Time: at, Group: "g", Number: "#1", Text: `[face] [custom: { "a":1}] [other: TIMNewElem]`},
		},
	} {
		if diff := cmp.Diff(c.want, Describe(newRecord(t, c.body, c.order, c.hole))); diff != "" {
			t.Errorf("%s: %s", c.body, diff)
		}
	}
}

// What strangers wrote must not reach a terminal as a command.
func TestLinesAreHarmless(t *testing.T) {
	t.Parallel()
	for _, nasty := range []string{"\x1b[2Jgone", "a\r\nb", "tab\there", "\u009b31m", "\u202eevil\u2066", "bell\a", "\x7f", "\u2028new"} {
		name, err := json.Marshal("x" + nasty)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"GroupId":%s,"TopicId":%s,"From_Account":%s,"MsgSeq":1,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":%s}},`+
			`{"MsgType":%s,"MsgContent":{}}]}`, name, name, name, name, name)
		line := Describe(newRecord(t, body, schema.InOrder, schema.Hole{}))
		r := newRecord(t, body, schema.InOrder, schema.Hole{})
		r.Value = append([]byte(nasty), r.Value...)
		fault := Describe(r)
		if line.Fault != "" || fault.Fault == "" {
			t.Fatalf("%+v, %+v", line, fault)
		}
		for _, clean := range []string{line.Group, line.Sender, line.Text, fault.Fault} {
			for _, r := range clean {
				if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x202e || r == 0x2066 {
					t.Errorf("%q became %q", nasty, clean)
				}
			}
		}
	}
	const kept = "送礼物 🎁 👨\u200d👩\u200d👧 café"
	if got := Clean(kept); got != kept {
		t.Errorf("%q became %q", kept, got)
	}
}

func TestJSONHoldsTheWholeRecord(t *testing.T) {
	t.Parallel()
	r := newRecord(t, `{"GroupId":"<g>","MsgSeq":1,"MsgTime":1760000000}`, schema.Late, schema.Hole{})
	var out bytes.Buffer
	if err := WriteJSON(&out, r); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Partition int
		Offset    int64
		Time      time.Time
		Key       string
		Headers   map[string]string
		Value     struct{ Schema string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Partition != 2 || got.Offset != 7 || got.Key != "<g>" || got.Headers["chatbridge-order"] != "late" ||
		got.Value.Schema != schema.Name || !got.Time.Equal(r.Time) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%+v\n%s", got, out.String())
	}
	r.Value = []byte("{not JSON")
	out.Reset()
	if err := WriteJSON(&out, r); err != nil || !strings.Contains(out.String(), `"value_base64":"e25vdCBKU09O"`) {
		t.Errorf("%v, %s", err, out.String())
	}
}

func TestShortenCountsCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{{"", ""}, {"abcd", "abcd"}, {"abcde", "abc…"}, {"送礼物🎁", "送礼物🎁"}, {"送礼物🎁!", "送礼物…"}} {
		if got := Shorten(c.in, 4); got != c.want {
			t.Errorf("%q became %q", c.in, got)
		}
	}
}

// What comes into partitions that are added is shown, and so is what comes into a
// topic that was made anew, also with fewer partitions.
func TestATopicThatChangesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(2)
		m.append(1, 1, "a", "before")
		ctx, cancel := context.WithCancel(t.Context())
		shown := make(chan string)
		done := make(chan error)
		go func() {
			done <- Follow(ctx, m, Options{Follow: true}, func(r *Record) error { shown <- string(r.Value); return nil })
		}()
		expect := func(want string) {
			t.Helper()
			if got := <-shown; got != want {
				t.Errorf("%q is shown, want %q", got, want)
			}
		}
		expect("before")
		synctest.Wait() // it waits for more
		m.change(4, false)
		m.append(3, 2, "b", "in an added partition")
		expect("in an added partition")
		synctest.Wait()
		m.change(1, true)
		synctest.Wait()
		m.append(0, 3, "c", "in the new topic")
		expect("in the new topic")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
