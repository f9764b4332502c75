// Package ops is the operator's own listener.
//
//	/          the page: the state of every part, for people
//	/status    the same as JSON
//	/group     what is known of one group, as JSON: ?group=<GroupId>[&topic=<TopicId>]
//	/metrics   Prometheus
//	/livez     200 as long as the process answers
//	/readyz    200 while callbacks can be stored; 503 with the reasons otherwise.
//	           Kafka being away does not make the bridge unready: it still stores.
//	/debug/pprof/  Go's profiles
//	/sinkz     200 while Kafka takes what is published; 503 with the reasons otherwise
//
// It shows no message and no secret, but it says how much goes through and what
// is wrong, so it listens on loopback unless it is told otherwise. The package
// imports none of ours: it is handed functions that return a [Status], and every
// view is made from one, and a [Group].
package ops
