package audit

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/ledger"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

var ( //nolint:gochecknoglobals // names that the tests share; nobody changes them
	alpha   = schema.Stream{AppID: testApp, GroupID: "alpha"}
	general = schema.Stream{AppID: testApp, GroupID: "@TGS#_@TGS#cCOMMUNITY", TopicID: "@TGS#_@TGS#cCOMMUNITY@TOPIC#_general"}
	random  = schema.Stream{AppID: testApp, GroupID: "@TGS#_@TGS#cCOMMUNITY", TopicID: "@TGS#_@TGS#cCOMMUNITY@TOPIC#_random"}
	room    = schema.Stream{AppID: testApp, GroupID: "room 7/#east"}
	others  = schema.Stream{AppID: testApp, GroupID: "of another sender"}
)

// write publishes messages as a text says: 7 in order, 7:5-6 after a hole, 7L
// late, 7R reset, 0 without a number, 7- dropped by the sender, 7? unanswered and
// not arrived.
func (m *topicModel) write(t testing.TB, s schema.Stream, text string) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		digits := strings.TrimRight(word, "LR-?")
		digits, span, isAfterHole := strings.Cut(digits, ":")
		seq, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case isAfterHole:
			from, to, _ := strings.Cut(span, "-")
			first, err1 := strconv.ParseUint(from, 10, 64)
			last, err2 := strconv.ParseUint(to, 10, 64)
			if err1 != nil || err2 != nil {
				t.Fatalf("hole %q", span)
			}
			m.publish(t, m.event(t, s, seq), schema.AfterHole, schema.Hole{From: first, To: last})
		case strings.HasSuffix(word, "L"):
			m.publish(t, m.event(t, s, seq), schema.Late, schema.Hole{})
		case strings.HasSuffix(word, "R"):
			m.publish(t, m.event(t, s, seq), schema.Reset, schema.Hole{})
		case strings.HasSuffix(word, "-"):
			m.line(ledger.Dropped, s, seq, 0)
		case strings.HasSuffix(word, "?"):
			m.stored(m.event(t, s, seq))
			m.lines[len(m.lines)-1].Kind = ledger.Unanswered
		case seq == 0:
			m.publish(t, m.event(t, s, 0), schema.Unsequenced, schema.Hole{})
		default:
			m.publish(t, m.event(t, s, seq), schema.InOrder, schema.Hole{})
		}
	}
}

// healthy is a topic and a ledger of everything that may happen without harm.
func healthy(t testing.TB, partitions int) *topicModel {
	t.Helper()
	m := newTopicModel(partitions)
	for _, s := range []schema.Stream{alpha, general, random, room} {
		m.line(ledger.Reserved, s, 1, 64)
	}
	m.write(t, alpha, "1 2 3 4 5- 6- 7:5-6 8 9 11:10-10 12 10L 13 14 15")
	m.write(t, general, "1 0 2 3 4? 5:4-4 6 7 8 9-")
	m.write(t, random, "1- 2- 3 4 5 2? 0 6 7")
	m.write(t, room, "1 2 3 4 5 6 7 8 9 10")
	before := len(m.lines)
	m.write(t, others, "7 8 9 20:10-19 1L 2R 3 4 19L 5")
	m.lines = m.lines[:before]
	return m
}

// A damage does one thing to a healthy topic; an audit must find exactly want.
type damage struct {
	name string
	do   func(t testing.TB, m *topicModel)
	want map[Verdict]uint64
}

// found is what an audit is to find.
type found = map[Verdict]uint64

func damages() []damage {
	return slices.Concat(missingDamages(), doublingDamages(), placeDamages(), holeMarkDamages(),
		orderMarkDamages(), contentDamages(), ledgerDamages())
}

func missingDamages() []damage {
	return []damage{
		{"nothing", func(testing.TB, *topicModel) {}, found{}},
		{"a record is missing", func(t testing.TB, m *topicModel) { m.remove(t, room, 5) }, found{Lost: 1, UnmarkedGap: 1}},
		{"the last record is missing", func(t testing.TB, m *topicModel) { m.remove(t, room, 10) }, found{Lost: 1}},
		{"the record before a hole is missing", func(t testing.TB, m *topicModel) { m.remove(t, alpha, 4) }, found{Lost: 1, UnmarkedGap: 1}},
		{"more records of one stream are missing than are remembered", func(t testing.TB, m *topicModel) {
			for seq := uint64(12); seq <= 12+2*maxGaps+20; seq += 2 {
				m.publish(t, m.event(t, room, seq), schema.InOrder, schema.Hole{})
				m.line(ledger.Dropped, room, seq-1, 0)
			}
		}, found{UnmarkedGap: maxGaps + 11}},
		{"a late record is missing", func(t testing.TB, m *topicModel) { m.remove(t, alpha, 10) }, found{Lost: 1}},
		{"a record is missing and marked as a hole", func(t testing.TB, m *topicModel) {
			m.remove(t, room, 5)
			setHeader(m.record(t, room, 6), schema.HeaderOrder, "after-hole")
			setHeader(m.record(t, room, 6), schema.HeaderHole, "5-5")
		}, found{Lost: 1}},
	}
}

