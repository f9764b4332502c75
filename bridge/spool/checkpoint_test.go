package spool

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

const checkpointFile = testDir + "/" + checkpointName

func loaded(t testing.TB, c *Checkpoint) []string {
	t.Helper()
	var got []string
	must(t, c.Load(func(e []byte) error {
		got = append(got, string(e))
		return nil
	}))
	return got
}

func wantEntries(t testing.TB, c *Checkpoint, want ...string) {
	t.Helper()
	if got := loaded(t, c); fmt.Sprintf("%.50q", got) != fmt.Sprintf("%.50q", want) || strings.Join(got, "") != strings.Join(want, "") {
		t.Fatalf("checkpoint is %.50q, want %.50q", got, want)
	}
}

func addAll(entries ...string) func(add func([]byte) error) error {
	return func(add func([]byte) error) error {
		for _, e := range entries {
			if err := add([]byte(e)); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestCheckpointKeepsEntriesInOrder(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	c := s.Checkpoint()
	wantEntries(t, c)
	must(t, c.Sync())
	big := strings.Repeat("several megabytes ", 300_000)
	for _, e := range []string{"one", "", big, "four"} {
		must(t, c.Append([]byte(e)))
	}
	wantEntries(t, c, "one", "", big, "four")
	if c.Size() != int64(len(d.Bytes(checkpointFile))) {
		t.Fatalf("size is %d, file has %d", c.Size(), len(d.Bytes(checkpointFile)))
	}
	must(t, c.Rewrite(addAll("a", big, "b")))
	must(t, c.Append([]byte("c")))
	wantEntries(t, c, "a", big, "b", "c")
	// A killed process leaves the last Append, synced or not.
	d.Kill()
	_ = s.Close()
	s = mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	wantEntries(t, s.Checkpoint(), "a", big, "b", "c")
	must(t, s.Checkpoint().Append([]byte("d")))
	wantEntries(t, s.Checkpoint(), "a", big, "b", "c", "d")
	if err := s.Checkpoint().Append(make([]byte, maxEntry+1)); err == nil {
		t.Fatal("an entry of any size is taken")
	}
	boom := errors.New("boom")
	if err := s.Checkpoint().Load(func([]byte) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("Load returned %v", err)
	}
	if err := s.Checkpoint().Rewrite(func(func([]byte) error) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("Rewrite returned %v", err)
	}
	wantEntries(t, s.Checkpoint(), "a", big, "b", "c", "d")
}

// TestCheckpointAfterManyCrashes: entries of one size, so that one that was cut
// off lies exactly where it would follow a new one. None ever comes back.
func TestCheckpointAfterManyCrashes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := faultdisk.New(seed)
		h := newHistory()
		n := 0
		for range 8 {
			s := mustOpen(t, smallSpool(d.Boot(nil)))
			must(t, h.ckLoad(s.Checkpoint()))
			for range rng.IntN(6) {
				n++
				must(t, h.ckAppend(s.Checkpoint(), fmt.Sprintf("%08d %s", n, bytes.Repeat([]byte("x"), 500))))
				if rng.IntN(3) == 0 {
					must(t, h.ckSync(s.Checkpoint()))
				}
			}
			d.Crash(faultdisk.Survivals()[rng.IntN(5)])
			_ = s.Close()
		}
	}
}

// TestCheckpointDamage flips a bit in each byte of a checkpoint log whose first
// entries were rewritten, then appended to with syncs between: damage is
// noticed wherever a later entry or the header bears witness; what is loaded
// is always a beginning.
// What was cut off a torn tail stays cut: an entry behind it must not come to
// follow a new one, whatever of the two a power loss leaves.
func TestCheckpointTailStaysCut(t *testing.T) {
	t.Parallel()
	entry := func(text string) string { return strings.Repeat(text, 600/len(text)) } // each in sectors of its own
	for seed := range uint64(200) {
		d := faultdisk.New(seed)
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		must(t, s.Checkpoint().Rewrite(addAll(entry("one"))))
		at := int(s.Checkpoint().Size())
		must(t, s.Checkpoint().Append([]byte(entry("two"))))
		must(t, s.Checkpoint().Append([]byte(entry("six"))))
		must(t, s.Close())
		flipBits(d, checkpointFile, at+100) // the second is torn, the third is whole

		s = mustOpen(t, smallSpool(d.Boot(nil)))
		wantEntries(t, s.Checkpoint(), entry("one"))
		must(t, s.Checkpoint().Append([]byte(entry("new"))))
		d.Crash(faultdisk.Survival{Sectors: 0.7})
		_ = s.Close()

		s = mustOpen(t, smallSpool(d.Boot(nil)))
		got := loaded(t, s.Checkpoint())
		must(t, s.Close())
		if len(got) > 2 || got[0] != entry("one") || len(got) == 2 && got[1] != entry("new") {
			t.Fatalf("seed %d: the checkpoint is %.20q", seed, got)
		}
	}
}

func TestCheckpointDamage(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	c := s.Checkpoint()
	must(t, c.Rewrite(addAll("one", "two")))
	for _, e := range []string{"three", "four", "five"} {
		must(t, c.Append([]byte(e)))
		must(t, c.Sync())
	}
	must(t, s.Close())
	whole := d.Bytes(checkpointFile)
	last := bytes.LastIndex(whole, []byte("five")) - frameHeader
	want := []string{"one", "two", "three", "four", "five"}
	for i := range whole {
		twin := d.Copy(1)
		b := append([]byte(nil), whole...)
		b[i] ^= 1 << (i % 8)
		twin.SetBytes(checkpointFile, b)
		s := mustOpen(t, smallSpool(twin.Boot(nil)))
		var got []string
		err := s.Checkpoint().Load(func(e []byte) error {
			got = append(got, string(e))
			return nil
		})
		label := fmt.Sprintf("byte %d: %q, %v", i, got, err)
		var corrupt *CorruptError
		switch {
		case err != nil && (!errors.As(err, &corrupt) || len(got) > 0):
			t.Fatal(label)
		case err == nil && len(got) < 4, err == nil && len(got) < 5 && i < last:
			t.Fatalf("lost without a word, %s", label)
		}
		for j, e := range got {
			if want[j] != e {
				t.Fatal(label)
			}
		}
		if s.Checkpoint().Cut() != (len(got) < len(want)) {
			t.Fatalf("Cut is %v, %s", s.Checkpoint().Cut(), label)
		}
		if err != nil {
			kept := false
			for _, name := range twin.Names(testDir) {
				kept = kept || strings.HasSuffix(name, damagedSuffix) && bytes.Equal(twin.Bytes(filepath.Join(testDir, name)), b)
			}
			if !kept || s.Stat().Quarantined != 1 {
				t.Fatalf("not kept: %v", twin.Names(testDir))
			}
			must(t, s.Checkpoint().Append([]byte("new")))
			wantEntries(t, s.Checkpoint(), "new")
		}
		must(t, s.Checkpoint().Rewrite(addAll("all anew")))
		if s.Checkpoint().Cut() {
			t.Fatalf("still cut after Rewrite, %s", label)
		}
		must(t, s.Close())
	}
}

// TestDamageInARewrittenCheckpoint: all of it was durable before it had its
// name, so nothing in it is a torn tail, not even its end.
func TestDamageInARewrittenCheckpoint(t *testing.T) {
	t.Parallel()
	for _, spoil := range []func([]byte) []byte{
		func(b []byte) []byte { b[headerBytes+frameHeader] ^= 1; return b },
		func(b []byte) []byte { b[len(b)-8] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)-8] },
	} {
		d := faultdisk.New(1)
		s := mustOpen(t, smallSpool(d.Boot(nil)))
		must(t, s.Checkpoint().Rewrite(addAll("entry one", "entry two")))
		must(t, s.Close())
		d.SetBytes(checkpointFile, spoil(d.Bytes(checkpointFile)))
		s = mustOpen(t, smallSpool(d.Boot(nil)))
		err := s.Checkpoint().Load(func([]byte) error { return nil })
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("error is %v", err)
		}
		must(t, s.Close())
	}
}

