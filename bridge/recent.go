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
	recentRefusals = 64 // a power of two
	recentLetters  = 50
	recentEntries  = 100
	mostOfABody    = 64 << 10
)

// recent is what went wrong of late. A request that is refused writes one word
// of memory here; one that is taken, nothing.
type recent struct {
	since    time.Time
	content  bool // bodies are kept
	refusals [recentRefusals]atomic.Uint64
	refused  atomic.Uint64 // how many, ever
	lettered atomic.Uint64
	letters  ring[ops.Letter]
	entries  ring[ops.Entry]
}

func newRecent(since time.Time, content bool) *recent {
	return &recent{
		since: since, content: content,
		letters: ring[ops.Letter]{size: recentLetters}, entries: ring[ops.Entry]{size: recentEntries},
	}
}

// refusal is a refused request in one word: seconds since the start and one, the
// outcome, the bytes that were announced.
type refusal uint64

const (
	outcomeBits = 8
	bytesBits   = 24 // more than 16 MiB is 16 MiB
)

func newRefusal(after time.Duration, o ingest.Outcome, size int64) refusal {
	seconds := uint64(max(after, 0)/time.Second) + 1
	return refusal(seconds<<(outcomeBits+bytesBits) | uint64(o)<<bytesBits | uint64(min(max(size, 0), 1<<bytesBits-1)))
}

func (r refusal) open(since time.Time) ops.Refused {
	o := ingest.Outcome(r >> bytesBits & (1<<outcomeBits - 1))
	return ops.Refused{
		At:     since.Add(time.Duration(r>>(outcomeBits+bytesBits)-1) * time.Second),
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
	x := r.recent
	at := (x.refused.Add(1) - 1) % recentRefusals
	x.refusals[at].Store(uint64(newRefusal(r.now().Sub(x.since), o, size)))
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
	var e ops.Events
	n := x.refused.Load()
	for i := range min(n, recentRefusals) {
		if word := refusal(x.refusals[(n-1-i)%recentRefusals].Load()); word != 0 {
			e.Refused = append(e.Refused, word.open(x.since))
		}
	}
	e.Letters = x.letters.all()
	slices.Reverse(e.Letters)
	e.Log = x.entries.all()
	slices.Reverse(e.Log)
	return e
}
