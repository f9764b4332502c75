// Package integration tests the program as its users have it: the real binary,
// started as a process, killed as one, with a Kafka in another process. It knows
// nothing of the packages inside; what it needs to know it asks the program's own
// listeners and commands, and it judges by send's ledger and audit's verdict.
//
//	main_test.go      builds the program; is the other processes (below)
//	harness_test.go   processes, ports, waiting
//	broker_test.go    the Kafka; bridge_test.go serve; sender_test.go send and audit
//	commands_test.go  the commands beside a running bridge
//	order_test.go     disorder, copies and holes in, order out            P1 P3 P4 P5 P9
//	crash_test.go     kill -9 of the bridge, of the Kafka, of both        P1 P3 P4
//	outage_test.go    no Kafka, full disk, lost checkpoint                P1 P2 P3 P4
//	shutdown_test.go  signals; two bridges on one spool                   P1
//	endpoint_test.go  one request and the record it becomes               P6 P7
//	tree_test.go      the repository's own rules; docs_test.go what the documents say
//	bench_*_test.go   what is promised of speed, measured; load_test.go the
//	                  generator, fill_test.go backlogs, measure_test.go figures
//
// # The other processes
//
// The test binary starts itself again with an environment variable that says
// what it is then: a Kafka (kfake, its data on disk, so that it can be killed and
// come back), or one of the benchmark's tools. A real Kafka is not needed.
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
