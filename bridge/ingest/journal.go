package ingest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
	"github.com/chatbridge/chatbridge/schema"
)

// journal writes what happened to requests: of each outcome the first, then at
// most one a minute. A flood costs counters, not lines. A line says how many were
// left out since the one before. It knows neither path nor body nor token.
type journal struct {
	log     *zap.Logger
	now     func() time.Time
	limits  [outcomes]loglimit.Limit
	panics  loglimit.Limit
	library loglimit.Limit // of what net/http itself says
	path    string
}

// answered writes down one answer that was not OK. peer is its address, asked
// for only when the line is written.
func (j *journal) answered(v *verdict, peer func() string) {
	omitted, ok := j.limits[v.outcome].Pass(j.now())
	if !ok {
		return
	}
	r := v.outcome.rule()
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
	switch {
	case v.outcome == Unreadable:
		j.log.Warn("callback not understood, stored for the dead-letter topic", fields...)
	case r.status >= 500:
		j.log.Error("callback not stored", fields...)
	default:
		j.log.Warn("callback refused", fields...)
	}
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
	omitted, ok := j.panics.Pass(j.now())
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
	if omitted, ok := j.library.Pass(j.now()); ok {
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
		if n := j.limits[i].Rest(); n > 0 {
			j.log.Warn("callbacks refused, not logged one by one",
				zap.String("outcome", Outcome(i).String()), zap.Int64("omitted", n))
		}
	}
}
