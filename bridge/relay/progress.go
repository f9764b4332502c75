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
}

// ReadProgress reads a checkpoint; load calls its argument with each entry.
func ReadProgress(load func(fn func(entry []byte) error) error) (Progress, error) {
	state, err := restore(load, func(int) *buffer { return resequence.New[*outgoing](resequence.Config{}) })
	if err != nil {
		return Progress{}, err
	}
	var p Progress
	for i := range state.lanes {
		if low := state.lanes[i].low; i == 0 || low < p.Low {
			p.Low = low
		}
		p.Finished += state.lanes[i].finished.count()
	}
	return p, nil
}
