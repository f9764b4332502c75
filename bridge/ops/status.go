package ops

import "time"

// Status is a picture of the bridge. All views are rendered from it.
type Status struct {
	State
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Ready   Condition `json:"ready"` // can callbacks be stored
	Sink    Condition `json:"sink"`  // does Kafka take them
	Notes   []string  `json:"notes,omitempty"`
	// Components are the parts that a callback goes through, in that order.
	Components []Component `json:"components"`
	Figures    []Figure    `json:"figures"`
	Parts      []SinkPart  `json:"partitions,omitempty"`
}

// Component is how one part of the bridge does.
type Component struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Says  string `json:"says"`
}

// State is the whole of it in one sentence, for somebody who was just woken.
type State struct {
	Level    Level  `json:"level"`
	Sentence string `json:"sentence"`
	Fault    Fault  `json:"fault,omitempty"` // whose; empty when all is well, and in a stop
	Safe     string `json:"safe,omitempty"`  // what is not lost
	Next     string `json:"next,omitempty"`  // what to do
}

// Level is how bad it is.
type Level string

// The levels.
const (
	Good     Level = "good"
	Degraded Level = "degraded" // callbacks are stored, but not all is as it should be
	Trouble  Level = "trouble"  // callbacks are not stored, or soon will not be
)

// Fault is whose fault a state is: where to look.
type Fault string

// Who it can be.
const (
	FaultSender Fault = "sender"
	FaultBridge Fault = "bridge"
	FaultDisk   Fault = "disk"
	FaultKafka  Fault = "kafka"
)

// Condition is one yes or no, with the reasons for a no.
type Condition struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons,omitempty"`
}

// Figure is one number on the page.
type Figure struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SinkPart is how publishing to one partition goes.
type SinkPart struct {
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	OK        bool      `json:"ok"`
	Reason    string    `json:"reason,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Attempts  int       `json:"attempts,omitempty"`
	Open      int       `json:"open"`             // records handed to it and not settled
	Oldest    string    `json:"oldest,omitempty"` // how long the oldest of them has waited
}
