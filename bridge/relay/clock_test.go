package relay

import (
	"testing"
	"time"
)

func newTestClock(now *time.Time) *laneClock {
	return &laneClock{now: func() time.Time { return *now }}
}

// P3: a backlog is judged by its own times of receipt, not by the wall clock.
func TestLaneTimeFollowsTheBacklog(t *testing.T) {
	now := time.Unix(10_000, 0)
	c := newTestClock(&now)
	c.advance(int64(50 * time.Second))
	now = now.Add(time.Hour)
	if got, ticking := c.read(); got != int64(50*time.Second) || ticking {
		t.Fatalf("while a backlog is read, time = %v, ticking %v; want 50s, standing", time.Duration(got), ticking)
	}
}

func TestLaneTimeTicksOnceEverythingIsRead(t *testing.T) {
	now := time.Unix(10_000, 0)
	c := newTestClock(&now)
	c.advance(int64(50 * time.Second))
	if !c.tick() {
		t.Fatal("tick() = false for a standing clock")
	}
	if c.tick() {
		t.Fatal("tick() = true for a ticking clock")
	}
	now = now.Add(300 * time.Millisecond)
	if got, ticking := c.read(); got != int64(50*time.Second+300*time.Millisecond) || !ticking {
		t.Fatalf("time = %v, ticking %v; want 50.3s, ticking", time.Duration(got), ticking)
	}
}

// A wall clock that is set back must not let a hold last for an hour.
func TestLaneTimeNeverGoesBack(t *testing.T) {
	now := time.Unix(10_000, 0)
	c := newTestClock(&now)
	c.advance(int64(5000 * time.Second))
	c.tick()
	now = now.Add(2 * time.Second)
	before, _ := c.read()
	c.advance(int64(1400 * time.Second)) // a record received after the wall clock was set back by an hour
	after, _ := c.read()
	if after < before {
		t.Fatalf("time went back from %v to %v", time.Duration(before), time.Duration(after))
	}
	if got := receipt(int64(1400*time.Second), after); got != after {
		t.Fatalf("the hold of a record from the past counts from %v; want from now, %v", time.Duration(got), time.Duration(after))
	}
	if got := receipt(after-int64(time.Second), after); got != after-int64(time.Second) {
		t.Fatalf("the hold of a record a second old counts from %v; want from its receipt", time.Duration(got))
	}
}
