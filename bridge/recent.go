package bridge

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chatbridge/chatbridge/bridge/ingest"
	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
)

// How much of what went wrong of late is kept for the operator.
const (
	recentRefusals = 16 // of each outcome; a power of two
	recentLetters  = 50
	recentEntries  = 100
	mostOfABody    = 64 << 10
)

// recent is what went wrong of late. A request that is refused writes one word
// of memory here; one that is taken, nothing. Each outcome has its own room, so that
// a scanner's requests do not push out what matters.
type recent struct {
	since    time.Time
	content  bool          // bodies are kept
	rings    []refusedRing // by outcome
	lettered atomic.Uint64
	letters  ring[ops.Letter]
	entries  ring[ops.Entry]
}

func newRecent(since time.Time, content bool) *recent {
	return &recent{
		since: since, content: content, rings: make([]refusedRing, len(ingest.Outcomes())),
		letters: ring[ops.Letter]{size: recentLetters}, entries: ring[ops.Entry]{size: recentEntries},
	}
}

// refusedRing is the last refused requests of one outcome.
type refusedRing struct {
	words [recentRefusals]atomic.Uint64
	n     atomic.Uint64 // how many, ever
}

func (f *refusedRing) add(r refusal) {
	f.words[(f.n.Add(1)-1)%recentRefusals].Store(uint64(r))
}

// refusal is a refused request in one word: milliseconds since the start and one,
// and the bytes that were announced. 0: none.
type refusal uint64

const bytesBits = 24 // more than 16 MiB is 16 MiB

func newRefusal(after time.Duration, size int64) refusal {
	at := uint64(max(after, 0)/time.Millisecond) + 1
	return refusal(at<<bytesBits | uint64(min(max(size, 0), 1<<bytesBits-1)))
}

func (r refusal) open(since time.Time, o ingest.Outcome) ops.Refused {
	return ops.Refused{
		At:     since.Add(time.Duration(r>>bytesBits-1) * time.Millisecond),
		Reason: o.String(), Bytes: int64(r & (1<<bytesBits - 1)),
	}
}

// observer lets the refused requests of an observer be seen.
func (x *recent) observer(o ingest.Observer, now func() time.Time) ingest.Observer {
	return refusing{o, x, now}
}

type refusing struct {
	ingest.Observer
	recent *recent
	now    func() time.Time
}

// Refused implements ingest.Refuser.
func (r refusing) Refused(o ingest.Outcome, size int64) {
	r.recent.rings[o].add(newRefusal(r.now().Sub(r.recent.since), size))
}

// relayHooks lets dead letters be seen.
func (x *recent) relayHooks(h relay.Hooks) relay.Hooks {
	next := h.DeadLettered
	h.DeadLettered = func(l relay.DeadLetter) {
		if next != nil {
			next(l)
		}
		kept := ops.Letter{Number: x.lettered.Add(1), At: l.ReceivedAt, Reason: string(l.Reason), Bytes: int64(len(l.Body))}
		if x.content {
			kept.Body = bytes.Clone(l.Body[:min(len(l.Body), mostOfABody)])
		}
		x.letters.add(kept)
	}
	return h
}

// watch lets the warnings and errors of a log be seen.
func (x *recent) watch(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewTee(core, &entryCore{LevelEnabler: zapcore.WarnLevel, ring: &x.entries})
	}))
}

// events are what is kept, the latest first.
func (x *recent) events() ops.Events {
	e := ops.Events{Refused: x.refused()}
	e.Letters = x.letters.all()
	slices.Reverse(e.Letters)
	e.Log = x.entries.all()
	slices.Reverse(e.Log)
	return e
}

// refused are the refused requests of all outcomes, the latest first.
func (x *recent) refused() (list []ops.Refused) {
	for o := range x.rings {
		f := &x.rings[o]
		n := f.n.Load()
		for i := range min(n, recentRefusals) {
			if r := refusal(f.words[(n-1-i)%recentRefusals].Load()); r != 0 {
				list = append(list, r.open(x.since, ingest.Outcome(o)))
			}
		}
	}
	slices.SortStableFunc(list, func(a, b ops.Refused) int { return b.At.Compare(a.At) })
	return list
}
