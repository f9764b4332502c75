package disk_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// place is an empty directory on some disk.
type place struct {
	disk.FS
	dir string
}

func (p place) at(name string) string { return filepath.Join(p.dir, name) }

// put makes a durable file.
func (p place) put(t *testing.T, name, content string) {
	t.Helper()
	f, err := p.Create(p.at(name + ".new"))
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
	must(t, p.Rename(p.at(name+".new"), p.at(name)))
}

// get reads a whole file.
func (p place) get(t *testing.T, name string) string {
	t.Helper()
	f, err := p.Open(p.at(name))
	must(t, err)
	defer func() { must(t, f.Close()) }()
	return content(t, f)
}

func content(t *testing.T, f disk.File) string {
	t.Helper()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// TestBothDisksKeepTheContract runs one suite on the real disk and on the
// double, so that what is proved on the double holds on the real one.
func TestBothDisksKeepTheContract(t *testing.T) {
	t.Parallel()
	disks := map[string]func(*testing.T) place{
		"os": func(t *testing.T) place { return place{disk.OS(), t.TempDir()} },
		"faultdisk": func(t *testing.T) place {
			v := faultdisk.New(1).Boot(nil)
			must(t, v.MkdirAll("/d"))
			return place{v, "/d"}
		},
	}
	rules := map[string]func(*testing.T, place){
		"create is exclusive":                     createIsExclusive,
		"missing files are ErrNotExist":           missingFiles,
		"bytes read are bytes written":            readWrite,
		"truncate sets the size":                  truncate,
		"rename replaces":                         renameReplaces,
		"link gives a second name":                link,
		"a removed file that is open is readable": removeOpen,
		"list is sorted and has plain files only": listing,
		"lock names its holder":                   lock,
		"directories are made with their parents": mkdir,
		"reserve extends":                         reserve,
		"sync and forget change nothing":          syncForget,
		"reading needs no right to write":         readOnly,
		"free is there":                           free,
	}
	for disk, open := range disks {
		for rule, check := range rules {
			t.Run(disk+"/"+rule, func(t *testing.T) {
				t.Parallel()
				check(t, open(t))
			})
		}
	}
}

func createIsExclusive(t *testing.T, p place) {
	p.put(t, "a", "x")
	_, err := p.Create(p.at("a"))
	mustBe(t, err, fs.ErrExist)
	if got := p.get(t, "a"); got != "x" {
		t.Fatalf("content is %q", got)
	}
}

func missingFiles(t *testing.T, p place) {
	_, err := p.Open(p.at("no"))
	mustBe(t, err, fs.ErrNotExist)
	_, err = p.OpenWrite(p.at("no"))
	mustBe(t, err, fs.ErrNotExist)
	mustBe(t, p.Remove(p.at("no")), fs.ErrNotExist)
	mustBe(t, p.Rename(p.at("no"), p.at("a")), fs.ErrNotExist)
	mustBe(t, p.Link(p.at("no"), p.at("a")), fs.ErrNotExist)
	_, err = p.List(p.at("no"))
	mustBe(t, err, fs.ErrNotExist)
}

func readWrite(t *testing.T, p place) {
	f, err := p.Create(p.at("a"))
	must(t, err)
	defer func() { must(t, f.Close()) }()
	_, err = f.WriteAt([]byte("hello"), 2)
	must(t, err)
	b := make([]byte, 10)
	n, err := f.ReadAt(b, 0)
	mustBe(t, err, io.EOF)
	if got := string(b[:n]); got != "\x00\x00hello" {
		t.Fatalf("read %q", got)
	}
	if n, err := f.ReadAt(b[:5], 2); err != nil || n != 5 {
		t.Fatalf("ReadAt of what is there: %d, %v", n, err)
	}
	n, err = f.ReadAt(b, 7)
	if n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("ReadAt behind the end: %d, %v", n, err)
	}
}

func truncate(t *testing.T, p place) {
	p.put(t, "a", "hello")
	f, err := p.OpenWrite(p.at("a"))
	must(t, err)
	must(t, f.Truncate(2))
	must(t, f.Truncate(4))
	must(t, f.Sync())
	must(t, f.Close())
	if got := p.get(t, "a"); got != "he\x00\x00" {
		t.Fatalf("content is %q", got)
	}
}

