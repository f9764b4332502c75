package simulate

import (
	"sync/atomic"
	"time"

	"github.com/chatbridge/chatbridge/schema"
)

// Outcome says what became of a delivery, as its sender sees it.
type Outcome string

// The outcomes.
const (
	// Stored: answered 200 and ActionStatus OK.
	Stored Outcome = "ok"
	// Refused: answered, but not so.
	Refused Outcome = "refused"
	// Unanswered: no whole answer came in time; the callback may have arrived.
	Unanswered Outcome = "unanswered"
	// Dropped: a number was taken and no callback is ever sent.
	Dropped Outcome = "dropped"
)

// An Event tells a watcher what has just become of one number.
type Event struct {
	Outcome   Outcome
	Stream    schema.Stream
	Seq       uint64        // 0: an online-only message
	Message   *schema.Event // as the bridge will read it; nil where it was dropped
	Overtaken bool          // at least one later number of the stream was begun before it
	Copy      bool          // a repetition
	Status    int           // of the answer; 0 where there was none
	Reason    string        // why there was none, or why a number was dropped that was to be sent
	Took      time.Duration
}

// fate is what a message and its copies share.
type fate struct{ stored atomic.Bool }

// answer is what one attempt brought.
type answer struct {
	outcome Outcome
	status  int
	reason  string // unanswered: connect, timeout, broken
}
