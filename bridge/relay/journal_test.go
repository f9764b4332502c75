package relay

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
)

func newTestBuffer(int) *buffer { return resequence.New[*outgoing](resequence.Config{}) }

func replayEntries(t *testing.T, entries ...[]byte) *restored {
	t.Helper()
	r, err := restore(func(fn func([]byte) error) error {
		for _, e := range entries {
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	}, newTestBuffer)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func decisionAt(p spool.Position, seq uint64) decision {
	return decision{position: p, fact: resequence.Fact{
		Key: resequence.Key{1}, ID: resequence.ID{byte(p), byte(seq)}, Seq: seq, MsgTime: 1700000000,
		Verdict: resequence.AfterHole, HoleFrom: seq - 1, HoleTo: seq - 1,
	}}
}

func positionsOf(ds []decision) []spool.Position {
	var ps []spool.Position
	for _, d := range ds {
		ps = append(ps, d.position)
	}
	return ps
}

var testLayout = layout{partitions: 2, topic: "t"}

// P4: a batch that was announced and not settled is known with its identity and
// its boundaries.
func TestAnAnnouncedBatchIsPendingUntilSettled(t *testing.T) {
	id := publisher.Identity{ProducerID: 77, Epoch: 1, Sequence: 40}
	batch := []decision{decisionAt(5, 10), decisionAt(4, 11), decisionAt(9, 12)}
	r := replayEntries(t,
		appendLayout(nil, testLayout),
		appendLane(nil, 1, 4, 100),
		appendIntent(nil, 1, id, batch),
	)
	l := &r.lanes[1]
	if l.pending == nil || *l.pending != id {
		t.Fatalf("pending = %v; want %v", l.pending, id)
	}
	if diff := cmp.Diff(batch, l.decided, cmp.AllowUnexported(decision{})); diff != "" {
		t.Errorf("decided differs (-want +got):\n%s", diff)
	}
	r = replayEntries(t,
		appendLayout(nil, testLayout),
		appendLane(nil, 1, 4, 100),
		appendIntent(nil, 1, id, batch),
		appendSettled(nil, 1, id, 103),
	)
	l = &r.lanes[1]
	if l.pending != nil || len(l.decided) != 0 || l.next != 103 || l.finished.count() != 3 {
		t.Errorf("after settled: pending %v, %d decided, next %d, %d finished; want none, 0, 103, 3",
			l.pending, len(l.decided), l.next, l.finished.count())
	}
}

// A Rewrite may hold what an entry after it says again: nothing changes.
func TestEntriesAreIdempotent(t *testing.T) {
	id := publisher.Identity{ProducerID: 7, Sequence: 3}
	batch := []decision{decisionAt(3, 1), decisionAt(6, 2)}
	rest := []decision{decisionAt(8, 3)}
	entries := [][]byte{
		appendLayout(nil, testLayout),
		appendLane(nil, 0, 3, 50),
		appendFinished(nil, 0, []spool.Position{4, 5}),
		appendDecided(nil, 0, append(batch[:2:2], rest...)),
		appendIntent(nil, 0, id, batch),
		appendIntent(nil, 0, id, batch), // said again
		appendFinished(nil, 0, []spool.Position{5}),
	}
	l := &replayEntries(t, entries...).lanes[0]
	if diff := cmp.Diff([]spool.Position{3, 6, 8}, positionsOf(l.decided)); diff != "" {
		t.Errorf("decided differs (-want +got):\n%s", diff)
	}
	if l.finished.count() != 2 {
		t.Errorf("%d finished; want 2", l.finished.count())
	}
	settled := append(entries, appendSettled(nil, 0, id, 52), appendSettled(nil, 0, id, 52))
	l = &replayEntries(t, settled...).lanes[0]
	if diff := cmp.Diff([]spool.Position{8}, positionsOf(l.decided)); diff != "" {
		t.Errorf("decided after settled differs (-want +got):\n%s", diff)
	}
}

// A refused batch is halved: each half is announced under the same identity,
// and only what it lists is settled by it.
func TestAHalvedBatchSettlesOnlyItsHalf(t *testing.T) {
	id := publisher.Identity{ProducerID: 7, Sequence: 3}
	whole := []decision{decisionAt(3, 1), decisionAt(4, 2), decisionAt(5, 3), decisionAt(6, 4)}
	l := &replayEntries(t,
		appendLayout(nil, testLayout),
		appendLane(nil, 0, 3, 50),
		appendIntent(nil, 0, id, whole),
		appendIntent(nil, 0, id, whole[:2]),
		appendSettled(nil, 0, id, 52),
	).lanes[0]
	if diff := cmp.Diff([]spool.Position{5, 6}, positionsOf(l.decided)); diff != "" {
		t.Errorf("decided differs (-want +got):\n%s", diff)
	}
	if l.pending != nil {
		t.Errorf("pending = %v; want none", l.pending)
	}
}

func TestWhatIsBelowTheLowMarkIsForgotten(t *testing.T) {
	l := &replayEntries(t,
		appendLayout(nil, testLayout),
		appendFinished(nil, 0, []spool.Position{4, 5, 90}),
		appendLane(nil, 0, 80, 50),
	).lanes[0]
	if l.finished.count() != 1 || l.low != 80 {
		t.Errorf("%d finished above low %d; want 1 above 80", l.finished.count(), l.low)
	}
}

func TestUnknownEntriesAreRefusedWithAReason(t *testing.T) {
	for name, entries := range map[string][][]byte{
		"empty":             {{}},
		"no layout":         {appendLane(nil, 0, 1, 2)},
		"lane out of range": {appendLayout(nil, testLayout), appendLane(nil, 2, 1, 2)},
		"unknown kind":      {appendLayout(nil, testLayout), {200, 0}},
		"cut short":         {appendLayout(nil, testLayout), appendIntent(nil, 0, publisher.Identity{}, []decision{decisionAt(1, 2)})[:20]},
		"absurd count":      {appendLayout(nil, testLayout), {byte(entryFinished), 0, 0xff, 0xff, 0xff, 0x7f}},
		"other version":     {{byte(entryLayout), 9, 1, 0}},
		"no partitions":     {{byte(entryLayout), journalVersion, 0, 0}},
	} {
		_, err := restore(func(fn func([]byte) error) error {
			for _, e := range entries {
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		}, newTestBuffer)
		if !errors.Is(err, errEntry) {
			t.Errorf("%s: restore = %v; want %v", name, err, errEntry)
		}
	}
}

// FuzzEntry: no entry panics or allocates out of proportion.
func FuzzEntry(f *testing.F) {
	f.Add(appendLayout(nil, testLayout))
	f.Add(appendLane(nil, 1, 5, -1))
	f.Add(appendIntent(nil, 0, publisher.Identity{ProducerID: 1}, []decision{decisionAt(1, 2)}))
	f.Add(appendSettled(nil, 1, publisher.Identity{}, 9))
	f.Add(appendFinished(nil, 1, []spool.Position{1, 2, 9}))
	f.Add(appendStream(nil, 1, resequence.Key{2}, []byte{1, 2}))
	f.Fuzz(func(t *testing.T, entry []byte) {
		if len(entry) > 1 && entryKind(entry[0]) == entryLayout {
			return // a layout may ask for many lanes; its bound is tested above
		}
		r := &restored{newBuffer: newTestBuffer}
		if err := r.apply(appendLayout(nil, testLayout)); err != nil {
			t.Fatal(err)
		}
		_ = r.apply(entry)
	})
}
