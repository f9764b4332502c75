package loglimit

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Each is how far apart the lines of one Limit are.
const Each = time.Minute

// Limit is one kind of line. The zero value is ready; many goroutines may use it.
type Limit struct {
	last    atomic.Int64 // when the last line left, Unix ns; 0 = none did
	omitted atomic.Int64 // since then
}

// Pass reports whether a line may leave now, and how many were left out before
// it. A clock that is set back does not silence it.
func (l *Limit) Pass(now time.Time) (omitted int64, ok bool) {
	last, at := l.last.Load(), now.UnixNano()
	passed := time.Duration(at - last)
	if last != 0 && passed >= 0 && passed < Each || !l.last.CompareAndSwap(last, at) {
		l.omitted.Add(1)
		return 0, false
	}
	return l.omitted.Swap(0), true
}

// Warn writes a warning, if one may leave.
func (l *Limit) Warn(log *zap.Logger, now time.Time, message string, fields ...zap.Field) {
	if omitted, ok := l.Pass(now); ok {
		log.Warn(message, append(fields, zap.Int64("omitted", omitted))...)
	}
}

// Error writes an error, if one may leave.
func (l *Limit) Error(log *zap.Logger, now time.Time, message string, fields ...zap.Field) {
	if omitted, ok := l.Pass(now); ok {
		log.Error(message, append(fields, zap.Int64("omitted", omitted))...)
	}
}

// Rest takes how many were left out and not told yet.
func (l *Limit) Rest() int64 { return l.omitted.Swap(0) }
