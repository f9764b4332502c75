package spool

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// realScript is the script of the crash suite in a directory of the real disk.
func realScript(t *testing.T, dir string) *script {
	t.Helper()
	return &script{h: newHistory(), fs: inDir{disk.OS(), dir}, stop: true}
}

// inDir lets the script's directory lie anywhere.
type inDir struct {
	disk.FS
	dir string
}

func (d inDir) at(name string) string { return filepath.Join(d.dir, name) }

func (d inDir) MkdirAll(dir string) error                  { return d.FS.MkdirAll(d.at(dir)) }
func (d inDir) Create(name string) (disk.File, error)      { return d.FS.Create(d.at(name)) }
func (d inDir) Open(name string) (disk.File, error)        { return d.FS.Open(d.at(name)) }
func (d inDir) OpenWrite(name string) (disk.File, error)   { return d.FS.OpenWrite(d.at(name)) }
func (d inDir) Rename(from, to string) error               { return d.FS.Rename(d.at(from), d.at(to)) }
func (d inDir) Link(from, to string) error                 { return d.FS.Link(d.at(from), d.at(to)) }
func (d inDir) Remove(name string) error                   { return d.FS.Remove(d.at(name)) }
func (d inDir) List(dir string) ([]disk.Info, error)       { return d.FS.List(d.at(dir)) }
func (d inDir) Free(dir string) (int64, error)             { return d.FS.Free(d.at(dir)) }
func (d inDir) Lock(name, owner string) (io.Closer, error) { return d.FS.Lock(d.at(name), owner) }

// TestRealDisk plays the script of the crash suite on the real disk. Then,
// for many lengths, a copy of the directory has its newest segment with
// records cut there, as if the machine had stopped when so much was on disk:
// what lies before the cut is there, in order, and the spool goes on.
func TestRealDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := realScript(t, dir)
	must(t, x.play())
	s := mustOpen(t, smallSpool(x.fs))
	x.h.check(t, "reopened", s)
	x.h.checkCheckpoint(t, "reopened", s)
	for range 4 {
		x.h.appendWave(s, 4)
	}
	must(t, s.Close())
	all := make(map[Position]string)
	must(t, Walk(filepath.Join(dir, testDir), 0, func(e Entry) error {
		all[e.Position] = string(e.Record.Body)
		return nil
	}))

	names, err := filepath.Glob(filepath.Join(dir, testDir, "*"+segmentSuffix))
	must(t, err)
	newest := filepath.Base(names[len(names)-1])
	whole, err := os.ReadFile(names[len(names)-1])
	must(t, err)
	cuts := 0
	for cut := headerBytes; cut < len(whole); cut += 149 {
		twin := filepath.Join(t.TempDir(), "cut")
		must(t, os.CopyFS(filepath.Join(twin, testDir), os.DirFS(filepath.Join(dir, testDir))))
		must(t, os.WriteFile(filepath.Join(twin, testDir, newest), whole[:cut], 0o600))
		s := mustOpen(t, smallSpool(inDir{disk.OS(), twin}))
		got := bodies(t, s.NewReader(0))
		label := fmt.Sprintf("cut at %d", cut)
		checkOnlyMissing(t, label, all, got)
		for p := s.First(); p < s.End(); p++ {
			if got[p] == "" {
				t.Fatalf("%s: position %d is gone, and %d is there", label, p, s.End()-1)
			}
		}
		whole := strings.Count(string(whole[:cut]), "wave ")
		if n := int(s.End() - segmentBase(t, newest)); n > whole || n < whole-1 {
			t.Fatalf("%s: %d records of %d", label, n, whole)
		}
		if p := appendBody(t, s, "new"); p != s.End()-1 || s.Damage() != nil {
			t.Fatalf("%s: position %d, %v", label, p, s.Damage())
		}
		must(t, s.Close())
		cuts++
	}
	t.Logf("%d cuts", cuts)
}

func segmentBase(t *testing.T, name string) Position {
	t.Helper()
	_, base, ok := parseSegmentName(name)
	if !ok {
		t.Fatalf("%s is no segment", name)
	}
	return base
}
