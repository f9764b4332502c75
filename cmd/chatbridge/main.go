// Command chatbridge takes Tencent Cloud Chat's group-message callbacks and
// puts each of them into a Kafka topic, durably, in order and once.
//
// main.go is arguments, signals and the exit code; root.go assembles the
// commands, of which each has its file. A command reads and writes only through
// its [environment], so that tests run it without a process.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(stopSignals(), processEnvironment(), os.Args[1:]))
}

// stopSignals returns a context that ends with the first SIGINT or SIGTERM. The
// second one ends the process at once; nothing acknowledged is lost by that.
func stopSignals() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintln(os.Stderr, "chatbridge: stopped at once by a second signal")
		os.Exit(exitFailure)
	}()
	return ctx
}
