package faultdisk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newDisk returns a disk with a directory /d, and a process on it.
func newDisk(t *testing.T, plan func(faultdisk.Call) faultdisk.Fault) (*faultdisk.Disk, *faultdisk.View) {
	t.Helper()
	d := faultdisk.New(1)
	must(t, d.Boot(nil).MkdirAll("/d"))
	return d, d.Boot(plan)
}

func write(t *testing.T, f disk.File, s string, off int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(s), off)
	must(t, err)
}

func TestCrashKeepsWhatWasSyncedAndLosesTheRest(t *testing.T) {
	t.Parallel()
	d, v := newDisk(t, nil)
	f, err := v.Create("/d/tmp")
	must(t, err)
	write(t, f, "synced", 0)
	must(t, f.Sync())
	must(t, v.Rename("/d/tmp", "/d/f"))
	write(t, f, "lost", 6)
	_, err = v.Create("/d/unsynced-name")
	must(t, err)

	d.Crash(faultdisk.Survival{})
	if got := string(d.Bytes("/d/f")); got != "synced" {
		t.Errorf("after the crash the file holds %q", got)
	}
	if got := d.Names("/d"); len(got) != 1 {
		t.Errorf("after the crash there are %v", got)
	}
	if _, err := v.Open("/d/f"); !errors.Is(err, faultdisk.ErrCrashed) {
		t.Errorf("the old process goes on: %v", err)
	}
}

func TestCrashMayKeepEverything(t *testing.T) {
	t.Parallel()
	d, v := newDisk(t, nil)
	f, err := v.Create("/d/f")
	must(t, err)
	write(t, f, "all of it", 0)
	d.Crash(faultdisk.Survival{Sectors: 1, Names: 1})
	if got := string(d.Bytes("/d/f")); got != "all of it" {
		t.Errorf("after the crash the file holds %q", got)
	}
}

// TestSizeMaySurviveWithoutBytes: a grown file can read as zeros.
func TestSizeMaySurviveWithoutBytes(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for seed := range uint64(200) {
		d := faultdisk.New(seed)
		v := d.Boot(nil)
		must(t, v.MkdirAll("/d"))
		f, err := v.Create("/d/f")
		must(t, err)
		must(t, f.Sync())
		must(t, v.Rename("/d/f", "/d/g"))
		write(t, f, string(bytes.Repeat([]byte("x"), 1024)), 0)
		d.Crash(faultdisk.Survival{Sectors: 0.5})
		b := d.Bytes("/d/g")
		switch {
		case len(b) == 0:
			seen["nothing"] = true
		case len(b) == 1024 && b[0] == 0 && b[1023] == 'x':
			seen["second sector only"] = true
		case len(b) == 1024 && b[0] == 'x' && b[1023] == 0:
			seen["first sector only"] = true
		case len(b) == 1024 && b[0] == 0 && b[1023] == 0:
			seen["size only"] = true
		case len(b) == 1024:
			seen["all"] = true
		default:
			t.Fatalf("%d bytes", len(b))
		}
	}
	if len(seen) != 5 {
		t.Errorf("only saw %v", seen)
	}
}

func TestTornSector(t *testing.T) {
	t.Parallel()
	torn := 0
	for seed := range uint64(200) {
		d := faultdisk.New(seed)
		v := d.Boot(nil)
		must(t, v.MkdirAll("/d"))
		d.SetBytes("/d/f", bytes.Repeat([]byte("a"), 512))
		f, err := v.OpenWrite("/d/f")
		must(t, err)
		write(t, f, string(bytes.Repeat([]byte("b"), 512)), 0)
		d.Crash(faultdisk.Survival{Torn: true})
		b := d.Bytes("/d/f")
		if n := bytes.IndexByte(b, 'a'); n > 0 {
			torn++
			if bytes.IndexByte(b[n:], 'b') >= 0 {
				t.Fatal("a torn sector is a beginning")
			}
		}
	}
	if torn == 0 {
		t.Error("no sector was torn")
	}
}

