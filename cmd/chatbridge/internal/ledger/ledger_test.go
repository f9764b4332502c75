package ledger

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/schema"
)

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ledger.jsonl")
}

func mustOpen(t *testing.T, path string) (*Writer, *History) {
	t.Helper()
	w, h, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, h
}

func mustWrite(t *testing.T, path string, lines ...*Line) {
	t.Helper()
	w, _ := mustOpen(t, path)
	if err := errors.Join(w.Append(lines...), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, path string) (lines []Line, offsets []int64) {
	t.Helper()
	err := Read(path, func(offset int64, l *Line) error {
		lines, offsets = append(lines, *l), append(offsets, offset)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, offsets
}

func TestEveryLineIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 10, 9, 8, 53, 20, 123456000, time.UTC)
	want := []Line{
		{Kind: Run, Seed: 42, App: 1400000000, SentAt: at},
		{Kind: Reserved, App: 1400000000, Group: "room 7/#\"east\"", Topic: "送礼物\n", Seq: 1, To: 256},
		{Kind: OK, App: 1, Group: "g", Seq: 1<<64 - 1, Random: 1<<32 - 1, MsgTime: 1760000000, ID: "an-id", SentAt: at, AnsweredAt: at, Attempts: 3},
		{Kind: Refused, App: 1, Group: "g", Seq: 2, ID: "x", Status: 503, Attempts: 1},
		{Kind: Unanswered, App: 1, Group: "g", Seq: 3, ID: "y", Reason: "timeout", Attempts: 1},
		{Kind: Dropped, App: 1, Group: "g", Seq: 4},
		{Kind: End, AnsweredAt: at},
	}
	path := newPath(t)
	var lines []*Line
	for i := range want {
		lines = append(lines, &want[i])
	}
	mustWrite(t, path, lines...)
	got, offsets := mustRead(t, path)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range offsets {
		line, err := At(path, offsets[i])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], line); diff != "" {
			t.Errorf("at %d: %s", offsets[i], diff)
		}
	}
}

// A reservation is what the audit of a killed sender rests on (P9).
func TestReservationIsInTheFileWhenReserveReturns(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	w, _ := mustOpen(t, path)
	if err := w.Append(&Line{Kind: Dropped, App: 1, Group: "g", Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if lines, _ := mustRead(t, path); len(lines) != 0 {
		t.Fatalf("a mere line was written at once: %d lines", len(lines))
	}
	if err := w.Reserve(&Line{Kind: Reserved, App: 1, Group: "g", Seq: 2, To: 9}); err != nil {
		t.Fatal(err)
	}
	if lines, _ := mustRead(t, path); len(lines) != 2 || lines[1].Kind != Reserved {
		t.Fatalf("after Reserve the file holds %+v", lines)
	}
}

func TestNumbersAreNeverUsedTwice(t *testing.T) {
	t.Parallel()
	reserve := func(group string, from, to uint64) *Line {
		return &Line{Kind: Reserved, App: 1, Group: group, Seq: from, To: to}
	}
	ok := func(group string, seq uint64) *Line { return &Line{Kind: OK, App: 1, Group: group, Seq: seq, ID: "x"} }
	run, end := &Line{Kind: Run, Seed: 9}, &Line{Kind: End}
	for _, c := range []struct {
		name  string
		lines []*Line
		want  uint64
	}{
		{"nothing", nil, 1},
		{"ended: above what was used", []*Line{run, reserve("g", 1, 256), ok("g", 7), end}, 8},
		{"ended: a dropped number is used", []*Line{run, reserve("g", 1, 256), {Kind: Dropped, App: 1, Group: "g", Seq: 9}, end}, 10},
		{"killed: above what was reserved", []*Line{run, reserve("g", 1, 256), ok("g", 7)}, 257},
		{"killed, then ended", []*Line{run, reserve("g", 1, 256), run, reserve("g", 257, 512), ok("g", 257), end}, 258},
		{"killed, then not used", []*Line{run, reserve("g", 1, 256), run, end}, 257},
		{"another stream", []*Line{run, reserve("h", 1, 256), ok("h", 7)}, 1},
	} {
		path := newPath(t)
		mustWrite(t, path, c.lines...)
		_, h := mustOpen(t, path)
		if got := h.Next(schema.Stream{AppID: 1, GroupID: "g"}); got != c.want {
			t.Errorf("%s: next is %d, want %d", c.name, got, c.want)
		}
	}
}

func TestTornLastLineIsCutAndTheRestContinued(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	mustWrite(t, path, &Line{Kind: Run, Seed: 1}, &Line{Kind: Dropped, App: 1, Group: "g", Seq: 4})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lastLine := strings.LastIndex(strings.TrimRight(string(whole), "\n"), "\n") + 1
	for cut := lastLine + 1; cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if lines, _ := mustRead(t, path); len(lines) != 1 {
			t.Fatalf("cut at %d: %d lines are read, want 1", cut, len(lines))
		}
		w, _ := mustOpen(t, path)
		if err := errors.Join(w.Append(&Line{Kind: End}), w.Close()); err != nil {
			t.Fatal(err)
		}
		if lines, _ := mustRead(t, path); len(lines) != 2 || lines[1].Kind != End {
			t.Fatalf("cut at %d: then %+v", cut, lines)
		}
	}
}

func TestAForeignFileIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"precious", "precious\n", "a\nprecious", `{"kind":""}` + "\n", "[]\n"} {
		path := newPath(t)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(path); err == nil {
			t.Errorf("%q was opened as a ledger", content)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%q became %q", content, got)
		}
	}
}

func TestTwoSendersDoNotShareALedger(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	w, _ := mustOpen(t, path)
	if _, _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Fatalf("the second open returned %v", err)
	}
	w.Close()
	mustOpen(t, path)
}

func TestErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	_, err := readFrom(strings.NewReader("{\"kind\":\"run\"}\nnonsense\n"), "l.jsonl", 0, func(int64, *Line) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "l.jsonl:2:") {
		t.Errorf("got %v", err)
	}
}

// P9: whatever a ledger's file holds, reading it ends, within the file, with lines
// or with an error; each line is found again by its offset.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"run","seed":42,"app":1400000000}` + "\n" + `{"kind":"ok","app":1,"group":"g","seq":7}` + "\n" + `{"kind":"en`))
	f.Add([]byte("\n\n{}\n"))
	f.Add([]byte(`{"kind":"ok","seq":18446744073709551616}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := int64(-1)
		next, _ := readFrom(bytes.NewReader(b), "ledger", 0, func(offset int64, l *Line) error {
			if offset <= last || l.Kind == "" {
				t.Fatalf("a line of kind %q at %d after one at %d", l.Kind, offset, last)
			}
			last = offset
			want := *l
			_, err := readFrom(bytes.NewReader(b[offset:]), "ledger", offset, func(at int64, again *Line) error {
				if diff := cmp.Diff(want, *again); at != offset || diff != "" {
					t.Fatalf("the line at %d is read again at %d (-first +again):\n%s", offset, at, diff)
				}
				return io.EOF
			})
			if !errors.Is(err, io.EOF) {
				t.Fatalf("the line at %d is not read again: %v", offset, err)
			}
			return nil
		})
		if next < 0 || next > int64(len(b)) || next <= last {
			t.Fatalf("read up to %d of %d, the last line began at %d", next, len(b), last)
		}
	})
}
