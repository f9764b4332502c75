package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// hideMachine takes out of a transcript what differs between machines and runs.
func hideMachine(dir string) map[string]string {
	return map[string]string{
		regexpQuote(dir):         "SPOOL",
		`(free on disk +)[^\n]+`: "${1}FREE",
		`"free_bytes": \d+`:      `"free_bytes": FREE`,
		`pid \d+`:                "pid PID",
	}
}

// regexpQuote makes a pattern that matches text.
func regexpQuote(text string) string { return strings.NewReplacer(".", `\.`, "+", `\+`).Replace(text) }

// testBody is the body of a callback of a group.
func testBody(group string, seq int) string {
	return fmt.Sprintf(`{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":%q,"MsgSeq":%d}`, group, seq)
}

// newSpool makes a spool with five records and returns its directory.
func newSpool(t *testing.T) string {
	t.Helper()
	return fillSpool(t, 64<<10, testBody("@TGS#A", 1), testBody("@TGS#B", 1), "not\njson \x1b[31m", "\xff\xfe", testBody("@TGS#A", 2))
}

// newDamagedSpool makes a spool of two segments, of which the first is damaged
// in its second record.
func newDamagedSpool(t *testing.T) string {
	t.Helper()
	filler := strings.Repeat(" ", 900)
	dir := fillSpool(t, 4<<10, testBody("@TGS#A", 1)+filler, testBody("@TGS#B", 1)+filler, testBody("@TGS#A", 2)+filler,
		testBody("@TGS#A", 3)+filler)
	damage(t, dir, "@TGS#B")
	return dir
}

// fillSpool makes a spool with a record for each body, a minute between them.
func fillSpool(t *testing.T, segmentBytes int64, bodies ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := spool.Open(spool.Options{Dir: dir, SegmentBytes: segmentBytes, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		record := spool.Record{
			ReceivedAt: testNow().Add(time.Duration(i-60) * time.Minute),
			Query:      []byte("SdkAppid=1400000000&CallbackCommand=Group.CallbackAfterSendMsg"),
			Body:       []byte(body),
		}
		if _, err := s.Append(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// damage flips a bit where a text is stored.
func damage(t *testing.T, dir, where string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(content, []byte(where)); at >= 0 {
			content[at] ^= 1
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no file holds the record that is to be damaged")
}

func TestSpoolCommands(t *testing.T) {
	t.Parallel()
	dir := newSpool(t)
	s := transcript{hides: hideMachine(dir)}
	s.add(t, fake{}, "spool", "stat", "--dir", dir)
	s.add(t, fake{}, "spool", "stat", "--dir", dir, "--json")
	s.add(t, fake{}, "spool", "stat", "--set", "spool.dir="+dir)
	s.add(t, fake{}, "spool", "dump", "--dir", dir)
	s.add(t, fake{}, "spool", "dump", "--dir", dir, "--json")
	s.add(t, fake{}, "spool", "dump", "--dir", dir, "--group", "@TGS#A")
	s.add(t, fake{}, "spool", "dump", "--dir", dir, "--from", "2", "--count", "2")
	s.add(t, fake{}, "spool", "dump", "--dir", dir, "--from", "99")
	s.add(t, fake{}, "spool", "verify", "--dir", dir)
	s.add(t, fake{}, "spool", "verify", "--dir", dir, "--json")
	s.add(t, fake{}, "spool", "repair", "--dir", dir)
	s.compare(t, "spool.golden")
}

func TestSpoolCommandsOnADamagedSpool(t *testing.T) {
	t.Parallel()
	dir := newDamagedSpool(t)
	s := transcript{hides: hideMachine(dir)}
	s.add(t, fake{}, "spool", "verify", "--dir", dir)
	s.add(t, fake{}, "spool", "verify", "--dir", dir, "--json")
	s.add(t, fake{}, "spool", "repair", "--dir", dir)
	s.add(t, fake{}, "spool", "verify", "--dir", dir)
	s.add(t, fake{}, "spool", "repair", "--dir", dir, "--json")
	s.compare(t, "spool_damaged.golden")
}

func TestSpoolCommandsReadALiveSpoolAndRepairRefusesIt(t *testing.T) {
	t.Parallel()
	dir := newSpool(t)
	live, err := spool.Open(spool.Options{Dir: dir, SegmentBytes: 64 << 10, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for _, command := range []string{"stat", "dump", "verify"} {
		if r := runCommand(t, "spool", command, "--dir", dir); r.code != exitGood || r.stderr != "" {
			t.Errorf("spool %s on a live spool: %+v", command, r)
		}
	}
	r := runCommand(t, "spool", "repair", "--dir", dir)
	if want := fmt.Sprintf("pid %d", os.Getpid()); r.code != exitFailure || !strings.Contains(r.stderr, want) {
		t.Errorf("spool repair on a live spool: exit %d, stderr %q, which should name the %s", r.code, r.stderr, want)
	}
}

func TestDumpedBodiesAreExact(t *testing.T) {
	t.Parallel()
	r := runCommand(t, "spool", "dump", "--json", "--dir", newSpool(t))
	var bodies []string
	for line := range strings.Lines(r.stdout) {
		var got dumpLine
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Body != nil {
			bodies = append(bodies, *got.Body)
		} else {
			bodies = append(bodies, string(got.BodyBase64))
		}
	}
	want := []string{testBody("@TGS#A", 1), testBody("@TGS#B", 1), "not\njson \x1b[31m", "\xff\xfe", testBody("@TGS#A", 2)}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhereThereIsNoSpoolTheErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for _, command := range []string{"stat", "dump", "verify", "repair"} {
		r := runCommand(t, "spool", command, "--dir", missing)
		want := "chatbridge: there is no spool in " + missing + "; give its directory with --dir, or the configuration with -c\n"
		if r.code != exitFailure || r.stderr != want {
			t.Errorf("spool %s: exit %d, stderr %q", command, r.code, r.stderr)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("looking at it made the directory")
	}
}

func TestSegmentStateTellsTornFromDamaged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		segment spool.SegmentReport
		want    string
	}{
		{spool.SegmentReport{First: 1, End: 3, Records: 2}, "whole"},
		{spool.SegmentReport{First: 1, End: 3, Records: 2, TornBytes: 2048, Newest: true}, "whole, tail of 2.0 KiB being written"},
		{spool.SegmentReport{First: 1, End: 3, Records: 2, TornBytes: 10}, "whole, torn tail of 10 B"},
		{spool.SegmentReport{First: 1, End: 3, Records: 1}, "whole, 1 position lost before"},
		{spool.SegmentReport{First: 1, End: 4, Records: 1, Damage: []*spool.CorruptError{{}}}, "damaged, 2 positions lost"},
	} {
		if got := segmentState(c.segment).text; got != c.want {
			t.Errorf("%+v is %q, want %q", c.segment, got, c.want)
		}
	}
}
