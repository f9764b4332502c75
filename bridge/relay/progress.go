package relay

import (
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

// Progress is how far a relay is, by its checkpoint: as of a second ago where
// it runs.
type Progress struct {
	// Low is the lowest position that is not finished; 0 where there is no checkpoint.
	Low spool.Position
	// Finished counts the positions above Low that are known to be finished.
	Finished int

	lanes []laneProgress
}

type laneProgress struct {
	low      spool.Position
	finished *positions
}

// Has reports whether a record is finished: settled by Kafka, dead-lettered, or
// dropped as a duplicate or as a command that nobody wants.
func (p *Progress) Has(e *spool.Entry) bool {
	if len(p.lanes) == 0 {
		return false
	}
	l := &p.lanes[placeOf(e, nil, len(p.lanes))]
	return e.Position < l.low || l.finished.has(e.Position)
}

// ReadProgress reads a checkpoint; load calls its argument with each entry.
func ReadProgress(load func(fn func(entry []byte) error) error) (Progress, error) {
	state, err := restore(load, func(int) *buffer { return resequence.New[*outgoing](resequence.Config{}) })
	if err != nil {
		return Progress{}, err
	}
	p := Progress{lanes: make([]laneProgress, len(state.lanes))}
	for i := range state.lanes {
		if low := state.lanes[i].low; i == 0 || low < p.Low {
			p.Low = low
		}
		p.lanes[i] = laneProgress{state.lanes[i].low, state.lanes[i].finished}
		p.Finished += state.lanes[i].finished.count()
	}
	return p, nil
}
