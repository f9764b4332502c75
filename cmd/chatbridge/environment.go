package main

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// environment is what a command sees of the world. Commands use nothing else of
// the process: no os.Stdout, no os.Getenv, no time.Now. What ends them is their
// context (cobra.Command.Context), which the first signal cancels.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// isTerminal says whether one of the three streams above is a terminal.
	isTerminal func(stream any) bool
	// environ returns every variable as NAME=value.
	environ func() []string
	getenv  func(name string) string
	now     func() time.Time
}

// processEnvironment is the environment of the running process.
func processEnvironment() *environment {
	return &environment{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		isTerminal: func(stream any) bool {
			f, ok := stream.(*os.File)
			return ok && term.IsTerminal(int(f.Fd()))
		},
		environ: os.Environ,
		getenv:  os.Getenv,
		now:     time.Now,
	}
}

// colored says whether what is written to stream may carry colors: only on a
// terminal that has them, and not where NO_COLOR is set (no-color.org).
func (env *environment) colored(stream any) bool {
	return env.isTerminal(stream) && env.getenv("NO_COLOR") == "" && env.getenv("TERM") != "dumb"
}
