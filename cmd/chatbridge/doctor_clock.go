package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// What a clock may be off. A callback whose RequestTime is more than a minute from
// the bridge's clock is refused.
const (
	uneasySkew  = 5 * time.Second
	refusedSkew = time.Minute
)

// clock compares this machine's clock with others.
func (d *doctor) clock(ctx context.Context) {
	asked := d.timeServer != ""
	if asked {
		d.askTime(ctx)
	}
	if d.events {
		asked = d.eventTimes(ctx) || asked
	}
	if !asked {
		d.warn("clock", "there is nothing to compare it with: no --time-server is given, and no event of the last hour could be read").
			do("give --time-server with the URL of a web server that can be trusted; callbacks are refused where the clock is a minute off")
	}
}

// askTime compares the clock with the Date of a server's answer, which is exact
// to a second.
func (d *doctor) askTime(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, d.timeServer, nil)
	if err != nil {
		d.warn("clock", "not compared: %v", err).do("give --time-server a URL")
		return
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	before := d.env.now()
	response, err := client.Do(request)
	if err != nil {
		d.warn("clock", "not compared: %v", err).do("give --time-server another URL")
		return
	}
	after := d.env.now()
	_ = response.Body.Close() // of a HEAD, which has none
	there, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		d.warn("clock", "not compared: the answer of %s has no Date", d.timeServer).do("give --time-server another URL")
		return
	}
	here := before.Add(after.Sub(before) / 2)
	skew := here.Sub(there.Add(time.Second / 2)) // a Date is cut, not rounded
	d.judgeSkew(skew, fmt.Sprintf("compared with the Date of %s", d.timeServer))
}

// judgeSkew says whether a clock that is ahead by skew will do.
func (d *doctor) judgeSkew(skew time.Duration, how string) {
	which := "ahead"
	if skew < 0 {
		which = "behind"
	}
	found := fmt.Sprintf("it is %s %s, %s", skew.Abs().Round(time.Second/10), which, how)
	const do = "let this machine's clock be set by NTP (chrony, systemd-timesyncd)"
	switch {
	case skew.Abs() > refusedSkew:
		d.fail("clock", "%s: signed callbacks are refused", found).do(do)
	case skew.Abs() > uneasySkew:
		d.warn("clock", "%s", found).do(do)
	default:
		d.ok("clock", "%s", found)
	}
}

// How much is read of the topic to judge by the times of events.
const (
	eventsEach     = 20
	partitionsMost = 16
	recentEvents   = time.Hour
)

// eventTimes compares, in the newest events, the time of receipt, which is the
// bridge's, with the time at which each occurred, which is Tencent's. Nothing is
// received before it occurred; the quickest of them tells most. It reports whether
// there were events.
func (d *doctor) eventTimes(ctx context.Context) bool {
	kafka := d.cfg.Publisher()
	kafka.Patience = d.patience
	client, err := publisher.New(kafka)
	if err != nil {
		return false // checkKafka has said it
	}
	defer client.Close()
	quickest, events, err := newestLateness(ctx, topic.New(client, d.cfg.Kafka.Topic), d.env.now().Add(-recentEvents))
	if err != nil || events == 0 {
		return false // a topic that is not there is said by checkKafka
	}
	how := fmt.Sprintf("compared with Tencent's: of %s in the last hour, the quickest was received %s after it occurred",
		plural(int64(events), "event"), quickest.Round(time.Millisecond))
	switch {
	case quickest < 0:
		d.judgeSkew(quickest, how)
	case quickest > uneasySkew:
		d.warn("clock", "it may be ahead, or callbacks come late, %s", how).do("compare it with --time-server")
	default:
		d.ok("clock", "it is right to some seconds, %s", how)
	}
	return true
}

// newestLateness is how long after it occurred the quickest of the newest events
// was received, of those received since a time.
func newestLateness(ctx context.Context, t *topic.Topic, since time.Time) (quickest time.Duration, events int, err error) {
	quickest = math.MaxInt64
	n, err := t.Partitions(ctx)
	if err != nil {
		return 0, 0, err
	}
	for p := range min(n, partitionsMost) {
		start, end, err := t.Offsets(ctx, p)
		if err != nil {
			return 0, 0, err
		}
		err = t.Read(ctx, p, max(start, end-eventsEach), end, func(r *publisher.Record) error {
			e, err := schema.Decode(r.Value)
			if err == nil && !e.OccurredAt.IsZero() && e.ReceivedAt.After(since) {
				quickest, events = min(quickest, e.ReceivedAt.Sub(e.OccurredAt)), events+1
			}
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return quickest, events, nil
}
