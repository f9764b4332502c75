package ops

import "time"

// Status is a picture of the bridge. All views are rendered from it.
type Status struct {
	Version string     `json:"version"`
	Started time.Time  `json:"started"`
	Ready   Condition  `json:"ready"` // can callbacks be stored
	Sink    Condition  `json:"sink"`  // does Kafka take them
	Notes   []string   `json:"notes,omitempty"`
	Figures []Figure   `json:"figures"`
	Parts   []SinkPart `json:"partitions,omitempty"`
}

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
