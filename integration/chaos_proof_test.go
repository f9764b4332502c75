package integration

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestChaosSeesWhatIsDoubled: a clean table means something only if the same
// faults show a program that is wrong. This one does not read the topic's end
// after an answer was lost, and trusts the broker's memory alone (P4). Messages are
// three days old and the broker is killed, or it forgets by itself: what it had
// already it takes again, and the audit must say so.
func TestChaosSeesWhatIsDoubled(t *testing.T) {
	t.Parallel()
	needsReal(t, "what kfake remembers of producers is not what Kafka does")
	needsOwn(t, "the Kafka is killed")
	dice(t)
	sc := scene{on: ground{nodes: 1, forgetful: true}, sends: sendsAgainOld, gates: true}
	sc.open = func(s *stage) {
		s.bridge = newBridge(t, s.kafka, s.settings()...)
		s.bridge.binary = blindProgram(t)
	}
	s := newStage(t, newSite(t, t, sc.on), &sc)
	for _, fault := range []func(*stage, turn){loseAnswersAndBroker, loseAnswersInSilence} {
		fault(s, turn{luck: [4]float64{0.9, 0.5, 0.9, 0.5}})
	}
	sum, v, wrong := s.judged()
	var r row
	r.times = 2
	r.add(2, sum, v, wrong)
	if r.doubled == 0 || r.outcome() == "clean" {
		t.Errorf("the program does not read the topic's end, and the table says: %d doubled, %s", r.doubled, r.outcome())
	}
	if r.lost != 0 {
		t.Errorf("%d messages are lost: the run shows something else", r.lost)
	}
	t.Logf("%d of %d messages doubled, as was to be seen: %s", r.doubled, r.messages, r.outcome())
}

// blindProgram builds the program without the reading of the topic's end.
func blindProgram(t testing.TB) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "chatbridge")
	if out, err := exec.Command("go", "build", "-tags", "chatbridge_no_tail_read", "-o", to, "../cmd/chatbridge").CombinedOutput(); err != nil {
		t.Fatalf("build the program without reading the topic's end: %v\n%s", err, out)
	}
	return to
}
