package ops

import (
	"context"
	"net/http"
	"time"
)

// GroupQuery asks for what is known of a group. The TopicID may be empty: a
// stream that was used of late, or holds something, is found without.
type GroupQuery struct {
	GroupID, TopicID string
}

// Group is what is known of a group now: its place and its streams.
type Group struct {
	GroupID string `json:"group"`
	// Partition is where its events go; null as long as Kafka has not told how
	// many partitions there are.
	Partition *int `json:"partition"`
	// Notes say what makes the answer less than it seems.
	Notes   []string `json:"notes,omitempty"`
	Streams []Stream `json:"streams"`
	LeftOff int      `json:"left_off,omitempty"` // streams more than are shown
}

// Stream is what is known of one stream.
type Stream struct {
	// AppID and TopicID are its name, unless that is not remembered.
	AppID   uint64 `json:"app_id,omitempty"`
	TopicID string `json:"topic_id,omitempty"`
	Unnamed bool   `json:"unnamed,omitempty"`

	NextExpected uint64  `json:"next_expected,omitempty"` // absent: none has left yet
	HoldSeconds  float64 `json:"hold_seconds"`            // how long a number ahead would wait
	WaitsFor     []Hole  `json:"waits_for"`
	Held         []Held  `json:"held"`
	// WaitForKafka counts events that wait for Kafka and for nothing else.
	WaitForKafka int `json:"wait_for_kafka"`

	// What follows is remembered of streams that were used of late, since then; where
	// Since is absent, nothing is.
	Since      *time.Time `json:"counted_since,omitempty"`
	LastHoles  []Hole     `json:"last_holes,omitempty"` // given up, the last one first
	Holes      uint64     `json:"holes"`
	Late       Notice     `json:"late"`
	Duplicates Notice     `json:"duplicates"`
	Published  *Published `json:"last_published,omitempty"`
}

// Hole is a range of numbers, both inclusive.
type Hole struct {
	From uint64     `json:"from"`
	To   uint64     `json:"to"`
	At   *time.Time `json:"at,omitempty"` // when it was given up
}

// Held is an event that waits for others.
type Held struct {
	Seq        uint64    `json:"seq"`
	ReceivedAt time.Time `json:"received_at"`
	// LeavesIn is in how long it leaves, if nothing more comes; absent: at once, or
	// not before publishing goes on, where that is paused.
	LeavesIn float64 `json:"leaves_in_seconds,omitempty"`
	// Restart says that it waits to begin the numbers of its stream again.
	Restart bool `json:"restart,omitempty"`
}

// Notice counts something, and says when it was last.
type Notice struct {
	Count uint64     `json:"count"`
	Seq   uint64     `json:"last_seq,omitempty"`
	At    *time.Time `json:"last_at,omitempty"`
}

// Published is a record that Kafka has.
type Published struct {
	Seq *uint64 `json:"seq,omitempty"` // absent: it has none
	// Partition is where it is: not the group's, where the topic has had another
	// number of partitions since.
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
}

// longestID bounds what is asked for; the ids that Tencent gives are far shorter.
const longestID = 4 << 10

// groupHandler answers GET /group?group=<GroupId>[&topic=<TopicId>].
func groupHandler(group func(context.Context, GroupQuery) Group) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Query()
		q := GroupQuery{GroupID: asked.Get("group"), TopicID: asked.Get("topic")}
		switch {
		case q.GroupID == "":
			writeJSON(w, http.StatusBadRequest, fault{"say which group: /group?group=<GroupId>, percent-encoded"})
		case len(q.GroupID) > longestID || len(q.TopicID) > longestID:
			writeJSON(w, http.StatusBadRequest, fault{"no group and no topic has an id as long as that"})
		default:
			writeJSON(w, http.StatusOK, group(r.Context(), q))
		}
	}
}

// fault is the answer to a question that cannot be answered.
type fault struct {
	Error string `json:"error"`
}
