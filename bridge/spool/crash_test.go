package spool

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// inBubble runs a test in parallel with others, with a clock of its own that
// goes on as soon as all wait: retries that pause take no time.
func inBubble(f func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	}
}

// crashAt stops the machine at call k; before that, the sync of one group
// fails: the one with number poison (0: none).
func crashAt(k, poison int) func(faultdisk.Call) faultdisk.Fault {
	syncs := 0
	groups := make(map[int]bool) // descriptors that a group was written to
	return func(c faultdisk.Call) faultdisk.Fault {
		if c.N == k {
			return faultdisk.Fault{Crash: true}
		}
		switch {
		case c.Op == faultdisk.OpWrite && c.Off >= headerBytes && strings.HasPrefix(c.Name, blankPrefix):
			groups[c.File] = true
		case c.Op == faultdisk.OpSync && groups[c.File]:
			if syncs++; syncs == poison {
				return faultdisk.Fault{Err: syscall.EIO}
			}
		}
		return faultdisk.Fault{}
	}
}

// crashRounds is how often the crash suite goes through all calls with all
// survivals; a nightly run sets CHATBRIDGE_CRASH_ROUNDS.
func crashRounds() int {
	n, err := strconv.Atoi(os.Getenv("CHATBRIDGE_CRASH_ROUNDS"))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// TestCrashAtEveryCall cuts the power at each file-system call of a run, with
// several outcomes for what was not synced; the spool is opened again, and
// everything acknowledged is there, nothing is invented, order and positions
// hold, and the checkpoint is a beginning with all that was synced (P1). The
// same with a disk that once failed to sync, so that a poisoned segment is
// part of the run.
func TestCrashAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, poison := range []int{0, 4, 11} {
		t.Run(fmt.Sprintf("poison=%d", poison), inBubble(func(t *testing.T) {
			points := 0
			for i := range crashRounds() * len(faultdisk.Survivals()) {
				survival := faultdisk.Survivals()[i%len(faultdisk.Survivals())]
				for k := 1; ; k++ {
					label := fmt.Sprintf("crash at call %d, survival %d", k, i)
					d := faultdisk.New(uint64(k*1000 + i))
					x := script{h: newHistory(), fs: d.Boot(crashAt(k, poison)), stop: true}
					err := x.play()
					if !d.Crashed() {
						if err != nil {
							t.Fatalf("%s: the run failed by itself: %v", label, err)
						}
						break // the run is over before call k
					}
					d.Crash(survival)
					x.h.reopenAndCheck(t, label, d)
					points++
				}
			}
			t.Logf("%d crash points", points)
		}))
	}
}

// TestCrashDuringRecovery cuts the power again while the spool recovers from
// a first crash, at each call of that recovery.
func TestCrashDuringRecovery(t *testing.T) {
	t.Parallel()
	survivals := faultdisk.Survivals()
	var mu sync.Mutex
	total := 0
	t.Cleanup(func() { t.Logf("%d double crash points", total) })
	for shard := range 4 {
		t.Run(fmt.Sprint(shard), inBubble(func(t *testing.T) {
			points := 0
			for k := 1 + shard; ; k += 4 {
				n, over := crashTwice(t, k, survivals[k%len(survivals)], survivals[(k/2)%len(survivals)])
				points += n
				if over {
					break
				}
			}
			mu.Lock()
			total += points
			mu.Unlock()
		}))
	}
}

// crashTwice crashes a run at call k, and then the recovery at every call.
func crashTwice(t *testing.T, k int, first, second faultdisk.Survival) (points int, over bool) {
	t.Helper()
	d := faultdisk.New(uint64(k))
	x := script{h: newHistory(), fs: d.Boot(crashAt(k, 7)), stop: true}
	_ = x.play()
	if !d.Crashed() {
		return 0, true
	}
	d.Crash(first)
	for j := 1; ; j++ {
		// Each second crash begins from the state that the first one left.
		twin := d.Copy(uint64(j))
		s, err := Open(smallSpool(twin.Boot(crashAt(j, 0))))
		if err == nil {
			_ = s.Close()
		}
		if !twin.Crashed() {
			return points, false
		}
		twin.Crash(second)
		h := *x.h
		h.waves, h.acked = copyMap(x.h.waves), copyMap(x.h.acked)
		h.refused, h.seen = copyMap(x.h.refused), copyMap(x.h.seen)
		h.reopenAndCheck(t, fmt.Sprintf("crash at call %d, then at call %d of recovery", k, j), twin)
		points++
	}
}

func copyMap[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// idleSync is a disk whose files are never synced, and that says they were.
type idleSync struct{ disk.FS }

func (d idleSync) Create(name string) (disk.File, error)    { return unsynced(d.FS.Create(name)) }
func (d idleSync) OpenWrite(name string) (disk.File, error) { return unsynced(d.FS.OpenWrite(name)) }

func unsynced(f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return idleFile{f}, nil
}

type idleFile struct{ disk.File }

func (idleFile) Sync() error { return nil }

// TestCrashSuiteSeesWhatWasNotSynced: the crash suite means something only if it
// shows a spool that is wrong. This one answers without fsync; after a power loss
// that takes all that was not synced, answered records must be missing (P1).
func TestCrashSuiteSeesWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := faultdisk.New(1)
		h := newHistory()
		s := mustOpen(t, smallSpool(idleSync{d.Boot(nil)}))
		for range 3 {
			h.appendWave(s, 5)
		}
		d.Crash(faultdisk.Survival{})
		_ = s.Close() // the machine is off
		s, err := Open(smallSpool(d.Boot(nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		lost := h.lost(h.acked, bodies(t, s.NewReader(0)))
		if len(h.acked) == 0 || len(lost) == 0 {
			t.Fatalf("%d records were answered without a sync, and %d are lost after a power loss", len(h.acked), len(lost))
		}
		t.Logf("%d of %d answered records are lost, as was to be seen", len(lost), len(h.acked))
	})
}