func renameReplaces(t *testing.T, p place) {
	p.put(t, "a", "old")
	p.put(t, "b", "new")
	f, err := p.Open(p.at("a"))
	must(t, err)
	must(t, p.Rename(p.at("b"), p.at("a")))
	if got := content(t, f); got != "old" {
		t.Fatalf("open file has %q", got)
	}
	must(t, f.Close())
	if got := p.get(t, "a"); got != "new" {
		t.Fatalf("name has %q", got)
	}
	_, err = p.Open(p.at("b"))
	mustBe(t, err, fs.ErrNotExist)
}

func link(t *testing.T, p place) {
	p.put(t, "a", "x")
	must(t, p.Link(p.at("a"), p.at("b")))
	mustBe(t, p.Link(p.at("a"), p.at("b")), fs.ErrExist)
	must(t, p.Remove(p.at("a")))
	if got := p.get(t, "b"); got != "x" {
		t.Fatalf("second name has %q", got)
	}
}

func removeOpen(t *testing.T, p place) {
	p.put(t, "a", "x")
	f, err := p.Open(p.at("a"))
	must(t, err)
	must(t, p.Remove(p.at("a")))
	if got := content(t, f); got != "x" {
		t.Fatalf("open file has %q", got)
	}
	must(t, f.Close())
	mustBe(t, p.Remove(p.at("a")), fs.ErrNotExist)
}

func listing(t *testing.T, p place) {
	p.put(t, "b", "12")
	p.put(t, "a", "")
	must(t, p.MkdirAll(p.at("c")))
	list, err := p.List(p.dir)
	must(t, err)
	if diff := cmp.Diff([]disk.Info{{Name: "a", Size: 0}, {Name: "b", Size: 2}}, list); diff != "" {
		t.Fatal(diff)
	}
}

func lock(t *testing.T, p place) {
	l, err := p.Lock(p.at("lock"), "pid 7")
	must(t, err)
	_, err = p.Lock(p.at("lock"), "pid 8")
	var locked *disk.LockedError
	if !errors.As(err, &locked) || locked.Owner != "pid 7" {
		t.Fatalf("second lock: %v", err)
	}
	if got := p.get(t, "lock"); got != "pid 7" {
		t.Fatalf("lock file says %q", got)
	}
	must(t, l.Close())
	l, err = p.Lock(p.at("lock"), "pid 8")
	must(t, err)
	must(t, l.Close())
	if got := p.get(t, "lock"); got != "" {
		t.Fatalf("lock file says %q after Close", got)
	}
}

func mkdir(t *testing.T, p place) {
	must(t, p.MkdirAll(p.at("x/y/z")))
	must(t, p.MkdirAll(p.at("x/y/z")))
	place{p.FS, p.at("x/y/z")}.put(t, "a", "deep")
}

func reserve(t *testing.T, p place) {
	f, err := p.Create(p.at("a"))
	must(t, err)
	must(t, f.Reserve(10000))
	must(t, f.Reserve(100))
	size, err := f.Size()
	must(t, err)
	if size != 10000 {
		t.Fatalf("size is %d", size)
	}
	must(t, f.Close())
}

func syncForget(t *testing.T, p place) {
	f, err := p.Create(p.at("a"))
	must(t, err)
	want := bytes.Repeat([]byte("0123456789"), 1000)
	_, err = f.WriteAt(want, 0)
	must(t, err)
	must(t, f.Forget())
	must(t, f.Sync())
	must(t, f.Forget())
	if got := content(t, f); got != string(want) {
		t.Fatal("content changed")
	}
	must(t, f.Close())
}

func readOnly(t *testing.T, p place) {
	p.put(t, "a", "x")
	f, err := p.Open(p.at("a"))
	must(t, err)
	if _, err := f.WriteAt([]byte("y"), 0); err == nil {
		t.Fatal("written to a file that was opened for reading")
	}
	must(t, f.Close())
}

func free(t *testing.T, p place) {
	n, err := p.Free(p.dir)
	must(t, err)
	if n <= 0 {
		t.Fatalf("free is %d", n)
	}
}
