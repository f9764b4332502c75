package publisher

import "context"

// TopicSpec is what a topic should be like.
type TopicSpec struct {
	Name              string
	Partitions        int
	ReplicationFactor int
	MaxMessageBytes   int  // 0 = don't care
	MinInSyncReplicas int  // 0 = don't care
	Optional          bool // its absence is a warning
}

// Level of a Finding.
type Level string

// The levels.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelFail Level = "fail"
)

// Finding is one line of a check.
type Finding struct {
	Level    Level
	Topic    string // "" = about the cluster
	What     string // a short constant: "reachable", "exists", "partitions", …
	Sentence string // what was found and what to do next
}

// Check looks at the topics and changes nothing.
func (c *Client) Check(ctx context.Context, specs []TopicSpec) ([]Finding, error) {
	return nil, errNotYet
}

// Apply creates and raises what is missing; it never reduces.
func (c *Client) Apply(ctx context.Context, specs []TopicSpec) ([]Finding, error) {
	return nil, errNotYet
}
