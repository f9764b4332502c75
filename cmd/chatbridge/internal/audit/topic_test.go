package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testApp = 1400000000

// A topicModel is a topic in memory, as a bridge would have written it until a
// test damages it. It is a Source.
type topicModel struct {
	partitions [][]publisher.Record
	lines      []ledger.Line // of its sender
	clock      int64         // seconds; each message is made one later
}

func newTopicModel(partitions int) *topicModel {
	return &topicModel{partitions: make([][]publisher.Record, partitions), clock: 1760000000}
}

// event makes the event of one message.
func (m *topicModel) event(t testing.TB, s schema.Stream, seq uint64) *schema.Event {
	t.Helper()
	m.clock++
	body := fmt.Sprintf(`{"CallbackCommand":%q,"GroupId":%q,"From_Account":"anna","Random":%d,"MsgTime":%d,"MsgSeq":%d,"OnlineOnlyFlag":%d,`+
		`"TopicId":%q,"EventTime":%d,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"message %d"}}]}`,
		schema.CommandAfterSend, s.GroupID, m.clock%977, m.clock, seq, b2i(seq == 0), s.TopicID, m.clock*1000+123, seq)
	e, err := schema.Normalize(schema.Request{
		AppID: s.AppID, Command: schema.CommandAfterSend, ReceivedAt: time.UnixMilli(m.clock*1000 + 150),
	}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// recordOf is the record that a bridge would write of an event.
func recordOf(t testing.TB, e *schema.Event, order schema.Order, hole schema.Hole) publisher.Record {
	t.Helper()
	value, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := publisher.Record{Time: e.RecordTime(), Key: []byte(e.Group.ID), Value: value}
	for _, h := range e.Headers(order, hole) {
		r.Headers = append(r.Headers, publisher.Header{Key: h.Key, Value: h.Value})
	}
	return r
}

// publish appends an event's record to its partition, and the sender's line to
// the ledger.
func (m *topicModel) publish(t testing.TB, e *schema.Event, order schema.Order, hole schema.Hole) {
	t.Helper()
	p := publisher.PartitionFor([]byte(e.Group.ID), len(m.partitions))
	m.partitions[p] = append(m.partitions[p], recordOf(t, e, order, hole))
	m.stored(e)
}

// stored writes that the event's message was answered OK.
func (m *topicModel) stored(e *schema.Event) {
	seq, _ := e.Sequence()
	m.lines = append(m.lines, ledger.Line{
		Kind: ledger.OK, App: e.AppID, Group: e.Group.ID, Topic: e.Group.TopicID, Seq: seq,
		Random: uint32(e.Message.Random.Value), MsgTime: e.Message.SentAt.Unix(), ID: e.ID, Attempts: 1,
	})
}

func (m *topicModel) line(kind ledger.Kind, s schema.Stream, seq, to uint64) {
	m.lines = append(m.lines, ledger.Line{Kind: kind, App: s.AppID, Group: s.GroupID, Topic: s.TopicID, Seq: seq, To: to})
}

// ledgerFile writes the sender's lines, with a run around them.
func (m *topicModel) ledgerFile(t testing.TB, ended bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	m.writeLedger(t, path, ended)
	return path
}

// writeLedger is ledgerFile at a path, which may be there already.
func (m *topicModel) writeLedger(t testing.TB, path string, ended bool) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	w, _, err := ledger.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all := []*ledger.Line{{Kind: ledger.Run, Seed: 1}}
	for i := range m.lines {
		all = append(all, &m.lines[i])
	}
	if ended {
		all = append(all, &ledger.Line{Kind: ledger.End})
	}
	if err := errors.Join(w.Append(all...), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// at returns where the record of a stream's number is; it is there once.
func (m *topicModel) at(t testing.TB, s schema.Stream, seq uint64) (partition, index int) {
	t.Helper()
	for p := range m.partitions {
		for i := range m.partitions[p] {
			f, _ := inspect(&m.partitions[p][i], nil)
			if f.known && f.stream == s && f.number == seq {
				return p, i
			}
		}
	}
	t.Fatalf("no record of %v number %d", s, seq)
	return 0, 0
}

func (m *topicModel) record(t testing.TB, s schema.Stream, seq uint64) *publisher.Record {
	t.Helper()
	p, i := m.at(t, s, seq)
	return &m.partitions[p][i]
}

func (m *topicModel) remove(t testing.TB, s schema.Stream, seq uint64) publisher.Record {
	t.Helper()
	p, i := m.at(t, s, seq)
	r := m.partitions[p][i]
	m.partitions[p] = slices.Delete(m.partitions[p], i, i+1)
	return r
}

func (m *topicModel) insert(partition, index int, r publisher.Record) {
	m.partitions[partition] = slices.Insert(m.partitions[partition], index, r)
}

func setHeader(r *publisher.Record, key, value string) {
	r.Headers = slices.Clone(r.Headers)
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			r.Headers[i].Value = []byte(value)
			return
		}
	}
	r.Headers = append(r.Headers, publisher.Header{Key: key, Value: []byte(value)})
}

func removeHeader(r *publisher.Record, key string) {
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h publisher.Header) bool { return h.Key == key })
}

// Partitions, Offsets, OffsetAt and Read make it a Source.
func (m *topicModel) Partitions(context.Context) (int, error) { return len(m.partitions), nil }

func (m *topicModel) Offsets(_ context.Context, p int) (start, end int64, err error) {
	return 0, int64(len(m.partitions[p])), nil
}

func (m *topicModel) OffsetAt(_ context.Context, p int, at time.Time) (int64, error) {
	for i := range m.partitions[p] {
		if !m.partitions[p][i].Time.Before(at) {
			return int64(i), nil
		}
	}
	return int64(len(m.partitions[p])), nil
}

func (m *topicModel) Read(_ context.Context, p int, from, to int64, fn func(*publisher.Record) error) error {
	for i := from; i < min(to, int64(len(m.partitions[p]))); i++ {
		r := m.partitions[p][i]
		r.Offset = i
		if err := fn(&r); err != nil {
			return err
		}
	}
	return nil
}

func mustAudit(t testing.TB, s Source, o Options) *Report {
	t.Helper()
	o.TempDir = t.TempDir()
	r, err := New(s, o).Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verdicts is a report's findings by verdict.
func verdicts(r *Report) map[Verdict]uint64 {
	found := map[Verdict]uint64{}
	for _, f := range r.Findings {
		found[f.Verdict] = f.Count
	}
	return found
}
