package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// How often progress is shown: on a terminal one line that changes, elsewhere a
// line now and then.
const (
	progressOnTerminal = 200 * time.Millisecond
	progressElsewhere  = 10 * time.Second
)

// showProgress shows what line returns on stderr, until stop is called. On a
// terminal nothing of it is left then.
func showProgress(env *environment, line func() string) (stop func()) {
	every, begin, end := progressElsewhere, "", "\n"
	if env.isTerminal(env.stderr) {
		every, begin, end = progressOnTerminal, "\r\x1b[K", ""
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				fmt.Fprint(env.stderr, begin+line()+end)
			case <-done:
				fmt.Fprint(env.stderr, begin)
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// grouped writes a number with commas between its thousands.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

// shortDuration writes a duration with three digits at most.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}
