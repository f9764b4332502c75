package integration

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// A hazard is a row of the table: something that goes wrong, again and again.
type hazard struct {
	name   string
	how    string
	least  int // times in the full form, which is an hour
	scenes []scene
}

// A scene is one bridge under load, to which a fault happens some times; then it
// is audited.
type scene struct {
	name  string
	on    ground
	sends variant
	part  int                           // of the fault's times, in proportion to the other scenes'
	gates bool                          // the bridge reaches Kafka through gates, see gate
	front bool                          // the sender reaches the bridge through a passage
	open  func(*stage)                  // instead of starting a bridge as all others do; may be nil
	kinds []kind                        // what happens, each as often as the others
	also  func(testing.TB) (why string) // what this machine must have; "" = it has it
}

// A kind is one way in which the fault happens. It does it once, and mends it.
type kind struct {
	name string
	do   func(*stage, turn)
}

// A ground is the Kafka under a scene. Scenes on the same ground share it.
type ground struct {
	nodes     int
	forgetful bool // forgets a producer one second after its last record's time
}

// An act is a scene with all that will happen in it.
type act struct {
	fault *hazard
	scene *scene
	turns []turn
}

// A turn is one fault, with the luck that decides on its delays and victims.
type turn struct {
	kind string
	luck [4]float64 // each in [0, 1)
}

// between is a duration by the turn's i-th luck.
func (u turn) between(i int, least, most time.Duration) time.Duration {
	return least + time.Duration(u.luck[i]*float64(most-least))
}

// pick is a number below n by the turn's i-th luck.
func (u turn) pick(i, n int) int { return int(u.luck[i] * float64(n)) }

// fullForm is how many minutes hold each fault as often as its row promises;
// sceneShift is how many the scenes' own beginnings and ends take of them, however
// little happens in between.
const (
	fullForm   = 60
	sceneShift = 4
)

// timesIn is how often a fault happens in a run of so many minutes.
func (f *hazard) timesIn(minutes int) int {
	const whole = fullForm - sceneShift
	return max(1, (f.least*(minutes-sceneShift)+whole-1)/whole)
}

// schedule is everything that a run of so many minutes does, in its order. It
// depends on nothing but its arguments and the table of faults.
func schedule(seed uint64, minutes int) []act {
	var acts []act
	all := hazards()
	for i := range all {
		f := &all[i]
		total, parts := f.timesIn(minutes), 0
		for j := range f.scenes {
			parts += f.scenes[j].part
		}
		done, passed := 0, 0
		for j := range f.scenes {
			s := &f.scenes[j]
			passed += s.part
			n := total*passed/parts - done
			done += n
			if n > 0 {
				acts = append(acts, act{f, s, turnsOf(seed, f.name+"/"+s.name, s.kinds, n)})
			}
		}
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	rnd.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	// One Kafka after the other: a machine has room for one.
	slices.SortStableFunc(acts, func(a, b act) int {
		return cmp.Or(cmp.Compare(a.scene.on.nodes, b.scene.on.nodes), boolean(a.scene.on.forgetful)-boolean(b.scene.on.forgetful))
	})
	return acts
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// turnsOf are n turns, in which all kinds come equally often, in any order.
func turnsOf(seed uint64, name string, kinds []kind, n int) []turn {
	h := fnv.New64a()
	h.Write([]byte(name))
	rnd := rand.New(rand.NewPCG(seed, h.Sum64()))
	turns := make([]turn, n)
	first := rnd.IntN(len(kinds))
	for i := range turns {
		turns[i].kind = kinds[(first+i)%len(kinds)].name
		for j := range turns[i].luck {
			turns[i].luck[j] = rnd.Float64()
		}
	}
	rnd.Shuffle(n, func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	return turns
}

// do carries a turn out.
func (s *scene) do(on *stage, u turn) {
	i := slices.IndexFunc(s.kinds, func(k kind) bool { return k.name == u.kind })
	s.kinds[i].do(on, u)
}

// told is a schedule as it can be compared.
func told(acts []act) []any {
	var all []any
	for _, a := range acts {
		all = append(all, a.fault.name, a.scene.name)
		for _, u := range a.turns {
			all = append(all, u.kind, u.luck)
		}
	}
	return all
}

// TestChaosScheduleIsTheSeeds: seed and minutes decide on every fault, its place,
// its kind, its delays and its victims; another seed decides otherwise.
func TestChaosScheduleIsTheSeeds(t *testing.T) {
	t.Parallel()
	for _, minutes := range []int{1, 8, fullForm} {
		first := told(schedule(7, minutes))
		if diff := gocmp.Diff(first, told(schedule(7, minutes))); diff != "" {
			t.Errorf("%d minutes, seed 7, planned twice:\n%s", minutes, diff)
		}
		if gocmp.Equal(first, told(schedule(8, minutes))) {
			t.Errorf("%d minutes: seeds 7 and 8 plan the same", minutes)
		}
	}
}

// TestChaosFullFormIsComplete: an hour has each fault as often as its row says and
// each kind of it, and even the shortest run has each fault once.
func TestChaosFullFormIsComplete(t *testing.T) {
	t.Parallel()
	for _, minutes := range []int{1, 8, fullForm, 2 * fullForm} {
		times, kinds := map[string]int{}, map[string]bool{}
		for _, a := range schedule(7, minutes) {
			times[a.fault.name] += len(a.turns)
			for _, u := range a.turns {
				kinds[a.fault.name+"/"+a.scene.name+"/"+u.kind] = true
			}
		}
		for _, f := range hazards() {
			want := max(1, f.least*(minutes/fullForm))
			if got := times[f.name]; got < want {
				t.Errorf("%d minutes: %s comes %d times, want %d", minutes, f.name, got, want)
			}
			for _, s := range f.scenes {
				for _, k := range s.kinds {
					if name := f.name + "/" + s.name + "/" + k.name; minutes >= fullForm && !kinds[name] {
						t.Errorf("%d minutes: %s does not come", minutes, name)
					}
				}
			}
		}
	}
}
