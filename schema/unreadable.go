package schema

// Reason is the code of why a record is in the dead-letter topic. Codes are
// only added, never renamed.
type Reason string

// The reasons that Check and Normalize give, in the order of precedence: the
// first three are whatever comes first in the text.
const (
	// ReasonNotJSON: the body is empty, not JSON, or JSON but not an object.
	ReasonNotJSON Reason = "not-json"
	// ReasonDuplicateName: an object, at any level, has two members of one name.
	ReasonDuplicateName Reason = "duplicate-name"
	// ReasonTooDeep: objects and lists are nested deeper than MaxDepth.
	ReasonTooDeep Reason = "too-deep"
	// ReasonCommandMismatch: the body's CallbackCommand is not the query's.
	ReasonCommandMismatch Reason = "command-mismatch"
	// ReasonNoGroupID: GroupId is absent, empty, or neither text nor a whole number.
	ReasonNoGroupID Reason = "no-group-id"
)

// Reasons that are not this package's to give: the relay finds them when Kafka
// refuses an event that was read well.
const (
	// ReasonTooLargeForTopic: the event is larger than the topic takes.
	ReasonTooLargeForTopic Reason = "too-large-for-topic"
	// ReasonRejected: Kafka refuses the record for good, for another reason.
	ReasonRejected Reason = "rejected-by-kafka"
	// ReasonBadQuery: the stored query has no usable SdkAppid.
	ReasonBadQuery Reason = "bad-query"
	// ReasonNormalizerFault: reading the callback failed by a fault of this program.
	// The callback is whole in the dead-letter topic, and the bridge goes on.
	ReasonNormalizerFault Reason = "normalizer-fault"
)

// Reasons lists every reason once, for those who create a metric's children ahead.
func Reasons() []Reason {
	return []Reason{
		ReasonNotJSON, ReasonDuplicateName, ReasonTooDeep, ReasonCommandMismatch, ReasonNoGroupID,
		ReasonTooLargeForTopic, ReasonRejected, ReasonBadQuery, ReasonNormalizerFault,
	}
}

// UnreadableError says why a body is not the callback of a group message. It
// never contains text of the message.
type UnreadableError struct {
	// Reason is the code.
	Reason Reason
	// Detail is one sentence for people, without a full stop.
	Detail string
}

// Error returns the detail and the code.
func (e *UnreadableError) Error() string {
	return e.Detail + " (" + string(e.Reason) + ")"
}
