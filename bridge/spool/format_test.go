package spool

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// rewriteGolden, set in the environment, makes the files of testdata anew.
// Only for a new format version: the old ones must stay readable.
const rewriteGolden = "CHATBRIDGE_WRITE_GOLDEN"

// TestFormatIsWhatItWas pins the bytes of headers and frames of version 1.
func TestFormatIsWhatItWas(t *testing.T) {
	t.Parallel()
	h := header{
		id: 7, salt: 0x1122334455667788, base: 1000, prevID: 6, prevSound: 990, prevEnd: 995,
		created: 1700000000_000000000, size: 64 << 20, mode: Interval,
	}
	g := newGroup(nil)
	for _, r := range []Record{
		{ReceivedAt: time.Unix(1700000000, 5), Query: []byte("a=1"), Body: []byte("{}")},
		{ReceivedAt: time.Unix(1700000001, 6)},
	} {
		g.add(&r, r.sum())
	}
	g.finish(1000, h.seed())
	got := map[string]string{
		"header":     hex.EncodeToString(bytes.TrimRight(h.encode(magicSegment)[:100], "\x00")),
		"header sum": hex.EncodeToString(h.encode(magicSegment)[headerSum:headerCopy]),
		"group":      hex.EncodeToString(g.buf),
		"checkpoint": hex.EncodeToString(appendEntry(nil, []byte("entry"), 3, 1, h.seed())),
		"name":       segmentName(7, 1000),
	}
	want := map[string]string{
		"header": "434253504f4f4c1a0100000000000000" + "07000000000000008877665544332211" + "e8030000000000000600000000000000" +
			"de03000000000000e303000000000000" + "00002a36fe9c9717" + "0000000400000000" + "01",
		"name": "0000000007-00000000000000001000.seg",
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s is\n%s, want\n%s", k, got[k], w)
		}
	}
	var lines strings.Builder
	for _, k := range []string{"header", "header sum", "group", "checkpoint", "name"} {
		lines.WriteString(k + " " + got[k] + "\n")
	}
	golden(t, "testdata/v1.hex", []byte(lines.String()))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(name)
	if os.Getenv(rewriteGolden) != "" {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, got, 0o600))
		return
	}
	must(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// TestVersion1IsReadable opens a spool that was written when version 1 was
// new.
func TestVersion1IsReadable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	if os.Getenv(rewriteGolden) != "" {
		writeVersion1(t)
	}
	must(t, os.CopyFS(dir, os.DirFS("testdata/v1")))
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 4 << 10})
	defer s.Close()
	want := make(map[Position]string)
	for i := range 12 {
		want[Position(i+1)] = strings.Repeat(string(rune('a'+i)), 50*i)
	}
	if diff := cmp.Diff(want, bodies(t, s.NewReader(0))); diff != "" {
		t.Error(diff)
	}
	wantEntries(t, s.Checkpoint(), "one", "two", "three")
	if s.End() != 13 || s.Damage() != nil || s.Stat().Segments < 3 {
		t.Errorf("%+v, %v", s.Stat(), s.Damage())
	}
}

func writeVersion1(t *testing.T) {
	t.Helper()
	const dir = "testdata/v1"
	must(t, os.RemoveAll(dir))
	s := mustOpen(t, Options{Dir: dir, SegmentBytes: 4 << 10, FS: disk.OS()})
	for i := range 12 {
		appendBody(t, s, strings.Repeat(string(rune('a'+i)), 50*i))
	}
	must(t, s.Checkpoint().Rewrite(addAll("one", "two")))
	must(t, s.Checkpoint().Append([]byte("three")))
	must(t, s.Close())
	for _, name := range []string{appendReserve, rewriteReserve, lockName} {
		must(t, os.Remove(filepath.Join(dir, name)))
	}
}

func TestSegmentNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "x.seg", "1-1.seg", "0000000000-00000000000000000001.seg", "0000000001-00000000000000000000.seg",
		"0000000001-00000000000000000001.seg.damaged", "0000000001-0000000000000000000a.seg", "0000000001-00000000000000000001.tmp",
	} {
		if _, _, ok := parseSegmentName(name); ok {
			t.Errorf("%q is a segment", name)
		}
	}
	id, base, ok := parseSegmentName(segmentName(12345678901, 1<<63))
	if !ok || id != 12345678901 || base != 1<<63 {
		t.Errorf("%d, %d, %v", id, base, ok)
	}
}

// TestHeaderRules: what a header with a good checksum may not say.
func TestHeaderRules(t *testing.T) {
	t.Parallel()
	good := header{id: 1, salt: 1, base: 10, prevEnd: 10, prevSound: 9}
	for name, spoil := range map[string]func(*header){
		"no base":         func(h *header) { *h = header{id: 1} },
		"sound after end": func(h *header) { h.prevSound = 11 },
		"end after base":  func(h *header) { h.prevEnd, h.prevSound = 11, 11 },
		"size below zero": func(h *header) { h.size = -1 },
	} {
		h := good
		spoil(&h)
		_, _, err := parseHeader(h.encode(magicSegment), magicSegment, "f")
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, damage, err := parseHeader(good.encode(magicSegment), magicSegment, "f")
	if err != nil || damage != nil || got != good {
		t.Errorf("%+v, %v, %v", got, damage, err)
	}
	if _, _, err := parseHeader(good.encode(magicCheckpoint), magicSegment, "f"); err == nil {
		t.Error("a checkpoint passed for a segment")
	}
	other := good
	other.base = 11
	mixed := append(good.encode(magicSegment)[:headerCopy:headerCopy], other.encode(magicSegment)[headerCopy:]...)
	if got, damage, err := parseHeader(mixed, magicSegment, "f"); err != nil || damage == nil || got != good {
		t.Errorf("%+v, %v, %v", got, damage, err)
	}
	for n := range headerBytes {
		_, _, err := parseHeader(good.encode(magicSegment)[:n], magicSegment, "f")
		if (err == nil) != (n >= headerCopy) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{&PoisonedError{File: "f", Since: time.Unix(0, 0), Err: errors.New("boom")}, "check the disk"},
		{&CorruptError{"f", 12, errors.New("boom")}, "f is damaged at byte 12: boom"},
		{&VersionError{"f", 9}, "f has format version 9, this program knows 1"},
		{ErrFull, "spool.max_bytes"},
		{ErrTooLarge, "http.max_body"},
	} {
		if !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%q does not say %q", c.err, c.want)
		}
	}
}