func TestCheckpointOfAnotherVersion(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	must(t, s.Checkpoint().Append([]byte("x")))
	must(t, s.Close())
	b := d.Bytes(checkpointFile)
	b[8], b[headerCopy+8] = 9, 9
	d.SetBytes(checkpointFile, b)
	s = mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	for range 2 {
		err := s.Checkpoint().Load(func([]byte) error { return nil })
		var version *VersionError
		if !errors.As(err, &version) || version.Version != 9 {
			t.Fatalf("error is %v", err)
		}
		if s.Checkpoint().Append([]byte("y")) == nil {
			t.Fatal("appended to a file of an unknown version")
		}
	}
	if !bytes.Equal(d.Bytes(checkpointFile), b) {
		t.Fatal("the file was changed")
	}
}

// TestCheckpointOnAFullDisk: when not a byte is left, the checkpoint can still
// be appended to, synced and rewritten, and so segments can be released and
// the spool comes back by itself (design 11).
func TestCheckpointOnAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := faultdisk.New(1)
		var events eventLog
		o := smallSpool(d.Boot(nil))
		o.Hooks.Event = events.add
		s := mustOpen(t, o)
		defer s.Close()
		h := newHistory()
		must(t, s.Checkpoint().Rewrite(addAll(strings.Repeat("state", 100))))
		for range 10 {
			h.appendWave(s, 4)
		}
		synctest.Wait() // the next segment is prepared
		d.SetSpace(d.Used())
		for len(h.refused) == 0 {
			h.appendWave(s, 3)
		}
		if !errors.Is(s.Err(), ErrFull) {
			t.Fatalf("Err is %v", s.Err())
		}
		rewrites := 0
		for i := range 500 { // for as long as it takes Kafka to come back
			err := s.Checkpoint().Append(fmt.Appendf(nil, "settled %d", i))
			if errors.Is(err, ErrFull) {
				must(t, s.Checkpoint().Rewrite(addAll(strings.Repeat("state", 120))))
				must(t, s.Checkpoint().Append(fmt.Appendf(nil, "settled %d", i)))
				rewrites++
				err = nil
			}
			must(t, err)
			must(t, s.Checkpoint().Sync())
		}
		if rewrites < 2 || events.count(EventReserveUsed) == 0 {
			t.Fatal("the test did not need the reserve")
		}
		h.check(t, "full", s)
		must(t, h.release(s, s.End()))
		time.Sleep(time.Second)
		if err := s.Err(); err != nil {
			t.Fatalf("after a release: %v", err)
		}
		h.appendWave(s, 3)
		h.check(t, "resumed", s)
		if s.forAppend.size == 0 || s.forRewrite.size == 0 {
			t.Fatal("nothing is reserved for the next time")
		}
	})
}

