// Package ops is the operator's own listener.
//
//	/          the page, for people: the state in one sentence and of every part, the
//	           last hour, what went wrong of late; ?group=<GroupId> finds a group;
//	           ?watch is for browsers without a script: it loads itself again
//	/charts/   its pictures, as SVG; /letters/ bodies of dead letters, where they are
//	           to be shown
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
// is wrong. So all but /livez and /readyz, which probes ask for and which cannot
// log in, is behind a [Door]: a password, a client's certificate, or, on loopback,
// nothing but the listener's own name. Wrong passwords, and wrong tokens for what is
// done on the page (POST /actions), are slowed down by address, see tries. The
// package imports none of ours: it is handed functions that return a [Status], of
// which every view is made, and a [Group].
package ops
