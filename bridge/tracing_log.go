package bridge

import (
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/loglimit"
)

// otelLog takes what OpenTelemetry's library says of itself. Left alone it writes it
// to standard error, together with whatever it could not read: a collector's key. Of
// its complaints the log has the constant part, which says what they are about.
type otelLog struct {
	log           *zap.Logger
	now           func() time.Time
	secrets       secrets
	complaintLine loglimit.Limit
}

// Handle implements otel.ErrorHandler.
func (l *otelLog) Handle(err error) { l.complain(l.secrets.strip(err.Error())) }

// Error implements logr.LogSink. The error and the values may repeat a setting.
func (l *otelLog) Error(_ error, text string, _ ...any) { l.complain(text) }

func (l *otelLog) complain(text string) {
	l.complaintLine.Warn(l.log, l.now(), "opentelemetry complains", zap.String("text", text))
}

// The rest of logr.LogSink: nobody needs what is no error.

// Init implements logr.LogSink.
func (*otelLog) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (*otelLog) Enabled(int) bool { return false }

// Info implements logr.LogSink.
func (*otelLog) Info(int, string, ...any) {}

// WithValues implements logr.LogSink.
func (l *otelLog) WithValues(...any) logr.LogSink { return l }

// WithName implements logr.LogSink.
func (l *otelLog) WithName(string) logr.LogSink { return l }

// secrets are what no line about the collector may hold, though a URL is part of most
// errors and a collector may answer with what it was sent.
type secrets []string

// mostOfComplaint bounds what a line repeats of what others say, in bytes.
const mostOfComplaint = 500

// strip makes a text of the library's or the collector's one that may be logged.
func (s secrets) strip(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, mask)
	}
	if len(text) <= mostOfComplaint {
		return text
	}
	return strings.ToValidUTF8(text[:mostOfComplaint], "") + " …"
}
