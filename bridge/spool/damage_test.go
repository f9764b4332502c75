package spool

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// stored makes a spool with three segments, closed in good order, and returns
// what is in it.
func stored(t *testing.T) (*faultdisk.Disk, map[Position]string, []string) {
	t.Helper()
	d := faultdisk.New(1)
	o := smallSpool(d.Boot(nil))
	o.SegmentBytes = 4 << 10
	s := mustOpen(t, o)
	h := newHistory()
	for range 8 {
		h.appendWave(s, 3)
	}
	must(t, s.Close())
	return d, h.acked, segmentNames(d)
}

func segmentNames(d *faultdisk.Disk) []string {
	var names []string
	for _, name := range d.Names(testDir) {
		if strings.HasSuffix(name, segmentSuffix) {
			names = append(names, name)
		}
	}
	return names
}

// readBack opens the spool, reads all of it and says what it noticed.
func readBack(t *testing.T, d *faultdisk.Disk) (got map[Position]string, noticed []string, st Stat) {
	t.Helper()
	var events eventLog
	o := smallSpool(d.Boot(nil))
	o.SegmentBytes = 4 << 10
	o.Hooks.Event = events.add
	s := mustOpen(t, o)
	defer s.Close()
	got = bodies(t, s.NewReader(0))
	for _, kind := range []string{EventQuarantined, EventTruncated, EventMissing} {
		if events.count(kind) > 0 {
			noticed = append(noticed, kind)
		}
	}
	if (s.Damage() != nil) != (events.count(EventQuarantined)+events.count(EventMissing) > 0) {
		t.Fatalf("Damage is %v, events are %v", s.Damage(), events.all())
	}
	return got, noticed, s.Stat()
}

// checkOnlyMissing fails if a record is not what was stored, or was not stored
// at all, and returns how many are gone.
func checkOnlyMissing(t *testing.T, label string, want, got map[Position]string) int {
	t.Helper()
	for p, body := range got {
		if want[p] != body {
			t.Fatalf("%s: position %d is %.40q, was stored as %.40q", label, p, body, want[p])
		}
	}
	return len(want) - len(got)
}

// TestEveryBitFlipIsHarmlessOrDetected flips a bit in each byte of each
// segment. No record is ever read that was not stored, at most one is lost,
// and a loss is noticed.
func TestEveryBitFlipIsHarmlessOrDetected(t *testing.T) {
	t.Parallel()
	d, want, names := stored(t)
	if len(names) < 3 {
		t.Fatalf("only %v", names)
	}
	flips, lost, harmless := 0, 0, 0
	// One that is full, one that follows it, and the newest with records.
	for _, name := range []string{names[0], names[1], names[len(names)-1]} {
		file := filepath.Join(testDir, name)
		whole := d.Bytes(file)
		for i := range whole {
			label := fmt.Sprintf("%s, byte %d", name, i)
			twin := d.Copy(1)
			b := append([]byte(nil), whole...)
			b[i] ^= 1 << (i % 8)
			twin.SetBytes(file, b)
			got, noticed, st := readBack(t, twin)
			gone := checkOnlyMissing(t, label, want, got)
			switch {
			case gone > 1:
				t.Fatalf("%s: %d records are gone", label, gone)
			case gone > 0 && len(noticed) == 0:
				t.Fatalf("%s: a record is gone and nothing was noticed", label)
			case gone == 0 && len(noticed) == 0:
				harmless++
			case gone == 0 && st.Lost != 0:
				t.Fatalf("%s: nothing is gone and %d are counted", label, st.Lost)
			}
			flips++
			lost += gone
		}
	}
	t.Logf("%d flips, %d cost a record, %d were harmless", flips, lost, harmless)
}

// TestEveryCutKeepsWhatIsBeforeIt cuts the newest segment at each byte, as a
// crash of a file system without zero-filled blocks might.
func TestEveryCutKeepsWhatIsBeforeIt(t *testing.T) {
	t.Parallel()
	d, want, names := stored(t)
	file := filepath.Join(testDir, names[len(names)-1])
	whole := d.Bytes(file)
	for cut := headerBytes; cut < len(whole); cut++ {
		label := fmt.Sprintf("cut at byte %d", cut)
		twin := d.Copy(1)
		twin.SetBytes(file, whole[:cut])
		got, _, st := readBack(t, twin)
		checkOnlyMissing(t, label, want, got)
		for p := Position(1); int(p) <= len(got); p++ {
			if got[p] == "" {
				t.Fatalf("%s: position %d of %d is not there", label, p, len(got))
			}
		}
		if st.Quarantined != 0 || int(st.End) != len(got)+1 {
			t.Fatalf("%s: %+v", label, st)
		}
	}
}

