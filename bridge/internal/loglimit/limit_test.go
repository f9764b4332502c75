package loglimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestTheFirstLineLeavesAndThenOneAMinute(t *testing.T) {
	t.Parallel()
	at := time.Unix(1760000000, 0)
	var l Limit
	for _, step := range []struct {
		after   time.Duration
		omitted int64
		ok      bool
	}{
		{0, 0, true}, {0, 0, false}, {time.Second, 0, false}, {Each - time.Second - 1, 0, false}, {1, 3, true},
		{Each, 0, true}, {time.Second, 0, false}, {time.Hour, 1, true},
		{-2 * time.Hour, 0, true}, // the clock was set back
		{Each - 1, 0, false},
	} {
		at = at.Add(step.after)
		if omitted, ok := l.Pass(at); omitted != step.omitted || ok != step.ok {
			t.Errorf("at %v: %d, %v; want %d, %v", at, omitted, ok, step.omitted, step.ok)
		}
	}
	if n := l.Rest(); n != 1 {
		t.Errorf("the rest is %d; want 1", n)
	}
	if n := l.Rest(); n != 0 {
		t.Errorf("the rest is told twice: %d", n)
	}
}

func TestEveryLineIsCountedOnce(t *testing.T) {
	t.Parallel()
	const callers, calls = 8, 1000
	var l Limit
	var passed, omitted, minute atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				now := time.Unix(0, 0).Add(time.Duration(minute.Add(1)) * time.Second)
				if n, ok := l.Pass(now); ok {
					passed.Add(1)
					omitted.Add(n)
				}
			}
		})
	}
	wg.Wait()
	if all := passed.Load() + omitted.Load() + l.Rest(); all != callers*calls {
		t.Errorf("%d of %d are accounted for", all, callers*calls)
	}
}

func TestALineSaysHowManyWereLeftOut(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	log, at := zap.New(core), time.Unix(1760000000, 0)
	var warn, fail Limit
	for range 3 {
		warn.Warn(log, at, "a warning", zap.String("what", "it"))
		fail.Error(log, at, "an error")
	}
	at = at.Add(Each)
	warn.Warn(log, at, "a warning", zap.String("what", "it"))
	all := logs.All()
	if len(all) != 3 || all[1].Level != zapcore.ErrorLevel || all[2].ContextMap()["omitted"] != int64(2) || all[2].ContextMap()["what"] != "it" {
		t.Errorf("logged %v", all)
	}
}
