package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// walked returns what Walk shows from a position on.
func walked(t *testing.T, d *faultdisk.Disk, from Position) map[Position]string {
	t.Helper()
	got := make(map[Position]string)
	last := Position(0)
	must(t, walk(d.Boot(nil), testDir, from, func(e Entry) error {
		if e.Position <= last {
			t.Fatalf("position %d after %d", e.Position, last)
		}
		last = e.Position
		got[e.Position] = string(e.Record.Body)
		return nil
	}))
	return got
}

func TestToolsOnAHealthySpool(t *testing.T) {
	t.Parallel()
	d, want, names := stored(t)
	st, err := inspect(d.Boot(nil), testDir)
	must(t, err)
	if st.First != 1 || int(st.End) != len(want)+1 || int(st.Records) != len(want) || st.Segments != len(names) ||
		st.Holder != "" || st.OldestReceipt.Unix() != 1 || st.Quarantined != 0 {
		t.Errorf("%+v", st)
	}
	for _, from := range []Position{0, 1, 10, Position(len(want)), Position(len(want)) + 1} {
		got := walked(t, d, from)
		if len(got) != len(want)-int(max(from, 1))+1 || checkOnlyMissing(t, "walk", want, got) < 0 {
			t.Errorf("from %d: %d records", from, len(got))
		}
	}
	r, err := verify(t.Context(), d.Boot(nil), testDir)
	must(t, err)
	records := int64(0)
	for i, s := range r.Segments {
		records += s.Records
		if s.Name != names[i] || s.Groups == 0 || s.Lost+s.Void+s.TornBytes != 0 || s.Newest != (i == len(names)-1) {
			t.Errorf("%+v", s)
		}
	}
	if r.Damaged() || int(records) != len(want) || r.First != 1 || int(r.End) != len(want)+1 || len(r.Others) != 0 {
		t.Errorf("%+v", r)
	}
	boom := errors.New("boom")
	if err := walk(d.Boot(nil), testDir, 0, func(Entry) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("Walk returned %v", err)
	}
}

func TestToolsWithoutASpool(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "none")
	_, err1 := Inspect(dir)
	_, err2 := Verify(t.Context(), dir)
	_, err3 := Repair(dir)
	for _, err := range []error{err1, err2, err3, Walk(dir, 0, nil)} {
		if err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("error is %v", err)
		}
	}
}

// TestToolsOnALiveSpool: while it is appended to and released, the tools see
// true records and no damage, and leave everything as it is.
func TestToolsOnALiveSpool(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	v := d.Boot(nil)
	s := mustOpen(t, smallSpool(v))
	h := newHistory()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 150 {
			h.appendWave(s, 5)
			if i%10 == 9 {
				if err := s.Release(s.End() - 20); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	looks := 0
	for running := true; running; looks++ {
		select {
		case <-done:
			running = false
		default:
		}
		last := Position(0)
		must(t, walk(v, testDir, 0, func(e Entry) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if _, sent := h.waves[string(e.Record.Body)]; !sent || e.Position <= last {
				return fmt.Errorf("position %d after %d: %.20q", e.Position, last, e.Record.Body)
			}
			last = e.Position
			return nil
		}))
		r, err := verify(t.Context(), v, testDir)
		must(t, err)
		if r.Damaged() {
			t.Fatalf("%+v", r)
		}
		if _, err := inspect(v, testDir); err != nil {
			t.Fatal(err)
		}
	}
	h.released = s.First()
	h.check(t, "afterwards", s)
	must(t, s.Close())
	t.Logf("%d looks", looks)
}

// TestVerifyFindsAndRepairMends damages a spool in each way it can be damaged:
// Verify names the place, Repair keeps a copy and loses no more than Open
// would; then nothing is found any more, and the spool goes on.
func TestVerifyFindsAndRepairMends(t *testing.T) {
	t.Parallel()
	// Segments are numbered as they lie in the directory; -1 is the newest.
	file := func(d *faultdisk.Disk, segment int) string {
		names := segmentNames(d)
		return filepath.Join(testDir, names[(segment+len(names))%len(names)])
	}
	flip := func(segment int, at ...int) func(*faultdisk.Disk) {
		return func(d *faultdisk.Disk) { flipBits(d, file(d, segment), at...) }
	}
	cases := map[string]struct {
		damage func(*faultdisk.Disk)
		most   int // records lost
		kept   int
	}{
		"body in a sealed segment":   {flip(1, 1100), 1, 1},
		"header in a sealed segment": {flip(1, 1030), 1, 1},
		"several places":             {flip(0, 1100, 1800, 2500), 3, 1},
		"two segments":               {func(d *faultdisk.Disk) { flip(0, 1100)(d); flip(1, 1100)(d) }, 2, 2},
		"body in the newest segment": {flip(-2, 1100), 1, 1},
		"one copy of a header":       {flip(1, 5), 0, 1},
		"both copies of a header":    {flip(1, 5, headerCopy+5), 9, 2}, // its place is marked in the one before
		"a segment cut short":        {func(d *faultdisk.Disk) { resizeFile(d, file(d, 1), -2500) }, 9, 1},
		"the checkpoint": {func(d *faultdisk.Disk) {
			flipBits(d, checkpointFile, headerBytes+45)
		}, 0, 1},
		"nothing":                     {func(*faultdisk.Disk) {}, 0, 0},
		"a left-over file":            {func(d *faultdisk.Disk) { d.SetBytes(testDir+"/x.tmp", nil) }, 0, 0},
		"garbage behind the tail too": {func(d *faultdisk.Disk) { resizeFile(d, file(d, -1), 17) }, 0, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, want, _ := stored(t)
			s := mustOpen(t, smallSpool(d.Boot(nil)))
			must(t, s.Checkpoint().Rewrite(addAll("entry one", "two")))
			must(t, s.Close())
			c.damage(d)
			damaged := make(map[string]string)
			for _, name := range d.Names(testDir) {
				damaged[name] = string(d.Bytes(filepath.Join(testDir, name)))
			}
			r, err := verify(t.Context(), d.Boot(nil), testDir)
			must(t, err)
			if r.Damaged() != (c.kept > 0) {
				t.Fatalf("verify: %+v", r)
			}
			fixed, err := repair(d.Boot(nil), testDir)
			must(t, err)
			if len(fixed.Kept) != c.kept || fixed.Before.Damaged() != r.Damaged() {
				t.Fatalf("repair: %+v", fixed)
			}
			for _, kept := range fixed.Kept {
				if string(d.Bytes(filepath.Join(testDir, kept))) != damaged[strings.TrimSuffix(kept, damagedSuffix)] {
					t.Fatalf("%s is not the file as it was", kept)
				}
			}
			r, err = verify(t.Context(), d.Boot(nil), testDir)
			must(t, err)
			if r.Damaged() {
				t.Fatalf("after repair: %+v", r)
			}
			if gone := checkOnlyMissing(t, "walk", want, walked(t, d, 0)); gone > c.most {
				t.Fatalf("%d records are gone", gone)
			}
			s = mustOpen(t, smallSpool(d.Boot(nil)))
			defer s.Close()
			got := bodies(t, s.NewReader(0))
			if gone := checkOnlyMissing(t, "open", want, got); gone > c.most || s.Damage() != nil && name != "both copies of a header" {
				t.Fatalf("%d records are gone, %v", gone, s.Damage())
			}
			if p := appendBody(t, s, "new"); p < Position(len(want)) || bodies(t, s.NewReader(p))[p] != "new" {
				t.Fatalf("position %d", p)
			}
		})
	}
}

