package relay

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/chatbridge/chatbridge/publisher"
)

// A group that sends what no topic takes does not flood the log: within a minute, here
// one in which time stands, there is one line about all of its dead letters. Each of
// them is in the topic, all the same.
func TestManyLargeLettersAreOneLine(t *testing.T) {
	r := newRig(t, 1, smallTopics())
	now := time.Now()
	core, logs := observer.New(zapcore.WarnLevel)
	r.config = func(o *Options) {
		o.Logger = zap.New(core)
		o.Now = func() time.Time { return now }
	}
	const letters = 7
	for seq := range letters {
		r.append(large("g", seq+1))
	}
	r.drain()
	got := 0
	r.read(testDeadTopic, func(int, *publisher.Record) { got++ })
	if got != letters {
		t.Errorf("%d dead letters; want %d", got, letters)
	}
	lines := logs.FilterMessage("a dead letter is too large for its topic; it goes there cut and is kept whole in a file").All()
	if len(lines) != 1 {
		t.Errorf("%d lines about it, in all: %v", len(lines), logs.All())
	}
}
