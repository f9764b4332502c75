package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOthersMayNotRead: what people write to each other is in these files.
func TestOthersMayNotRead(t *testing.T) {
	t.Parallel()
	d := disk.OS()
	dir := filepath.Join(t.TempDir(), "a", "b")
	must(t, d.MkdirAll(dir))
	f, err := d.Create(filepath.Join(dir, "f"))
	must(t, err)
	must(t, f.Close())
	l, err := d.Lock(filepath.Join(dir, "lock"), "me")
	must(t, err)
	must(t, l.Close())
	for name, want := range map[string]os.FileMode{"": 0o700, "f": 0o600, "lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %o, want %o", name, got, want)
		}
	}
}

func TestMkdirAllRefusesAFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(name, nil, 0o600))
	if err := disk.OS().MkdirAll(name); err == nil {
		t.Fatal("a file passed for a directory")
	}
}
