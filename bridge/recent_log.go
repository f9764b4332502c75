package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/chatbridge/chatbridge/bridge/ops"
)

// entryCore is a core of zap that keeps the last entries.
type entryCore struct {
	zapcore.LevelEnabler
	fields []zapcore.Field
	ring   *ring[ops.Entry]
}

// With implements zapcore.Core.
func (c *entryCore) With(fields []zapcore.Field) zapcore.Core {
	return &entryCore{c.LevelEnabler, append(c.fields[:len(c.fields):len(c.fields)], fields...), c.ring}
}

// Check implements zapcore.Core.
func (c *entryCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *entryCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(values)
	}
	var text []string
	for _, key := range slices.Sorted(maps.Keys(values.Fields)) {
		text = append(text, fmt.Sprintf("%s=%v", key, values.Fields[key]))
	}
	c.ring.add(ops.Entry{
		At: e.Time, Level: e.Level.String(), Part: e.LoggerName, Message: e.Message, Fields: strings.Join(text, " "),
	})
	return nil
}

// Sync implements zapcore.Core.
func (c *entryCore) Sync() error { return nil }
