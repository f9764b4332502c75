package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk/faultdisk"
)

// TestProbeMeasuresAndLeavesNothing, also where the disk fails under it.
func TestProbeMeasuresAndLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	speed, err := Probe(t.Context(), dir, time.Minute)
	if err != nil || speed.Syncs != probeSyncs || speed.Median > speed.P99 || speed.P99 > speed.Worst || speed.Worst <= 0 {
		t.Errorf("Probe = %+v, %v", speed, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("Probe left %v, %v", left, err)
	}
	if _, err := Probe(t.Context(), filepath.Join(dir, "nowhere"), time.Minute); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Probe in a directory that is not there: %v", err)
	}
	d := faultdisk.New(1)
	m := d.Boot(nil)
	must(t, m.MkdirAll(testDir))
	if speed, err := probe(t.Context(), m, testDir, 0); err != nil || speed.Syncs != 0 {
		t.Errorf("without time: %+v, %v", speed, err)
	}
	if left, err := m.List(testDir); err != nil || len(left) > 0 {
		t.Errorf("probe left %v, %v", left, err)
	}
}

// TestLookAtChangesNothing, and says where a spool lies, or why it cannot lie there.
func TestLookAtChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	p, err := LookAt(filepath.Join(dir, "a", "b") + "/")
	if err != nil || p.Exists || p.Beside != dir || p.OtherVolume || p.FreeBytes <= 0 {
		t.Errorf("of a directory that is not there: %+v, %v", p, err)
	}
	p, err = LookAt(dir)
	if err != nil || !p.Exists || p.Beside != filepath.Dir(dir) || p.OtherVolume {
		t.Errorf("of one that is: %+v, %v", p, err)
	}
	for _, wrong := range []string{file, filepath.Join(file, "spool")} {
		if _, err := LookAt(wrong); err == nil || !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("LookAt left %v, %v", left, err)
	}
}
