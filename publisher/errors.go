package publisher

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go"
)

// ErrClosed is returned by everything that was under way, or is begun, when the Client is closed.
var ErrClosed = errors.New("the publisher is closed")

// ErrBusy is returned by a Publish that was called while another one of the same partition was running.
var ErrBusy = errors.New("another batch of this partition is being published")

// ErrUnresolved is returned by a Publish whose partition has a batch of unknown outcome: an earlier Publish was cancelled after it
// had sent. Publish that batch again first, with Resend set to the identity that was announced last.
var ErrUnresolved = errors.New("an earlier batch of this partition has an unknown outcome: publish it again first, under its identity")

// RejectedError says that Kafka will never take the batch as it is, and that nothing of it was appended. The caller splits it or
// puts it aside.
type RejectedError struct {
	Code     int    // Kafka's error code
	Sentence string // what is wrong and what to do
	Records  []int  // indexes of the messages that the broker names as the cause; empty where it names none
	Err      error
}

func (e *RejectedError) Error() string { return e.Sentence + ": " + e.Err.Error() }

// Unwrap returns Kafka's error.
func (e *RejectedError) Unwrap() error { return e.Err }

// FatalError says that no retry helps until the configuration, the program or the cluster is changed. Nothing was appended by the
// last attempt; the batch may be published again.
type FatalError struct {
	Code     int    // Kafka's error code, 0 for a fault of the caller
	Sentence string // what is wrong and what to do
	Err      error
}

func (e *FatalError) Error() string {
	if e.Err == nil {
		return e.Sentence
	}
	return e.Sentence + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *FatalError) Unwrap() error { return e.Err }

// class says what follows from a failed attempt.
type class uint8

const (
	classRetry     class = iota // surely not appended by this attempt: wait, send again
	classAmbiguous              // may have been appended: read the tail, then send again if it is not there
	classReject                 // Kafka never takes it: read the tail if an earlier attempt was ambiguous, then give it back
	classResync                 // the broker's idea of the sequence differs: read the tail, then a new producer id
	classFatal                  // no retry helps: give up
)

func (c class) String() string {
	switch c {
	case classRetry:
		return "retry"
	case classAmbiguous:
		return "ambiguous"
	case classReject:
		return "reject"
	case classResync:
		return "resync"
	case classFatal:
		return "fatal"
	}
	return "unknown"
}

// rule is one line of the table: what an error of the Produce path means.
type rule struct {
	class    class
	label    string // for metrics and Status; few, constant
	sentence string // for the operator: what is wrong and what to do
}