// TestCheckpointWhenNothingHelps: more than the reserve is ErrFull, and what
// was there stays.
func TestCheckpointWhenNothingHelps(t *testing.T) {
	t.Parallel()
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(nil)))
	defer s.Close()
	must(t, s.Checkpoint().Append([]byte("one")))
	d.SetSpace(d.Used())
	huge := strings.Repeat("x", 100_000)
	if err := s.Checkpoint().Append([]byte(huge)); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Append: %v", err)
	}
	if err := s.Checkpoint().Rewrite(addAll(huge)); !errors.Is(err, ErrFull) {
		t.Fatalf("Rewrite: %v", err)
	}
	wantEntries(t, s.Checkpoint(), "one")
	must(t, s.Checkpoint().Append([]byte("two")))
	wantEntries(t, s.Checkpoint(), "one", "two")
}

// TestCheckpointSaysThatItIsPoisoned while no file can be written, and is well
// again afterwards.
func TestCheckpointSaysThatItIsPoisoned(t *testing.T) {
	t.Parallel()
	f := &switchable{op: faultdisk.OpSync}
	d := faultdisk.New(1)
	s := mustOpen(t, smallSpool(d.Boot(f.plan)))
	defer s.Close()
	c := s.Checkpoint()
	must(t, c.Append([]byte("one")))
	must(t, c.Sync())
	must(t, c.Append([]byte("two")))
	f.broken.Store(true)
	var poisoned *PoisonedError
	for range 2 {
		if err := c.Sync(); !errors.As(err, &poisoned) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("Sync: %v", err)
		}
	}
	if err := c.Append([]byte("three")); !errors.As(err, &poisoned) {
		t.Fatalf("Append: %v", err)
	}
	f.broken.Store(false)
	must(t, c.Append([]byte("four")))
	must(t, c.Sync())
	wantEntries(t, c, "one", "two", "four")
	d.Crash(faultdisk.Survival{})
	s2 := mustOpen(t, smallSpool(d.Boot(nil)))
	defer s2.Close()
	wantEntries(t, s2.Checkpoint(), "one", "two", "four")
}

func TestCheckpointAfterClose(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, smallSpool(faultdisk.New(1).Boot(nil)))
	must(t, s.Close())
	c := s.Checkpoint()
	for _, err := range []error{
		c.Append(nil), c.Sync(), c.Rewrite(addAll()), c.Load(func([]byte) error { return nil }),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Fatalf("error is %v", err)
		}
	}
}
