package spool

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// fuzzHeader is the header of the segment that the fuzzers write frames to.
// Its salt is known, so that they can make frames that are valid.
func fuzzHeader() header { return header{id: 1, salt: 42, base: 1, size: 1 << 20} }

// FuzzFrame: a header decodes to what encodes to the same bytes, or not at all.
func FuzzFrame(f *testing.F) {
	h := fuzzHeader()
	for _, x := range []frame{
		{kind: kindRecord, position: 1, length: 10, query: 3, time: 5},
		{kind: kindCommit, position: 9, index: 8, query: 77},
		{kind: kindGap, position: 3, time: 9},
	} {
		var b [frameHeader]byte
		x.put(b[:], h.seed())
		f.Add(b[:], false)
		f.Add(b[:], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, sign bool) {
		if len(b) < frameHeader {
			return
		}
		b = b[:frameHeader]
		if sign { // so that the fuzzer gets beyond the checksum
			sum := sumMore(h.seed(), b[:headerSumAt])
			b = append(bytes.Clone(b[:headerSumAt]), byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
		}
		x, err := parseFrame(b, h.seed())
		if err != nil {
			if !isBadFrame(err) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		var again [frameHeader]byte
		x.put(again[:], h.seed())
		if !bytes.Equal(again[:], b) {
			t.Fatalf("%x decodes to %+v, which is %x", b, x, again)
		}
		if x.size() < frameHeader || x.group() > math.MaxUint64-uint64(x.index) {
			t.Fatalf("%+v", x)
		}
	})
}

// FuzzRecord: what goes in comes out.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("a=b"), []byte("{}"), int64(5))
	f.Add([]byte{}, []byte{}, int64(-1))
	f.Fuzz(func(t *testing.T, query, body []byte, at int64) {
		h := fuzzHeader()
		g := newGroup(nil)
		r := Record{ReceivedAt: time.Unix(0, at).UTC(), Query: query, Body: body}
		g.add(&r, r.sum())
		g.finish(1, h.seed())
		c := cursor{file: bytes.NewReader(g.buf), seed: h.seed(), limit: int64(len(g.buf))}
		x, payload, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		e := entryOf(&x, payload)
		if e.Position != 1 || !bytes.Equal(e.Record.Query, query) || !bytes.Equal(e.Record.Body, body) || !e.Record.ReceivedAt.Equal(r.ReceivedAt) {
			t.Fatalf("%+v", e)
		}
		if x, _, err := c.next(); err != nil || x.kind != kindCommit {
			t.Fatalf("%+v, %v", x, err)
		}
	})
}

// FuzzRecover opens a spool whose newest segment holds arbitrary bytes behind
// a good header, where "R", "C", "G" and "S" in the input stand for frames
// that are valid in themselves. It opens, reads, takes a record and opens
// again, always with positions that rise, and finds the same the second time.
func FuzzRecover(f *testing.F) {
	f.Add([]byte("RRCRRRC"), true)
	f.Add([]byte("RRC\x00\x00RC"), false)
	f.Add([]byte("RCxxxxxxxxRRCS"), true)
	f.Add([]byte("RCGRRCRR"), true)
	f.Add(bytes.Repeat([]byte{0}, 4096), false)
	f.Fuzz(func(t *testing.T, input []byte, salted bool) {
		if len(input) > 1<<14 {
			return
		}
		h := fuzzHeader()
		b := append(h.encode(magicSegment), frames(input, &h, salted)...)
		d := faultdisk.New(1)
		d.SetBytes(filepath.Join(testDir, segmentName(1, 1)), b)
		first := openAndRead(t, d)
		second := openAndRead(t, d)
		for p, body := range first {
			if second[p] != body {
				t.Fatalf("position %d was %q and is %q", p, body, second[p])
			}
		}
		if len(second) != len(first)+1 {
			t.Fatalf("%d records, then %d", len(first), len(second))
		}
		if _, err := verify(t.Context(), d.Boot(nil), testDir); err != nil {
			t.Fatal(err)
		}
	})
}

// frames turns input into a segment's content.
func frames(input []byte, h *header, salted bool) []byte {
	seed := h.seed()
	if !salted {
		seed++
	}
	var out []byte
	at, group := uint64(1), uint64(1)
	for i, c := range input {
		var x frame
		var payload []byte
		switch c {
		case 'R':
			payload = input[:min(i, 9)]
			x = frame{kind: kindRecord, position: at, index: uint32(at - group), length: uint32(len(payload)), bodySum: sumMore(0, payload)}
			at++
		case 'C':
			x = frame{kind: kindCommit, position: at, index: uint32(at - group)}
			group = at
		case 'G':
			x = frame{kind: kindGap, position: at, time: int64(at + 3)}
			at += 3
			group = at
		case 'S':
			x = frame{kind: kindSeal, position: at}
		case 'J': // a jump
			at += 5
			continue
		default:
			out = append(out, c)
			continue
		}
		start := len(out)
		out = append(out, make([]byte, x.size())...)
		x.put(out[start:], seed)
		copy(out[start+frameHeader:], payload)
	}
	return out
}

// openAndRead returns what a spool has, and leaves one record more in it.
func openAndRead(t *testing.T, d *faultdisk.Disk) map[Position]string {
	t.Helper()
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	got := make(map[Position]string)
	last := Position(0)
	r := s.NewReader(0)
	for {
		entries, err := r.TryNext(7)
		must(t, err)
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if e.Position <= last || e.Position >= s.End() {
				t.Fatalf("position %d after %d, end is %d", e.Position, last, s.End())
			}
			last = e.Position
			got[e.Position] = string(e.Record.Body)
		}
	}
	if p := appendBody(t, s, "one more"); p <= last {
		t.Fatalf("position %d after %d", p, last)
	}
	return got
}

