package bridge

import (
	"errors"
	"fmt"

	"github.com/chatbridge/chatbridge/bridge/ops"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

// components are how each part of the bridge does, on a callback's way.
func (x *situation) components(stats relay.Stats) []ops.Component {
	return []ops.Component{x.ingestPart(), x.spoolPart(), x.diskPart(), x.relayPart(stats), x.kafkaPart()}
}

func (x *situation) ingestPart() ops.Component {
	c := ops.Component{Name: "Ingest", Level: ops.Good, Says: x.coming()}
	if x.pace.answer.guess > 0 {
		c.Says += fmt.Sprintf("; 99 of 100 answered %s", x.pace.answer)
	}
	if refused := x.pace.refused(); refused > 0 && x.pace.taken() > 0 {
		c.Says += fmt.Sprintf("; %.0f refused in the last minute", refused)
	}
	for _, judge := range []func() (ops.State, bool){x.stopping, x.lost, x.refused, x.slow} {
		if s, ok := judge(); ok {
			c.Level = s.Level
			return c
		}
	}
	return c
}

func (x *situation) spoolPart() ops.Component {
	s := x.spool
	c := ops.Component{Name: "Spool", Level: ops.Good, Says: fmt.Sprintf("%s, %s of %s", count(s.Records, "callback"), about(s.Bytes), about(s.MaxBytes))}
	if s.Records > 0 && !x.waiting.IsZero() {
		c.Says += ", the oldest " + long(max(x.now.Sub(x.waiting), 0)) + " old"
	}
	switch {
	case errors.Is(x.store, spool.ErrFull):
		c.Level, c.Says = ops.Trouble, "full: "+c.Says
	case x.store != nil:
		c.Level, c.Says = ops.Trouble, x.store.Error()
	case x.damage != nil:
		c.Level, c.Says = ops.Degraded, c.Says+"; damaged: "+x.damage.Error()
	case x.found != nil:
		c.Level, c.Says = ops.Degraded, fmt.Sprintf("%s; damaged in %s", c.Says, x.found)
	}
	return c
}

func (x *situation) diskPart() ops.Component {
	s := x.spool
	c := ops.Component{Name: "Disk", Level: ops.Good, Says: fmt.Sprintf("%s free, of which %s stay free; durability %s", about(s.FreeBytes), about(s.MinFree), s.Durability)}
	if state, ok := x.diskFails(); ok {
		c.Level, c.Says = ops.Trouble, state.Sentence
	} else if s.FreeBytes < s.MinFree {
		c.Level = ops.Trouble
	}
	return c
}

func (x *situation) relayPart(stats relay.Stats) ops.Component {
	r := stats.Resequence
	c := ops.Component{Name: "Relay", Level: ops.Good, Says: fmt.Sprintf("%s of %s held for their order, each for %s at most",
		count(r.Held, "message"), count(r.Waiting, "stream"), short(r.Hold))}
	if x.pace.settle.guess > 0 {
		c.Says += fmt.Sprintf("; 99 of 100 in Kafka %s", x.pace.settle)
	}
	if s, ok := x.behind(); ok {
		c.Level, c.Says = s.Level, c.Says+"; works off a backlog"
	}
	if !x.paused.IsZero() {
		c.Level, c.Says = ops.Degraded, "paused by the operator since "+x.clock(x.paused)
	}
	if x.relay != nil {
		c.Level, c.Says = ops.Degraded, x.relay.Error()
	}
	return c
}

func (x *situation) kafkaPart() ops.Component {
	why, _, down := x.away()
	if x.relay != nil || down && len(x.failing) == 0 && !x.paused.IsZero() {
		return ops.Component{Name: "Kafka", Level: ops.Good, Says: "is sent nothing"}
	}
	if down {
		return ops.Component{Name: "Kafka", Level: ops.Degraded, Says: upperFirst(why)}
	}
	return ops.Component{Name: "Kafka", Level: ops.Good, Says: "takes events; " + count(x.partitions, "partition")}
}
