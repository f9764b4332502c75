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

// P3: a wall clock that is set back neither lets a hold last for an hour nor ends
// one at once: time goes on as it passes, and a hold counts from when its record came.
func TestLaneTimeGoesOnWhenTheWallClockIsSetBack(t *testing.T) {
	now := time.Unix(10_000, 0)
	c := newTestClock(&now)
	c.advance(int64(5000 * time.Second))
	for i := range 4 { // nobody reads the clock meanwhile
		c.tick()
		now = now.Add(2 * time.Second)
		received := int64(1400+2*i) * int64(time.Second)
		want := int64(5002+2*i) * int64(time.Second)
		if got := c.place(received); got != want {
			t.Fatalf("record %d is placed at %v; want %v", i, time.Duration(got), time.Duration(want))
		}
		c.advance(received)
		if got, _ := c.read(); got != want {
			t.Fatalf("after record %d, time = %v; want %v", i, time.Duration(got), time.Duration(want))
		}
	}
}

// A lane that gets none of the records that tell of it is told by those of others.
func TestLaneTimeGoesOnWhereOthersTellThatTheWallClockIsSetBack(t *testing.T) {
	now := time.Unix(10_000, 0)
	c := newTestClock(&now)
	c.advance(int64(5000 * time.Second))
	c.tick()
	now = now.Add(2 * time.Second)
	c.advance(int64(1400 * time.Second))
	if got, ticking := c.read(); got != int64(5002*time.Second) || ticking {
		t.Fatalf("time = %v, ticking %v; want 5002s, standing", time.Duration(got), ticking)
	}
	c.advance(0) // nothing of it was a record
	if got, _ := c.read(); got != int64(5002*time.Second) {
		t.Fatalf("time = %v after no record; want 5002s", time.Duration(got))
	}
}

// The hold of a record counts from its receipt, also where others that were
// received after it came before it.
func TestConcurrentCallbacksAreBelieved(t *testing.T) {
	now := time.Unix(10_000, 0)
	c := newTestClock(&now)
	c.advance(int64(5000 * time.Second))
	if got := c.place(int64(4999 * time.Second)); got != int64(4999*time.Second) {
		t.Fatalf("a record a second older than the newest is placed at %v; want 4999s", time.Duration(got))
	}
}

// What is read for another lane, from below where this one is served, tells nothing of
// its time: it is no wall clock that was set back.
func TestRecordsThatALaneHasHadDoNotMoveItsTime(t *testing.T) {
	const begun = int64(5000 * time.Second)
	now := time.Unix(10_000, 0)
	l := &lane{from: 1000}
	l.clock.now = func() time.Time { return now }
	l.clock.advance(begun)
	d := newDispatcher([]*lane{l}, nil)
	d.moveOn(map[int]*lane{0: l}, 600, begun-int64(time.Hour))
	d.moveMain(700, begun-int64(time.Hour))
	l.clock.tick()
	if got := l.clock.place(begun); got != begun {
		t.Errorf("a record is placed %v too late", time.Duration(got-begun))
	}
	d.moveMain(1001, begun+int64(time.Second))
	if got, _ := l.clock.read(); got != begun+int64(time.Second) || l.from != 1001 || l.through != 1000 {
		t.Errorf("after its own record: time %v, from %d, through %d", time.Duration(got), l.from, l.through)
	}
}
