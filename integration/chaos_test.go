package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// hazards is the table: everything that happens to the bridge in a run of
// TestChaos.
func hazards() []hazard {
	return []hazard{
		bridgeKilled(), brokerKilled(), brokerFrozen(), leaderMoved(), badNetwork(), bothKilled(),
		answerLost(), requestHeldBack(), oldRecords(), badDisk(), clockJumps(),
	}
}

// TestChaos plays the table of faults: P1, P3, P4, P5 through each of them, under
// load, on a real Kafka. It runs only when it is asked for, by
// -chatbridge.minutes; make chaos asks. The result is a table of its own, in
// which each fault has its row whatever happened to the others.
func TestChaos(t *testing.T) {
	if sizes.minutes == 0 {
		notCovered(t, "the table of faults was not asked for: make chaos")
	}
	needsReal(t, "the table of faults is of a real Kafka")
	needsOwn(t, "the table of faults kills its Kafka")
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxy's toxics log beside its logger
	results := newResults(t, sizes.seed, sizes.minutes)
	defer results.publish(t)
	defer results.complete(t)
	var at *site
	for _, a := range schedule(sizes.seed, sizes.minutes) {
		if at != nil && at.ground != a.scene.on {
			at.leave()
			at = nil
		}
		passed := t.Run(a.fault.name+"/"+a.scene.name, func(scene *testing.T) {
			r := results.row(a.fault.name)
			r.unfinished++
			if at == nil {
				at = newSite(scene, t, a.scene.on)
			}
			a.perform(scene, at, r)
			r.unfinished--
		})
		if !passed && at != nil { // it may have left its Kafka in any state
			at.leave()
			at = nil
		}
	}
}

// perform plays one scene, and adds what came of it to its row.
func (a *act) perform(t *testing.T, at *site, r *row) {
	if a.scene.also != nil {
		if why := a.scene.also(t); why != "" {
			r.leftOut(a.scene.name, why)
			return
		}
	}
	started := time.Now()
	s := newStage(t, at, a.scene)
	for _, u := range a.turns {
		a.scene.do(s, u)
	}
	sum, v, wrong := s.judged()
	for _, w := range wrong {
		t.Error(w)
	}
	r.add(len(a.turns), sum, v, wrong)
	s.leave()
	fmt.Fprintf(os.Stderr, "chaos: %s/%s: %d times, %d messages, %v: %d findings\n",
		a.fault.name, a.scene.name, len(a.turns), v.Messages, time.Since(started).Round(time.Second), len(wrong))
}