// TestDamageInTheMiddleIsSalvagedAndKept: what is good in a damaged segment is
// read, what is gone is counted, the file is kept when the segment goes.
func TestDamageInTheMiddleIsSalvagedAndKept(t *testing.T) {
	t.Parallel()
	d, want, names := stored(t)
	file := filepath.Join(testDir, names[1])
	b := d.Bytes(file)
	for i := 2000; i < 2600; i++ {
		b[i] ^= 0x55
	}
	d.SetBytes(file, b)

	var events eventLog
	o := smallSpool(d.Boot(nil))
	o.Hooks.Event = events.add
	s := mustOpen(t, o)
	defer s.Close()
	if s.Damage() != nil {
		t.Fatal("a sealed segment was read through at Open")
	}
	for range 2 { // a second reader finds the same, and it is told once
		got := bodies(t, s.NewReader(0))
		gone := checkOnlyMissing(t, "damaged", want, got)
		if gone == 0 || gone > 4 {
			t.Fatalf("%d records are gone", gone)
		}
		if st := s.Stat(); int(st.Lost) != gone || st.Quarantined != 1 || st.QuarantinedBytes != int64(len(b)) {
			t.Fatalf("%d are gone, and %+v", gone, st)
		}
	}
	var corrupt *CorruptError
	if err := s.Damage(); !errors.As(err, &corrupt) || corrupt.Segment != names[1] || corrupt.Offset < 1500 || corrupt.Offset > 2600 {
		t.Fatalf("damage is %v", s.Damage())
	}
	if events.count(EventQuarantined) != 1 || s.Err() != nil {
		t.Fatalf("events %v, Err %v", events.all(), s.Err())
	}
	must(t, s.Release(s.End()))
	if string(d.Bytes(file+damagedSuffix)) != string(b) {
		t.Fatal("the damaged segment was not kept")
	}
}

// TestDamageIsNoTornTail: a group that a later one follows was durable, so what is
// wrong in it is damage, also in the newest segment, and is told, counted and
// kept aside (design 11). The same bytes with nothing behind them are a torn tail.
func TestDamageIsNoTornTail(t *testing.T) {
	t.Parallel()
	for broken, want := range map[Position]string{1: EventQuarantined, 2: EventQuarantined, 3: EventTruncated} {
		d := faultdisk.New(1)
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		for i := range 3 { // each in a group of its own
			appendBody(t, s, fmt.Sprintf("body number %d", i+1))
		}
		d.Kill() // no seal behind the last group
		_ = s.Close()
		file := filepath.Join(testDir, segmentNames(d)[0])
		flipBits(d, file, bytes.Index(d.Bytes(file), fmt.Appendf(nil, "body number %d", broken)))
		got, noticed, st := readBack(t, d)
		if len(got) != 2 || got[broken] != "" || !slices.Equal(noticed, []string{want}) {
			t.Errorf("record %d is broken: read %v, noticed %v; want the others and %s", broken, got, noticed, want)
		}
		if damage := want == EventQuarantined; (st.Lost == 1) != damage || (st.Quarantined == 1) != damage {
			t.Errorf("record %d is broken: %d lost, %d kept aside", broken, st.Lost, st.Quarantined)
		}
	}
}

// TestUnreadableBlock: a block that the disk cannot read is gone around, after
// it was tried again; a block that can be read the second time costs nothing.
func TestUnreadableBlock(t *testing.T) {
	t.Parallel()
	for _, times := range []int{4, 1 << 30} {
		t.Run(fmt.Sprintf("%d times", times), inBubble(func(t *testing.T) {
			d, want, names := stored(t)
			s := mustOpen(t, smallSpool(d.Boot(nil)))
			end := s.End()
			must(t, s.Close())
			failed := 0
			s = mustOpen(t, smallSpool(d.Boot(func(c faultdisk.Call) faultdisk.Fault {
				hits := c.Op == faultdisk.OpRead && c.Name == names[0] && c.Len > 2*headerBytes || c.Len <= 4096 && c.Off == headerBytes && c.Name == names[0]
				if hits && failed < times {
					failed++
					return faultdisk.Fault{Err: syscall.EIO}
				}
				return faultdisk.Fault{}
			})))
			defer s.Close()
			got := bodies(t, s.NewReader(0))
			gone := checkOnlyMissing(t, "unreadable", want, got)
			if times == 4 && (gone != 0 || s.Damage() != nil) {
				t.Fatalf("%d records are gone, %v", gone, s.Damage())
			}
			if times > 4 && (gone == 0 || gone > 20 || !errors.Is(s.Damage(), syscall.EIO) && s.Damage() == nil || got[end-1] == "") {
				t.Fatalf("%d records are gone, %v", gone, s.Damage())
			}
		}))
	}
}

// TestMissingSegment: a file that someone removed is damage, not the end.
func TestMissingSegment(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		d, want, names := stored(t)
		must(t, d.Boot(nil).Remove(filepath.Join(testDir, names[i])))
		got, noticed, _ := readBack(t, d)
		gone := checkOnlyMissing(t, names[i], want, got)
		if gone < 3 || got[Position(len(want))] == "" {
			t.Fatalf("%d are gone", gone)
		}
		if i > 0 && len(noticed) == 0 {
			t.Fatal("nothing was noticed")
		}
	}
}