// What a first repair kept is not replaced by a second one.
func TestASecondRepairKeepsTheFirstsCopy(t *testing.T) {
	d, _, _ := stored(t)
	kept := make(map[string]string)
	for range 3 {
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		must(t, s.Checkpoint().Rewrite(addAll("entry one", "two")))
		must(t, s.Close())
		damaged := make(map[string]string)
		for _, name := range []string{filepath.Join(testDir, segmentNames(d)[1]), checkpointFile} {
			flipBits(d, name, headerBytes+45)
			damaged[filepath.Base(name)] = string(d.Bytes(name))
		}
		r, err := repair(d.Boot(nil), testDir)
		must(t, err)
		if len(r.Kept) != len(damaged) {
			t.Fatalf("kept %v; want the segment and the checkpoint", r.Kept)
		}
		for _, name := range r.Kept {
			if _, twice := kept[name]; twice {
				t.Fatalf("%s is kept for the second time", name)
			}
			for original, bytes := range damaged {
				if strings.HasPrefix(name, original) {
					kept[name] = bytes
				}
			}
		}
	}
	for name, want := range kept {
		if string(d.Bytes(filepath.Join(testDir, name))) != want {
			t.Errorf("%s is not the file as it was", name)
		}
	}
}

func flipBits(d *faultdisk.Disk, file string, at ...int) {
	b := d.Bytes(file)
	for _, i := range at {
		b[i] ^= 4
	}
	d.SetBytes(file, b)
}

// resizeFile takes bytes off a file, or puts garbage behind it.
func resizeFile(d *faultdisk.Disk, file string, by int) {
	b := d.Bytes(file)
	if by < 0 {
		d.SetBytes(file, b[:len(b)+by])
		return
	}
	d.SetBytes(file, append(b, strings.Repeat("x", by)...))
}

// TestVerifyKnowsWhatIsVoid: a group that was written to a segment whose sync
// failed, and again to the next, counts once.
func TestVerifyKnowsWhatIsVoid(t *testing.T) {
	t.Parallel()
	f := &switchable{op: faultdisk.OpSync}
	d := faultdisk.New(3)
	s := mustOpen(t, smallSpool(d.Boot(func(c faultdisk.Call) faultdisk.Fault {
		if strings.HasPrefix(c.Name, blankPrefix+"ahead") {
			return faultdisk.Fault{}
		}
		x := f.plan(c)
		if x.Err != nil {
			f.broken.Store(false)
		}
		return x
	})))
	appendBody(t, s, "one")
	f.broken.Store(true)
	appendBody(t, s, strings.Repeat("two", 10))
	must(t, s.Close())
	r, err := verify(t.Context(), d.Boot(nil), testDir)
	must(t, err)
	if r.Damaged() || len(r.Segments) != 2 || r.Segments[0].Records != 1 || r.Segments[0].Void != 1 || r.Segments[1].Records != 1 {
		t.Fatalf("%+v", r)
	}
	if got := walked(t, d, 0); len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
}