// FuzzCheckpoint loads arbitrary bytes as a checkpoint log: entries, or a
// *CorruptError or *VersionError; and it can be appended to afterwards.
func FuzzCheckpoint(f *testing.F) {
	h := header{salt: 42, base: 2}
	good := append(h.encode(magicCheckpoint), appendEntry(nil, []byte("one"), 1, 0, h.seed())...)
	good = appendEntry(good, []byte("two"), 2, 0, h.seed())
	f.Add(good)
	f.Add(good[:len(good)-5])
	f.Add(appendEntry(good, []byte("three"), 4, 0, h.seed()))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := faultdisk.New(1)
		d.SetBytes(checkpointFile, b)
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		defer s.Close()
		var got [][]byte
		err := s.Checkpoint().Load(func(e []byte) error {
			got = append(got, bytes.Clone(e))
			return nil
		})
		var corrupt *CorruptError
		var version *VersionError
		switch {
		case errors.As(err, &version):
			return
		case err != nil && (!errors.As(err, &corrupt) || len(got) > 0):
			t.Fatalf("%d entries, %v", len(got), err)
		}
		must(t, s.Checkpoint().Append([]byte("more")))
		if again := loaded(t, s.Checkpoint()); len(again) != len(got)+1 {
			t.Fatalf("%d entries, then %d", len(got), len(again))
		}
	})
}

// FuzzTail is the pure part of recovery: what it says of arbitrary frames is
// consistent in itself, and a second reading, up to the end that the first
// one found, finds the same records.
func FuzzTail(f *testing.F) {
	f.Add([]byte("RRCRRRC"), true)
	f.Add([]byte("RRC\x00RRCJRRC"), true)
	f.Add([]byte("RCGRRCRRxxxxxxxxRRC"), true)
	f.Fuzz(func(t *testing.T, input []byte, salted bool) {
		h := fuzzHeader()
		b := append(h.encode(magicSegment), frames(input, &h, salted)...)
		size := int64(len(b))
		x, err := readTail(bytes.NewReader(b), "f", &h, size)
		if err != nil {
			t.Fatal(err)
		}
		if x.end < h.base || x.sound > x.end || x.sound < h.base || x.bytes > size || x.used > size || x.used < headerBytes ||
			x.lost > int64(x.end) || x.records > int64(x.end) || !x.torn && x.sound != x.end {
			t.Fatalf("%+v", x)
		}
		n, last := int64(0), Position(0)
		w := newWalker(bytes.NewReader(b), &h, x.bytes, func(trouble) {})
		for {
			g, _, _, err := w.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if p := Position(g.position); g.kind == kindRecord {
				if p <= last || p >= x.end {
					t.Fatalf("position %d after %d: %+v", p, last, x)
				}
				n, last = n+1, p
			}
		}
		if n != x.records {
			t.Fatalf("%d records, then %d", x.records, n)
		}
	})
}