// TestSegmentTakenWhileOpen: the same, under a spool that is in use.
func TestSegmentTakenWhileOpen(t *testing.T) {
	t.Parallel()
	d, want, names := stored(t)
	v := d.Boot(nil)
	s := mustOpen(t, smallSpool(v))
	defer s.Close()
	must(t, v.Remove(filepath.Join(testDir, names[1])))
	got := bodies(t, s.NewReader(0))
	if gone := checkOnlyMissing(t, "taken", want, got); gone < 3 || s.Damage() == nil || int(s.Stat().Lost) != gone {
		t.Fatalf("%d are gone, %d counted, %v", gone, s.Stat().Lost, s.Damage())
	}
}

// TestHeaderlessSegmentIsSetAside: with both copies of its header a segment is
// lost, but not its positions, and not what is in the others.
func TestHeaderlessSegmentIsSetAside(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		d, want, names := stored(t)
		if i == 2 {
			i = len(names) - 1 // the newest says where the log goes on
		}
		file := filepath.Join(testDir, names[i])
		b := d.Bytes(file)
		b[20] ^= 1
		b[headerCopy+20] ^= 1
		d.SetBytes(file, b)
		got, noticed, st := readBack(t, d)
		checkOnlyMissing(t, names[i], want, got)
		if len(noticed) == 0 || st.Quarantined == 0 {
			t.Fatalf("noticed %v, %+v", noticed, st)
		}
		if int(st.End) <= len(want) {
			t.Fatalf("%s: positions would be used again: %+v", names[i], st)
		}
		if d.Bytes(file+damagedSuffix) == nil {
			t.Fatal("it was not kept")
		}
	}
}

// TestSegmentThatWasNeverInUse: one that could not be made for sure, and came
// to light when its neighbours were released, stands for no positions.
func TestSegmentThatWasNeverInUse(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	put := func(h header, records ...string) {
		g := newGroup(nil)
		for _, body := range records {
			r := Record{Body: []byte(body)}
			g.add(&r, r.sum())
		}
		b := h.encode(magicSegment)
		if len(records) > 0 {
			g.finish(h.base, h.seed())
			b = append(b, g.buf...)
		}
		d.SetBytes(filepath.Join(testDir, segmentName(h.id, h.base)), append(b, make([]byte, 4096)...))
	}
	// Segment 1 held 1 to 3, 3 held 4 to 7; both are released. 2 was tried
	// between them.
	put(header{id: 2, salt: 2, base: 4, prevID: 1, prevSound: 4, prevEnd: 4})
	put(header{id: 4, salt: 4, base: 8, prevID: 3, prevSound: 8, prevEnd: 8}, "eight")
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	if s.First() != 8 || s.Stat().Records != 1 {
		t.Fatalf("%+v", s.Stat())
	}
	if got := bodies(t, s.NewReader(0)); len(got) != 1 || got[8] != "eight" || s.Damage() != nil {
		t.Fatalf("%v, %v", got, s.Damage())
	}
}

// TestUnknownVersionIsNotDamage: a file of another version stops Open, and
// nothing is changed.
func TestUnknownVersionIsNotDamage(t *testing.T) {
	t.Parallel()
	for _, copies := range []int{1, 2} {
		d, _, names := stored(t)
		file := filepath.Join(testDir, names[0])
		b := d.Bytes(file)
		b[8] = 2
		if copies == 2 {
			b[headerCopy+8] = 2
		}
		d.SetBytes(file, b)
		before := d.Names(testDir)
		s, err := Open(smallSpool(d.Boot(nil)))
		if copies == 1 { // the other copy shows that it is a flipped bit
			must(t, err)
			must(t, s.Close())
			continue
		}
		var version *VersionError
		if !errors.As(err, &version) || version.Version != 2 {
			t.Fatalf("error is %v", err)
		}
		if after := d.Names(testDir); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("was %v, is %v", before, after)
		}
	}
}

// TestBodiesThatLookLikeFrames: no payload passes for a frame, not even one
// that is a copy of the segment's own frames, when a reader has to search.
func TestBodiesThatLookLikeFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := faultdisk.New(1)
		s := mustOpen(t, Options{Dir: testDir, FS: d.Boot(nil), SegmentBytes: 64 << 10})
		appendBody(t, s, "first")
		file := filepath.Join(testDir, segmentNames(d)[0])
		frames := d.Bytes(file)[headerBytes : headerBytes+200]
		// A copy of a frame, and one that is right but for the salt.
		forged := make([]byte, frameHeader)
		f := frame{kind: kindRecord, position: 3}
		f.put(forged, fileSeed(1, 0))
		hostile := "aligned" + string(frames[:96]) + string(forged) + strings.Repeat("x", 8)
		appendBody(t, s, hostile)
		appendBody(t, s, "last")
		must(t, s.Close())
		b := d.Bytes(file)
		at := strings.Index(string(b), hostile)
		b[at-1-frameHeader] ^= 1 // its header is damaged, so it is searched through
		d.SetBytes(file, b)
		s = mustOpen(t, Options{Dir: testDir, FS: d.Boot(nil)})
		defer s.Close()
		got := bodies(t, s.NewReader(0))
		if len(got) != 2 || got[1] != "first" || got[3] != "last" {
			t.Fatalf("read %v", got)
		}
	})
}