func doublingDamages() []damage {
	return []damage{
		{"a record is there twice in a row", func(t testing.TB, m *topicModel) {
			p, i := m.at(t, room, 5)
			m.insert(p, i, *m.record(t, room, 5))
		}, found{Doubled: 1}},
		{"a record is there again at the end", func(t testing.TB, m *topicModel) {
			p, _ := m.at(t, room, 5)
			m.insert(p, len(m.partitions[p]), *m.record(t, room, 5))
		}, found{Doubled: 1}},
		{"a record is there again before its place", func(t testing.TB, m *topicModel) {
			p, i := m.at(t, room, 3)
			m.insert(p, i, *m.record(t, room, 8))
		}, found{Doubled: 1}},
		{"an unsequenced record is there three times", func(t testing.TB, m *topicModel) {
			p, i := m.at(t, general, 0)
			r := *m.record(t, general, 0)
			m.insert(p, i, r)
			m.insert(p, i, r)
		}, found{Doubled: 2}},
		{"a record is there again in another partition", func(t testing.TB, m *topicModel) {
			p, _ := m.at(t, room, 5)
			m.insert((p+1)%len(m.partitions), 0, *m.record(t, room, 5))
		}, found{Doubled: 1, WrongPartition: 1}},
	}
}

func placeDamages() []damage {
	return []damage{
		{"two neighbours changed places", func(t testing.TB, m *topicModel) {
			p, i := m.at(t, room, 5)
			_, j := m.at(t, room, 6)
			m.partitions[p][i], m.partitions[p][j] = m.partitions[p][j], m.partitions[p][i]
		}, found{OutOfOrder: 1}},
		{"the record after a hole comes one too late", func(t testing.TB, m *topicModel) {
			p, i := m.at(t, alpha, 7)
			_, j := m.at(t, alpha, 8)
			m.partitions[p][i], m.partitions[p][j] = m.partitions[p][j], m.partitions[p][i]
		}, found{OutOfOrder: 1}},
		{"a record moved to a wrong partition", func(t testing.TB, m *topicModel) {
			p, _ := m.at(t, room, 5)
			r := m.remove(t, room, 5)
			m.insert((p+1)%len(m.partitions), 0, r)
		}, found{WrongPartition: 1}},
		{"a record has a wrong key", func(t testing.TB, m *topicModel) {
			m.record(t, room, 5).Key = []byte("room 8")
		}, found{WrongKey: 1}},
		{"a record has no key", func(t testing.TB, m *topicModel) { m.record(t, room, 5).Key = nil }, found{WrongKey: 1}},
	}
}

func holeMarkDamages() []damage {
	return []damage{
		{"a hole mark names too much", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, alpha, 7), schema.HeaderHole, "4-6")
		}, found{WrongMark: 1}},
		{"a hole mark ends at the wrong place", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, alpha, 7), schema.HeaderHole, "5-5")
		}, found{WrongMark: 1}},
		{"a hole mark names too little", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, alpha, 7), schema.HeaderHole, "6-6")
		}, found{UnmarkedGap: 1}},
		{"a hole mark where nothing is missing", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderOrder, "after-hole")
			setHeader(m.record(t, room, 5), schema.HeaderHole, "4-4")
		}, found{WrongMark: 1}},
		{"a hole mark is missing", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, alpha, 7), schema.HeaderOrder, "in-order")
			removeHeader(m.record(t, alpha, 7), schema.HeaderHole)
		}, found{UnmarkedGap: 1}},
		{"after a hole, but not which", func(t testing.TB, m *topicModel) {
			removeHeader(m.record(t, alpha, 7), schema.HeaderHole)
		}, found{WrongMark: 1}},
	}
}

func orderMarkDamages() []damage {
	return []damage{
		{"a late mark is missing", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, alpha, 10), schema.HeaderOrder, "in-order")
		}, found{OutOfOrder: 1}},
		{"a late mark where nothing is late", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderOrder, "late")
		}, found{WrongMark: 1}},
		{"a reset mark where nothing is reset", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderOrder, "reset")
		}, found{WrongMark: 1}},
		{"a reset mark is missing", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, others, 2), schema.HeaderOrder, "late")
		}, found{OutOfOrder: 3}}, // 3, 4 and 5 are below 20 then
		{"a numbered record claims to have no number", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderOrder, "unsequenced")
		}, found{WrongMark: 1}},
	}
}