// ruleFor is the table of Kafka's error codes, for the answers to Produce and to what surrounds it. Why a code is ambiguous although
// its name does not say so: a broker that has appended and waits for its followers answers with what ends the waiting, be it that it
// is no longer the leader (6), that the topic was deleted (3), or that its disk failed (56, 57).
func ruleFor(code kafka.Error) rule {
	switch code {
	case kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.InconsistentTopicID: // 3, 100, 103
		return rule{classAmbiguous, "unknown-topic", "the topic or partition does not exist, or is not known to every broker yet; if this lasts, create it (chatbridge topics apply)"}
	case kafka.LeaderNotAvailable: // 5
		return rule{classAmbiguous, "no-leader", "the partition has no leader; check that the brokers that hold its replicas are up"}
	case kafka.NotLeaderForPartition, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.ReplicaNotAvailable, kafka.PreferredLeaderNotAvailable: // 6, 74, 75, 9, 80
		return rule{classAmbiguous, "not-leader", "the partition's leader has moved; this ends by itself within seconds"}
	case kafka.RequestTimedOut: // 7
		return rule{classAmbiguous, "timed-out", "the replicas did not confirm in time; check that the followers keep up"}
	case kafka.BrokerNotAvailable, kafka.StaleBrokerEpoch: // 8, 77
		return rule{classAmbiguous, "broker-unavailable", "the broker is not available; check that it is up"}
	case kafka.NotEnoughReplicas: // 19, checked before the append
		return rule{classRetry, "not-enough-replicas", "fewer replicas are in sync than min.insync.replicas asks for; bring the missing brokers up"}
	case kafka.NotEnoughReplicasAfterAppend: // 20
		return rule{classAmbiguous, "not-enough-replicas", "fewer replicas are in sync than min.insync.replicas asks for; bring the missing brokers up"}
	case kafka.KafkaStorageError, kafka.LogDirNotFound: // 56, 57
		return rule{classAmbiguous, "broker-storage", "the broker cannot use its disk; check the broker's log and its disks"}
	case kafka.InvalidMessage: // 2, checksum, checked before the append
		return rule{classRetry, "damaged-on-the-way", "the batch arrived damaged; check the network between here and the broker"}
	case kafka.NetworkException: // 13
		return rule{classAmbiguous, "cut", "the broker dropped the connection before it answered"}
	case kafka.GroupLoadInProgress, kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup: // 14, 15, 16
		return rule{classRetry, "coordinator-loading", "the cluster is starting and cannot hand out producer ids yet; this ends by itself"}
	case kafka.NotController, kafka.ReassignmentInProgress, kafka.OffsetNotAvailable, kafka.ListenerNotFound, kafka.OffsetOutOfRange: // 41, 60, 78, 72, 1
		return rule{classRetry, "moving", "the cluster is moving leaders or its controller; this ends by itself"}
	case kafka.ThrottlingQuotaExceeded: // 89
		return rule{classRetry, "throttled", "the cluster's quota is used up; raise it or wait"}
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed: // 29, 31, checked before the append; see deniedError
		return rule{classRetry, "not-authorized", "the user lacks a permission; check the ACLs"}
	case kafka.GroupAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed, kafka.DelegationTokenAuthorizationFailed: // 30, 53, 65
		return rule{classRetry, "not-authorized", "the user lacks a permission; check the ACLs"}
	case kafka.UnsupportedSASLMechanism: // 33
		return rule{classRetry, "login-refused", "the broker does not offer the SASL mechanism; set kafka.sasl.mechanism to one that it offers"}
	case kafka.IllegalSASLState: // 34
		return rule{classRetry, "login-refused", "the broker's port takes no login; remove kafka.sasl, or name its SASL port in kafka.brokers"}
	case kafka.SASLAuthenticationFailed, kafka.UnacceptableCredential, kafka.DelegationTokenExpired: // 58, 93, 66
		return rule{classRetry, "login-refused", "the broker refused the login; check kafka.sasl"}
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge: // 10, 18, checked before the append
		return rule{classReject, "too-large", "the batch is larger than the topic takes; raise the topic's max.message.bytes"}
	case kafka.InvalidTimestamp: // 32
		return rule{classReject, "invalid-timestamp", "a record's time is further from the broker's than the topic allows; raise message.timestamp.before.max.ms"}
	case kafka.InvalidRecord: // 87
		return rule{classReject, "invalid-record", "the broker does not take a record as it is; on a compacted topic each record needs a key"}
	case kafka.PolicyViolation: // 44
		return rule{classReject, "policy", "the cluster's policy refuses the batch; ask who runs it"}
	case kafka.OutOfOrderSequenceNumber, kafka.InvalidProducerEpoch, kafka.UnknownProducerId, kafka.ProducerFenced, kafka.InvalidProducerIDMapping, kafka.InvalidTransactionState: // 45, 47, 59, 90, 49, 48
		return rule{classResync, "sequence", "the broker does not know the producer's last batch; going on under a new producer id"}
	case kafka.DuplicateSequenceNumber: // 46: it has the batch, or had it
		return rule{classResync, "duplicate-sequence", "the broker says that it has the batch already; looking for it"}
	case kafka.InvalidTopic: // 17
		return rule{classFatal, "invalid-topic", "the topic's name is not valid; correct kafka.topic, kafka.dead_letter_topic and kafka.callbacks_topic"}
	case kafka.InvalidRequiredAcks, kafka.InvalidRequest, kafka.UnsupportedVersion, kafka.UnsupportedForMessageFormat: // 21, 42, 35, 43
		return rule{classFatal, "unsupported", "the broker does not understand the request; Kafka 2.1 or newer is needed, or a newer chatbridge"}
	case kafka.UnsupportedCompressionType: // 76
		return rule{classFatal, "unsupported-compression", "the broker does not know the compression; set kafka.compression to another one"}
	case kafka.SecurityDisabled: // 54
		return rule{classFatal, "unsupported", "the cluster has no security features; check kafka.tls and kafka.sasl"}
	}
	return rule{classAmbiguous, "other", "the broker answered with an error that says nothing about the batch; check the broker's log"}
}

// lookupError wraps a failure to find the leader: nothing was sent to it.
type lookupError struct{ err error }

func (e *lookupError) Error() string { return e.err.Error() }
func (e *lookupError) Unwrap() error { return e.err }

// failure is a failed attempt, judged.
type failure struct {
	rule
	unanswered bool // the request may have arrived and no answer came: it may still be on its way
	err        error
}

// judge decides what follows from err, the outcome of one attempt.
func judge(err error) failure {
	var before *lookupError
	if errors.As(err, &before) {
		f := judge(before.err)
		f.unanswered, f.err = false, err
		if f.class == classAmbiguous {
			f.class = classRetry
		}
		return f
	}
	var le *linkError
	if errors.As(err, &le) {
		return judgeLink(le)
	}
	var denied *deniedError
	if errors.As(err, &denied) {
		return failure{rule: denied.rule(), err: err}
	}
	var code kafka.Error
	if errors.As(err, &code) {
		return failure{rule: ruleFor(code), err: err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return failure{rule: rule{classRetry, "unreachable", "no broker answered in time; check that Kafka is up and kafka.brokers names it"}, err: err}
	}
	return failure{rule: rule{classAmbiguous, "other", "an attempt failed in an unexpected way"}, err: err}
}

func judgeLink(e *linkError) failure {
	f := failure{rule: linkRule(e), err: e}
	if e.stage == stageRequest && e.sent {
		f.class, f.unanswered = classAmbiguous, true
	}
	return f
}
