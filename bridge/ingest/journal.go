package ingest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chatbridge/chatbridge/schema"
)

// journal writes what happened to requests, and at most one line a second for
// each outcome: a flood costs counters, not lines. The line says how many were
// left out since the one before. It knows neither path nor body nor token.
type journal struct {
	log     *zap.Logger
	now     func() time.Time
	limits  [outcomes]limit
	panics  limit
	library limit // of what net/http itself says
	path    string
}

// limit lets one line a second through.
type limit struct {
	second  atomic.Int64 // of the last line, Unix
	omitted atomic.Int64 // since then
}

// take reports whether a line may be written, and how many were left out before it.
func (l *limit) take(now int64) (omitted int64, ok bool) {
	last := l.second.Load()
	if now == last || !l.second.CompareAndSwap(last, now) {
		l.omitted.Add(1)
		return 0, false
	}
	return l.omitted.Swap(0), true
}

// answered writes down one answer that was not OK. peer is its address, asked
// for only when the line is written.
func (j *journal) answered(v *verdict, peer func() string) {
	omitted, ok := j.limits[v.outcome].take(j.now().Unix())
	if !ok {
		return
	}
	r := v.outcome.rule()
	level, message := zapcore.WarnLevel, "callback refused"
	switch {
	case v.outcome == Unreadable:
		message = "callback not understood, stored for the dead-letter topic"
	case r.status >= 500:
		level, message = zapcore.ErrorLevel, "callback not stored"
	}
	entry := j.log.Check(level, message)
	if entry == nil {
		return
	}
	fields := []zap.Field{
		zap.String("outcome", r.name), zap.Int("status", r.status), zap.String("why", v.why()),
		zap.String("peer", peer()), zap.Int64("omitted", omitted),
	}
	if v.appID != 0 {
		fields = append(fields, zap.Uint64("app_id", v.appID))
	}
	if v.err != nil && r.status >= 500 {
		fields = append(fields, zap.Error(v.err))
	}
	entry.Write(fields...)
}

// why is the sentence for the log. Of a body that is not understood it is the
// reason's code: the sentence of the answer may quote the body.
func (v *verdict) why() string {
	var unreadable *schema.UnreadableError
	switch {
	case errors.As(v.err, &unreadable):
		return string(unreadable.Reason)
	case v.sentence != "":
		return v.sentence
	default:
		return v.outcome.rule().sentence
	}
}

// panicked writes down a fault of this program. It runs where the panic is recovered.
func (j *journal) panicked(fault any) {
	omitted, ok := j.panics.take(j.now().Unix())
	if !ok {
		return
	}
	// Of the value only what cannot hold a callback's text.
	what := fmt.Sprintf("%T", fault)
	if err, ok := fault.(runtime.Error); ok {
		what = err.Error()
	}
	j.log.Error("panic while receiving a callback",
		zap.String("panic", what), zap.ByteString("stack", debug.Stack()), zap.Int64("omitted", omitted))
}

// Write takes net/http's own log lines. None is known to hold a path; should one
// come to, the path is taken out.
func (j *journal) Write(line []byte) (int, error) {
	if omitted, ok := j.library.take(j.now().Unix()); ok {
		text := strings.TrimSpace(string(line))
		if len(j.path) > 1 {
			text = strings.ReplaceAll(text, j.path, "<http.path>")
		}
		j.log.Warn("http server", zap.String("text", text), zap.Int64("omitted", omitted))
	}
	return len(line), nil
}

// flush writes how many lines were left out and not yet told.
func (j *journal) flush() {
	for i := range j.limits {
		if n := j.limits[i].omitted.Swap(0); n > 0 {
			j.log.Warn("callbacks refused, not logged one by one",
				zap.String("outcome", Outcome(i).String()), zap.Int64("omitted", n))
		}
	}
}
