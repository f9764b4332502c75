package integration

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Results are what a run of all faults found.
type results struct {
	seed    uint64
	minutes int
	started time.Time
	rows    []*row
}

// A row is what became of one fault.
type row struct {
	fault      hazard
	times      int
	unfinished int // scenes that did not come to their audit

	messages, stored                  uint64
	slowest                           float64 // callbacks a second, of the scene with the fewest
	lost, doubled, disordered, others uint64
	dropped, unanswered, unexplained  uint64
	wrong                             []string
	left                              []string // scenes that were left out, and why
}

func newResults(t *testing.T, seed uint64, minutes int) *results {
	t.Helper()
	t.Logf("seed: -chatbridge.seed=%d", seed)
	fmt.Fprintf(os.Stderr, "chaos: SEED=%d MINUTES=%d\n", seed, minutes)
	tab := &results{seed: seed, minutes: minutes, started: time.Now()}
	for _, f := range hazards() {
		tab.rows = append(tab.rows, &row{fault: f})
	}
	return tab
}

func (t *results) row(name string) *row {
	for _, r := range t.rows {
		if r.fault.name == name {
			return r
		}
	}
	return nil
}

// add counts one scene.
func (r *row) add(times int, s sent, v verdict, wrong []string) {
	r.times += times
	r.messages += v.Messages
	r.stored += s.OK
	if r.slowest == 0 || s.PerSecond < r.slowest {
		r.slowest = s.PerSecond
	}
	r.lost += v.found("lost")
	r.doubled += v.found("doubled")
	r.disordered += v.found("out-of-order")
	for _, f := range v.Findings {
		r.others += f.Count
	}
	r.dropped += v.Holes.Dropped
	r.unanswered += v.Holes.Unanswered
	r.unexplained += v.Holes.Unexplained
	r.wrong = append(r.wrong, wrong...)
}

func (r *row) leftOut(scene, why string) { r.left = append(r.left, scene+": "+why) }

// outcome is the row's last cell.
func (r *row) outcome() string {
	others := r.others - r.lost - r.doubled - r.disordered
	switch {
	case r.unfinished > 0:
		return fmt.Sprintf("**scenes without an audit: %d**", r.unfinished)
	case others > 0:
		return fmt.Sprintf("**other findings: %d**", others)
	case len(r.wrong) > 0:
		return "**not clean**"
	case r.times == 0 && len(r.left) > 0:
		return "not run"
	case r.times == 0:
		return "not in so short a run"
	case len(r.left) > 0:
		return "clean, in part"
	default:
		return "clean"
	}
}

// complete fails a run in which a fault did not happen as often as it should have:
// a table with a hole in it shows nothing of what is missing.
func (t *results) complete(tb testing.TB) {
	for _, r := range t.rows {
		if want := r.fault.timesIn(t.minutes); r.times < want {
			tb.Errorf("%s: %d times, want %d: %s", r.fault.name, r.times, want, strings.Join(r.left, "; "))
		}
	}
}

// publish prints the table, or writes it to the file that is asked for.
func (t *results) publish(tb testing.TB) {
	text := t.markdown()
	if sizes.table == "" {
		fmt.Println(text)
		return
	}
	if err := os.WriteFile(sizes.table, []byte(text), 0o644); err != nil {
		tb.Error(err)
	}
}

func (t *results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| fault | how | times | messages | answered OK | callbacks/s, slowest scene | lost | doubled | out of order | holes: dropped by the sender, without a good answer, unexplained | outcome |\n")
	fmt.Fprintf(&b, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |\n")
	var whole row
	for _, r := range t.rows {
		r.line(&b, r.fault.name, r.fault.how, r.outcome())
		whole.times += r.times
		whole.messages += r.messages
		whole.stored += r.stored
		if whole.slowest == 0 || r.slowest > 0 && r.slowest < whole.slowest {
			whole.slowest = r.slowest
		}
		whole.lost += r.lost
		whole.doubled += r.doubled
		whole.disordered += r.disordered
		whole.dropped += r.dropped
		whole.unanswered += r.unanswered
		whole.unexplained += r.unexplained
	}
	whole.line(&b, "**all**", "", "")
	for _, r := range t.rows {
		for _, why := range r.left {
			fmt.Fprintf(&b, "\nNot run: %s, %s\n", r.fault.name, why)
		}
	}
	fmt.Fprintf(&b, "\n%s", t.terms())
	return b.String()
}

func (r *row) line(b *strings.Builder, name, how, outcome string) {
	fmt.Fprintf(b, "| %s | %s | %d | %d | %d | %.0f | %d | %d | %d | %d, %d, %d | %s |\n", name, how, r.times, r.messages, r.stored, r.slowest,
		r.lost, r.doubled, r.disordered, r.dropped, r.unanswered, r.unexplained, outcome)
}

// terms is under which the table is true.
func (t *results) terms() string {
	version := "at " + output("git", "describe", "--tags", "--always", "--dirty") + ", " + output(program, "version")
	var b strings.Builder
	for _, line := range [][2]string{
		{"seed", fmt.Sprint(t.seed)},
		{"date", t.started.UTC().Format(time.DateOnly)},
		{"took", time.Since(t.started).Round(time.Second).String()},
		{"Kafka", kafkas.way.title},
		{"chatbridge", version},
		{"load", fmt.Sprintf("%d callbacks a second, %s", sizes.rate, strings.Join(traffic(), " "))},
		{"machine", machineName()},
		{"command", fmt.Sprintf("`make chaos SEED=%d MINUTES=%d RATE=%d`", t.seed, t.minutes, sizes.rate)},
	} {
		fmt.Fprintf(&b, "- %s: %s\n", line[0], line[1])
	}
	return b.String()
}

// output is what a command prints, in one line.
func output(name string, args ...string) string {
	text, err := exec.Command(name, args...).Output()
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// machineName is what matters of the machine.
func machineName() string {
	name := fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		name += ", kernel " + strings.TrimSpace(string(text))
	}
	return name
}
