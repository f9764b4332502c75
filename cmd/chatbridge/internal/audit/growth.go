package audit

import (
	"strconv"
	"sync"

	"github.com/chatbridge/chatbridge/publisher"
)

// growth finds out whether the misplaced records lie where a topic of fewer
// partitions would have put them.
type growth struct {
	mu    *sync.Mutex
	could []bool // could[m]: all of them would be right with m partitions
	some  bool
}

func newGrowth(partitions int) growth {
	g := growth{mu: new(sync.Mutex), could: make([]bool, min(partitions, 1024))}
	for m := 1; m < len(g.could); m++ {
		g.could[m] = true
	}
	return g
}

func (g *growth) misplaced(group []byte, partition int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.some = true
	for m, still := range g.could {
		if still && publisher.PartitionFor(group, m) != partition {
			g.could[m] = false
		}
	}
}

// from returns the former numbers of partitions that explain all; none explains
// nothing.
func (g *growth) from() []string {
	var numbers []string
	for m, could := range g.could {
		if g.some && could {
			numbers = append(numbers, strconv.Itoa(m))
		}
	}
	return numbers
}