func contentDamages() []damage {
	return []damage{
		{"a foreign record", func(t testing.TB, m *topicModel) {
			m.insert(1, 3, publisher.Record{Key: []byte("k"), Value: []byte(`{"hello":"world"}`), Time: m.record(t, room, 1).Time})
		}, found{Foreign: 1}},
		{"a value is not JSON", func(t testing.TB, m *topicModel) {
			r := m.record(t, room, 5)
			r.Value = r.Value[:len(r.Value)/2]
		}, found{Unreadable: 1}},
		{"a value is gone", func(t testing.TB, m *topicModel) { m.record(t, room, 5).Value = nil }, found{Unreadable: 1}},
		{"a value has another number", func(t testing.TB, m *topicModel) {
			r := m.record(t, room, 10)
			r.Value = []byte(strings.Replace(string(r.Value), `"seq":10`, `"seq":11`, 1))
		}, found{Mismatch: 1, Lost: 1, Invented: 1, UnmarkedGap: 1}}, // it has become another message
		{"a value has another id", func(t testing.TB, m *topicModel) {
			r, other := m.record(t, room, 5), m.record(t, room, 6)
			id, _ := header(r, schema.HeaderID)
			wrong, _ := header(other, schema.HeaderID)
			r.Value = []byte(strings.Replace(string(r.Value), id, wrong, 1))
		}, found{Mismatch: 1}},
		{"headers and value have the same wrong id", func(t testing.TB, m *topicModel) {
			r, other := m.record(t, room, 5), m.record(t, room, 6)
			id, _ := header(r, schema.HeaderID)
			wrong, _ := header(other, schema.HeaderID)
			r.Value = []byte(strings.Replace(string(r.Value), id, wrong, 1))
			setHeader(r, schema.HeaderID, wrong)
		}, found{Mismatch: 1}},
		{"a header has another id", func(t testing.TB, m *topicModel) {
			wrong, _ := header(m.record(t, room, 6), schema.HeaderID)
			setHeader(m.record(t, room, 5), schema.HeaderID, wrong)
		}, found{Mismatch: 1}},
		{"a header names another stream", func(t testing.TB, m *topicModel) {
			wrong, _ := header(m.record(t, alpha, 1), schema.HeaderSource)
			setHeader(m.record(t, room, 5), schema.HeaderSource, wrong)
		}, found{Mismatch: 1}},
		{"a header has another number", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderSequence, "0000000099")
		}, found{Mismatch: 1}},
		{"a header has another time", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderTime, "2025-10-09T08:53:25.678Z")
		}, found{Mismatch: 1}},
		{"a header has another time of receipt", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderRecordedTime, "2025-10-09T08:53:25.678Z")
		}, found{Mismatch: 1}},
		{"a header has a MsgId where the value has none", func(t testing.TB, m *topicModel) {
			setHeader(m.record(t, room, 5), schema.HeaderSubject, "144115200000000001-1760000000-1")
		}, found{Mismatch: 1}},
		{"a header is missing", func(t testing.TB, m *topicModel) {
			removeHeader(m.record(t, room, 5), schema.HeaderSource)
		}, found{Mismatch: 1}},
	}
}

func ledgerDamages() []damage {
	return []damage{
		{"a message that nobody sent, at the end", func(t testing.TB, m *topicModel) {
			m.write(t, room, "11")
			m.lines = m.lines[:len(m.lines)-1]
		}, found{Invented: 1}},
		{"a dropped number that is there", func(t testing.TB, m *topicModel) {
			m.write(t, alpha, "5L")
			m.lines = m.lines[:len(m.lines)-1]
		}, found{Invented: 1}},
		{"a hole that the sender knows nothing of", func(t testing.TB, m *topicModel) {
			m.write(t, room, "14:11-13 12-")
		}, found{UnexplainedHole: 2}},
	}
}

// The audit finds what was done to a topic, and nothing else (P9). The topics are
// real ones, on kfake, read as the command reads them.
func TestEachDamageIsFoundAsWhatItIs(t *testing.T) {
	t.Parallel()
	const partitions = 3
	cases := damages()
	names := make([]string, len(cases))
	for i := range cases {
		names[i] = "damage-" + strconv.Itoa(i)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, names...))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := publisher.New(publisher.Config{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for i, c := range cases {
		m := healthy(t, partitions)
		c.do(t, m)
		produce(t, producer, names[i], m)
		source := topic.New(client, names[i])
		report := mustAudit(t, source, Options{Ledger: m.ledgerFile(t, true)})
		if diff := cmp.Diff(c.want, verdicts(report)); diff != "" {
			t.Errorf("%s: %s\n%+v", c.name, diff, report.Findings)
		}
		if report.Clean != (len(c.want) == 0) {
			t.Errorf("%s: clean is %v", c.name, report.Clean)
		}
		// Without a ledger, all but what needs one is found too.
		for v := range c.want {
			if v.NeedsLedger() {
				delete(c.want, v)
			}
		}
		report = mustAudit(t, source, Options{})
		if diff := cmp.Diff(c.want, verdicts(report)); diff != "" {
			t.Errorf("%s, without a ledger: %s\n%+v", c.name, diff, report.Findings)
		}
	}
}

// produce writes a model's records as they are to a topic.
func produce(t testing.TB, producer *kgo.Client, name string, m *topicModel) {
	t.Helper()
	var records []*kgo.Record
	for p := range m.partitions {
		for _, r := range m.partitions[p] {
			record := &kgo.Record{Topic: name, Partition: int32(p), Key: r.Key, Value: r.Value, Timestamp: r.Time}
			for _, h := range r.Headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			records = append(records, record)
		}
	}
	if err := producer.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
