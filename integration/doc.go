// Package integration tests the program as its users have it: the real binary,
// started as a process, killed as one, with a Kafka in another process. It knows
// nothing of the packages inside; what it needs to know it asks the program's own
// listeners and commands, and it judges by send's ledger and audit's verdict.
//
//	main_test.go      builds the program; is the other processes (below)
//	harness_test.go   processes, ports, waiting
//	kafka_test.go     the Kafka, kafka_way_test.go how it is got (below)
//	bridge_test.go    serve; sender_test.go send and audit
//	commands_test.go  the commands beside a running bridge
//	order_test.go     disorder, copies and holes in, order out            P1 P3 P4 P5 P9
//	crash_test.go     kill -9 of the bridge, of the Kafka, of both        P1 P3 P4
//	outage_test.go    no Kafka, full disk, lost checkpoint                P1 P2 P3 P4
//	shutdown_test.go  signals; two bridges on one spool                   P1
//	kafka_security_test.go  every way in, and every way in that is shut    P1 P2 P4
//	                  (kafka_secured_test.go the Kafka for it, kafka_certificates_test.go)
//	kafka_topic_test.go  codecs, limits, LogAppendTime; a topic that is given partitions,
//	                  or deleted and made anew                              P1 P2 P3 P4 P6
//	chaos_test.go     every fault there is, under load, in one table; only when it is
//	                  asked for (below)                                     P1 P3 P4 P5 P9
//	chaos_*_test.go   its plan, its stage, the faults by kind, its table; the proxies
//	                  (passage: bytes; gate, orders: requests and answers); the proof
//	                  that it can fail
//	endpoint_test.go  one request and the record it becomes               P6 P7
//	tree_test.go      the repository's own rules; docs_test.go what the documents say
//	alerts_test.go    the alerts, their tests and their runbook, against each other
//	prometheus_test.go  a real Prometheus that scrapes and alerts         P1 P2
//	compose_test.go   docker-compose.yml, up, down and up again           P1 P4
//	deploy_test.go    what deploy/ says, against what it is about
//	bench_*_test.go   what is promised of speed, measured; load_test.go the
//	                  generator, fill_test.go backlogs, measure_test.go figures
//
// # Which Kafka
//
// A real one wherever one can be had. In this order: the one that
// CHATBRIDGE_TEST_BROKERS names (host:port, comma-separated), where tests that
// stop or change their Kafka are not run; containers of the image apache/kafka,
// where a Docker daemon answers; a JVM process, where Java and Maven are; and only
// then kfake, a Kafka inside the test binary, for the tests that it can carry.
// CHATBRIDGE_TEST_KAFKA asks for one of them (container, jvm, fake) or for any real
// one (real): what can't be had then fails the run. kafka/version names the
// versions, kafka/get gets jars and image; CHATBRIDGE_TEST_KAFKA_VERSION asks for
// another version. The end of a run says which Kafka it was, and what was not
// covered.
//
// Tests that leave Kafka alone share one, each with topics of its own.
//
// # The other processes
//
// The test binary starts itself again with an environment variable that says
// what it is then: a kfake (its data on disk, so that it can be killed and come
// back), or one of the benchmark's tools.
//
// # The table of faults
//
// make chaos SEED=… MINUTES=… plays the faults, the short form within ten minutes
// and an hour for the full one, and ends with a table; docs/chaos.md has the last.
// A fault (chaos_plan_test.go) happens in scenes: one bridge under load, some turns
// of the fault, then a full audit. Seed and minutes decide on the whole schedule,
// and on nothing else; what a schedule meets still depends on the machine. A scene
// that fails has its row, and the others go on.
//
// # How much
//
// The defaults take a minute or two. Under -race the program is built with the race
// detector, too, and what it finds fails the test. The flags, or variables of the same name in
// capitals (CHATBRIDGE_TEST_MESSAGES for -chatbridge.messages), make it more:
//
//	go test ./integration -v -run TestOrder -chatbridge.messages=200000
//	go test ./integration -v -run Crash -chatbridge.kills=50 -chatbridge.broker-kills=20 -timeout 60m
//	go test ./integration -run '^$' -bench . -benchtime 1x -timeout 60m
//
// Every random choice comes from one seed, which is printed;
// -chatbridge.seed repeats its schedule.
package integration
