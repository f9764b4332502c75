package relay

import (
	"time"

	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/schema"
)

// Hooks tell what happens, for metrics and for the developer's terminal. Each
// may be nil. They are called by the relay's own goroutines, some of them with
// a lane's mutex held: they must be quick and must not call back into the relay.
type Hooks struct {
	// Decided is called once for each event that the resequencer judged.
	Decided func(Decided)
	// Settled is called once for each batch, with the time from receipt to
	// Kafka's answer of each event in it.
	Settled func(partition int, waits []time.Duration)
	// SentAside is called for each dead letter (with its reason) and each
	// callback of another command (reason "") that Kafka has.
	SentAside func(topic string, reason schema.Reason)
	// DeadLettered is called for each dead letter that Kafka has.
	DeadLettered func(DeadLetter)
	// TopicChanged is called when the events topic is not what it was.
	TopicChanged func(TopicChange)
}

// TopicChange is what somebody did to the events topic while it was in use.
type TopicChange string

// The changes that are noticed.
const (
	MorePartitions  TopicChange = "more-partitions"
	FewerPartitions TopicChange = "fewer-partitions" // it was made anew, with fewer
	MadeAnew        TopicChange = "made-anew"
)

// DeadLetter is a callback that went to the dead-letter topic.
type DeadLetter struct {
	Reason     schema.Reason
	ReceivedAt time.Time
	Body       []byte // read only, and only during the call
}

// Decided is one judgement of the resequencer.
type Decided struct {
	Event            *schema.Event // read only
	Verdict          resequence.Verdict
	Held             time.Duration
	HoleFrom, HoleTo uint64 // inclusive; 0 = no hole
}

func (h *Hooks) decided(v *verdict) {
	if h.Decided != nil {
		h.Decided(Decided{
			Event: v.Item.Value.event, Verdict: v.Verdict, Held: v.Held,
			HoleFrom: v.HoleFrom, HoleTo: v.HoleTo,
		})
	}
}

func (h *Hooks) settled(partition int, batch []*outgoing, now int64) {
	if h.Settled == nil {
		return
	}
	waits := make([]time.Duration, len(batch))
	for i, o := range batch {
		waits[i] = time.Duration(now - o.received)
	}
	h.Settled(partition, waits)
}

func (h *Hooks) sentAside(topic string, reason schema.Reason) {
	if h.SentAside != nil {
		h.SentAside(topic, reason)
	}
}

func (h *Hooks) deadLettered(m *letter) {
	if h.DeadLettered != nil && m.reason != "" {
		h.DeadLettered(DeadLetter{Reason: m.reason, ReceivedAt: m.record.ReceivedAt, Body: m.record.Body})
	}
}

func (h *Hooks) topicChanged(c TopicChange) {
	if h.TopicChanged != nil {
		h.TopicChanged(c)
	}
}
