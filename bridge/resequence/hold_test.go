package resequence

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// traffic is what a simulation sends.
type traffic struct {
	name    string
	late    float64       // share of the callbacks that are delayed
	delay   time.Duration // up to this, evenly
	missing float64       // share of the numbers that have no callback
	worse   time.Duration // delay of the second half, where not 0
}

func simulatedTraffic() []traffic {
	return []traffic{
		{name: "in-order"},
		{name: "disorder", late: 0.05, delay: 100 * time.Millisecond},
		{name: "holes", missing: 0.10},
		{name: "both", late: 0.05, delay: 100 * time.Millisecond, missing: 0.10},
		{name: "worsens", late: 0.05, delay: 50 * time.Millisecond, worse: 600 * time.Millisecond},
	}
}

func simulatedHolds() []Config {
	return []Config{{Hold: Adaptive}, {Hold: Off}, {Hold: Fixed, Fixed: time.Second}}
}

const (
	simulatedStreams = 40
	simulatedRate    = 20 // messages a second and stream, as a busy group
	simulatedTime    = 2 * time.Minute
)

// deliveries are the callbacks of a simulation in the order of their receipt.
func (tr traffic) deliveries() []Item[int] {
	rng := rand.New(rand.NewPCG(3, 14))
	var all []Item[int]
	for s := range simulatedStreams {
		at := time.Duration(0)
		for seq := uint64(1); at < simulatedTime; seq++ {
			at += time.Duration(rng.ExpFloat64() / simulatedRate * float64(time.Second))
			delay := tr.delay
			if tr.worse != 0 && at > simulatedTime/2 {
				delay = tr.worse
			}
			received := at
			if rng.Float64() < tr.late {
				received += time.Duration(rng.Float64() * float64(delay))
			}
			if rng.Float64() < tr.missing {
				continue
			}
			it := Item[int]{Key: benchKey(s), Seq: seq, Sequenced: true, MsgTime: 1 + int64(at/time.Second), ReceivedAt: int64(received)}
			binary.LittleEndian.PutUint64(it.ID[:], seq)
			all = append(all, it)
		}
	}
	slices.SortStableFunc(all, func(a, b Item[int]) int { return cmp.Compare(a.ReceivedAt, b.ReceivedAt) })
	return all
}

// outcome is what a simulation found.
type outcome struct {
	p50, p99, most time.Duration // from receipt to decision
	late           float64       // share of the records
	hold           time.Duration // at the end
}

// simulate plays deliveries with a clock that stops at each deadline.
func simulate(cfg Config, deliveries []Item[int]) outcome {
	b := New[int](cfg)
	var added []time.Duration
	late := 0
	note := func(now int64, out []Decision[int]) {
		for _, d := range out {
			added = append(added, time.Duration(now-d.Item.ReceivedAt))
			if d.Verdict == Late {
				late++
			}
		}
	}
	var out []Decision[int]
	expire := func(until int64) {
		for at, ok := b.NextDeadline(); ok && at <= until; at, ok = b.NextDeadline() {
			out = b.Expire(at, out[:0])
			note(at, out)
		}
	}
	for _, it := range deliveries {
		expire(it.ReceivedAt)
		out = b.Push(it.ReceivedAt, it, out[:0])
		note(it.ReceivedAt, out)
	}
	expire(int64(simulatedTime) * 2)
	slices.Sort(added)
	return outcome{
		p50: added[len(added)/2], p99: added[len(added)*99/100], most: added[len(added)-1],
		late: float64(late) / float64(len(added)), hold: b.Stats().Hold,
	}
}

// BenchmarkHold shows what the adaptive hold does, against none and a fixed one.
func BenchmarkHold(b *testing.B) {
	for _, tr := range simulatedTraffic() {
		var table strings.Builder
		fmt.Fprintf(&table, "%-10s %-9s %10s %10s %10s %9s %10s\n", "traffic", "hold", "p50", "p99", "max", "late", "in force")
		deliveries := tr.deliveries()
		for _, cfg := range simulatedHolds() {
			var o outcome
			b.Run(tr.name+"/"+cfg.Hold.String(), func(b *testing.B) {
				for b.Loop() {
					o = simulate(cfg, deliveries)
				}
				b.ReportMetric(float64(o.p50.Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(o.p99.Microseconds())/1000, "p99-ms")
				b.ReportMetric(o.late*100, "late-%")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(deliveries)), "ns/record")
			})
			fmt.Fprintf(&table, "%-10s %-9s %10v %10v %10v %8.3f%% %10v\n", tr.name, cfg.Hold,
				o.p50.Round(100*time.Microsecond), o.p99.Round(100*time.Microsecond), o.most.Round(100*time.Microsecond), o.late*100, o.hold)
		}
		b.Run(tr.name+"/table", func(b *testing.B) {
			for b.Loop() { // nothing to measure: a place for the table
			}
			b.Logf("%d streams, %d messages/s each; added latency from receipt to decision\n%s", simulatedStreams, simulatedRate, table.String())
		})
	}
}

// TestAdaptiveHold holds what BenchmarkHold shows: order costs nothing, the
// disorder of the network is met, and holes that never fill cost the floor.
func TestAdaptiveHold(t *testing.T) {
	t.Parallel()
	results := make(map[string]outcome)
	for _, tr := range simulatedTraffic() {
		deliveries := tr.deliveries()
		for _, cfg := range simulatedHolds() {
			results[tr.name+"/"+cfg.Hold.String()] = simulate(cfg, deliveries)
		}
	}
	if o := results["in-order/adaptive"]; o.most != 0 || o.late != 0 {
		t.Errorf("in-order traffic waits up to %v, and %v of it is late", o.most, o.late)
	}
	if o := results["holes/adaptive"]; o.most > DefaultFloor {
		t.Errorf("holes that never fill cost up to %v", o.most)
	}
	for _, name := range []string{"disorder", "both", "worsens"} {
		adaptive, off, fixed := results[name+"/adaptive"], results[name+"/off"], results[name+"/fixed"]
		if adaptive.late*20 > off.late {
			t.Errorf("%s: %v are late, with hold off %v", name, adaptive.late, off.late)
		}
		if adaptive.p99 > fixed.p99 || name == "both" && adaptive.p99*3 > fixed.p99 {
			t.Errorf("%s: added latency p99 %v, with a fixed hold %v", name, adaptive.p99, fixed.p99)
		}
	}
}