// TestFailedSyncIsNotMadeGood: the trap of fsync, as file systems have it.
func TestFailedSyncIsNotMadeGood(t *testing.T) {
	t.Parallel()
	fail := false
	d, v := newDisk(t, func(c faultdisk.Call) faultdisk.Fault {
		if c.Op == faultdisk.OpSync && fail {
			fail = false
			return faultdisk.Fault{Err: syscall.EIO}
		}
		return faultdisk.Fault{}
	})
	d.SetBytes("/d/f", nil)
	f, err := v.OpenWrite("/d/f")
	must(t, err)
	want := bytes.Repeat([]byte("x"), 64<<10)
	write(t, f, string(want), 0)
	fail = true
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	must(t, f.Sync())
	if !bytes.Equal(d.Bytes("/d/f"), want) {
		t.Error("the system does not show what was written")
	}
	must(t, f.Forget())
	if bytes.Equal(d.Bytes("/d/f"), want) {
		t.Error("a second sync made the first one good")
	}
	d.Crash(faultdisk.Survival{Sectors: 1, Names: 1})
	if bytes.Equal(d.Bytes("/d/f"), want) {
		t.Error("what a failed sync lost is there after a crash")
	}
}

func TestNamesAreLostInAnyOrder(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for seed := range uint64(100) {
		d := faultdisk.New(seed)
		v := d.Boot(func(c faultdisk.Call) faultdisk.Fault {
			if c.Op == faultdisk.OpSyncDir {
				return faultdisk.Fault{Err: syscall.EIO}
			}
			return faultdisk.Fault{}
		})
		must(t, v.MkdirAll("/d"))
		d.SetBytes("/d/a", []byte("1"))
		d.SetBytes("/d/b", []byte("2"))
		_ = v.Remove("/d/a")
		_ = v.Remove("/d/b")
		d.Crash(faultdisk.Survival{Names: 0.5})
		key := ""
		for _, n := range d.Names("/d") {
			key += n
		}
		seen[key] = true
	}
	if len(seen) != 4 {
		t.Errorf("only saw %v", seen)
	}
}

func TestFullDiskWritesWhatFits(t *testing.T) {
	t.Parallel()
	d, v := newDisk(t, nil)
	d.SetSpace(10)
	f, err := v.Create("/d/f")
	must(t, err)
	n, err := f.WriteAt([]byte("0123456789abc"), 0)
	if n != 10 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d, %v", n, err)
	}
	write(t, f, "over", 0) // what is there can be written over
	if err := f.Reserve(11); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	must(t, v.Remove("/d/f"))
	if free, err := v.Free("/d"); err != nil || free != 10 {
		t.Fatalf("%d free, %v", free, err)
	}
}

func TestFaultAtACall(t *testing.T) {
	t.Parallel()
	for _, op := range []faultdisk.Op{faultdisk.OpWrite, faultdisk.OpSync, faultdisk.OpRename, faultdisk.OpSyncDir, faultdisk.OpRead} {
		var names []faultdisk.Op
		_, v := newDisk(t, func(c faultdisk.Call) faultdisk.Fault {
			names = append(names, c.Op)
			if c.Op == op {
				return faultdisk.Fault{Err: syscall.EIO}
			}
			return faultdisk.Fault{}
		})
		f, err := v.Create("/d/f")
		must(t, err)
		_, werr := f.WriteAt([]byte("x"), 0)
		serr := f.Sync()
		rerr := v.Rename("/d/f", "/d/g")
		_, derr := f.ReadAt(make([]byte, 1), 0)
		n := 0
		for _, err := range []error{werr, serr, rerr} {
			if errors.Is(err, syscall.EIO) {
				n++
			}
		}
		if op == faultdisk.OpRead && errors.Is(derr, syscall.EIO) {
			n++
		}
		if n != 1 {
			t.Errorf("fault at %s: %v %v %v %v (%v)", op, werr, serr, rerr, derr, names)
		}
	}
}

func TestCrashAtACallStopsTheMachine(t *testing.T) {
	t.Parallel()
	d, v := newDisk(t, func(c faultdisk.Call) faultdisk.Fault { return faultdisk.Fault{Crash: c.N == 2} })
	f, err := v.Create("/d/f")
	must(t, err)
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, faultdisk.ErrCrashed) || !d.Crashed() {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, faultdisk.ErrCrashed) {
		t.Fatal(err)
	}
	d.Crash(faultdisk.Survival{})
	_, err = d.Boot(nil).Open("/d/f")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestLockEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	d, v := newDisk(t, nil)
	_, err := v.Lock("/d/lock", "a")
	must(t, err)
	d.Kill()
	_, err = d.Boot(nil).Lock("/d/lock", "b")
	must(t, err)
}
