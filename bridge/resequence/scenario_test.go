package resequence

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The flag is read by one test only. Commit only what you understand.
var rewrite = flag.Bool("rewrite", false, "write what the scenarios give into testdata")

// TestScenarios plays testdata/*.txt. Each rule of doc.go has a file that
// shows it, P3, P4 and P5 among them. A file is a list of blocks:
//
//	commands, one a line
//	----
//	what they print
//
// The commands:
//
//	new [hold=off|adaptive|DURATION] [window=N] [items=N] [bytes=N] [budget=N] [state=N]
//	    begins with an empty buffer
//	[@MS] push STREAM NUMBER|FROM-TO|? [t=SECONDS] [id=NAME] [size=N] [received=MS]
//	    moves the clock to MS milliseconds and pushes; ? is unsequenced
//	@MS expire
//	observe STREAM NUMBER|? VERDICT [t=SECONDS] [id=NAME]
//	restart
//	    saves, begins anew and loads; what was held is gone until it is pushed again
//	deadline
//	streams
//	    the streams known, the least recently used first
//	stats
//
// Two messages are the same where stream, number, t and id are.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playScenario(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the scenario gives something else (-file +got):\n%s", diff)
			}
		})
	}
}

func playScenario(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	s := &scenario{t: t}
	inResult := false
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case inResult && trimmed != "":
		case inResult:
			inResult = false
			out.WriteString("\n")
		case trimmed == "----":
			inResult = true
			out.WriteString("----\n")
			out.WriteString(s.flush())
		default:
			out.WriteString(line)
			if trimmed != "" && !strings.HasPrefix(trimmed, "#") {
				s.command(trimmed)
			}
		}
	}
	return out.String()
}

// scenario is the state between commands.
type scenario struct {
	t   *testing.T
	b   *Buffer[string]
	now int64
	out strings.Builder
}

func (s *scenario) flush() string {
	defer s.out.Reset()
	if s.out.Len() == 0 {
		return "(nothing)\n"
	}
	return s.out.String()
}

func (s *scenario) command(line string) {
	s.t.Helper()
	words := strings.Fields(line)
	if ms, ok := strings.CutPrefix(words[0], "@"); ok {
		s.now = s.number(ms) * int64(time.Millisecond)
		words = words[1:]
	}
	plain, options := s.split(words)
	switch plain[0] {
	case "new":
		s.b = New[string](s.config(options))
	case "push":
		s.push(plain[1], plain[2], options)
	case "expire":
		s.print(s.b.Expire(s.now, nil))
	case "observe":
		it := s.item(plain[1], plain[2], options)
		s.b.Observe(Fact{Key: it.Key, ID: it.ID, Seq: it.Seq, MsgTime: it.MsgTime, Verdict: s.verdict(plain[3])})
	case "restart":
		s.restart()
	case "deadline":
		if at, ok := s.b.NextDeadline(); ok {
			fmt.Fprintf(&s.out, "deadline %dms\n", at/int64(time.Millisecond))
		} else {
			fmt.Fprintln(&s.out, "no deadline")
		}
	case "streams":
		err := s.b.Save(func(key Key, state []byte) error {
			if state[0] == streamState {
				fmt.Fprintf(&s.out, "%s\n", bytes.TrimRight(key[:], "\x00"))
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	case "stats":
		s.stats()
	default:
		s.t.Fatalf("no such command: %s", line)
	}
}

func (s *scenario) split(words []string) (plain []string, options map[string]string) {
	options = make(map[string]string)
	for _, w := range words {
		if name, value, ok := strings.Cut(w, "="); ok {
			options[name] = value
		} else {
			plain = append(plain, w)
		}
	}
	return plain, options
}

func (s *scenario) config(options map[string]string) Config {
	c := Config{Hold: Fixed, Fixed: 100 * time.Millisecond}
	for name, value := range options {
		switch name {
		case "hold":
			switch value {
			case "off":
				c.Hold = Off
			case "adaptive":
				c.Hold = Adaptive
			default:
				d, err := time.ParseDuration(value)
				if err != nil {
					s.t.Fatal(err)
				}
				c.Fixed = d
			}
		case "window":
			c.Window = int(s.number(value))
		case "items":
			c.StreamItems = int(s.number(value))
		case "bytes":
			c.StreamBytes = s.number(value)
		case "budget":
			c.Budget = NewBudget(s.number(value))
		case "state":
			c.StateBytes = s.number(value)
		default:
			s.t.Fatalf("no such option: %s", name)
		}
	}
	return c
}

func (s *scenario) push(stream, numbers string, options map[string]string) {
	from, to, several := strings.Cut(numbers, "-")
	if !several {
		s.print(s.b.Push(s.now, s.item(stream, numbers, options), nil))
		return
	}
	for n := s.number(from); n <= s.number(to); n++ {
		s.print(s.b.Push(s.now, s.item(stream, strconv.FormatInt(n, 10), options), nil))
	}
}

func (s *scenario) item(stream, number string, options map[string]string) Item[string] {
	it := Item[string]{ReceivedAt: s.now, MsgTime: 100, Sequenced: number != "?"}
	copy(it.Key[:], stream)
	if it.Sequenced {
		it.Seq = uint64(s.number(number))
	}
	for name, value := range options {
		switch name {
		case "t":
			it.MsgTime = s.number(value)
		case "size":
			it.Size = int(s.number(value))
		case "received":
			it.ReceivedAt = s.number(value) * int64(time.Millisecond)
		case "id":
		default:
			s.t.Fatalf("no such option: %s", name)
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %s", stream, number, it.MsgTime, options["id"]))
	copy(it.ID[:], sum[:])
	it.Value = stream + " " + number
	if id := options["id"]; id != "" {
		it.Value += "(" + id + ")"
	}
	return it
}

func (s *scenario) print(out []Decision[string]) {
	for _, d := range out {
		fmt.Fprintf(&s.out, "%s %s", d.Item.Value, d.Verdict)
		if d.HoleFrom != 0 {
			fmt.Fprintf(&s.out, " %d-%d", d.HoleFrom, d.HoleTo)
		}
		if d.Held != 0 {
			fmt.Fprintf(&s.out, " held %v", d.Held)
		}
		fmt.Fprintln(&s.out)
	}
}

func (s *scenario) verdict(name string) Verdict {
	for v := InOrder; v <= Duplicate; v++ {
		if v.String() == name {
			return v
		}
	}
	s.t.Fatalf("no such verdict: %s", name)
	return 0
}

func (s *scenario) restart() {
	next := New[string](s.b.cfg)
	next.cfg.Budget = NewBudget(s.b.cfg.Budget.Limit())
	if err := s.b.Save(next.Load); err != nil {
		s.t.Fatal(err)
	}
	s.b = next
}

func (s *scenario) stats() {
	st := s.b.Stats()
	fmt.Fprintf(&s.out, "held %d items %d bytes in %d of %d streams\n", st.Held, st.HeldBytes, st.Waiting, st.Streams)
	fmt.Fprintf(&s.out, "in-order %d after-hole %d late %d unsequenced %d reset %d duplicate %d\n",
		st.InOrder, st.AfterHole, st.Late, st.Unsequenced, st.Resets, st.Duplicates)
	fmt.Fprintf(&s.out, "missing %d filled %d given up %+v evicted %d hold %v\n",
		st.Missing, st.Filled, st.GivenUp, st.Evicted, st.Hold)
}

func (s *scenario) number(text string) int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}
