package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// ReadCheckpoint calls fn with each entry of the checkpoint in dir, oldest
// first, and changes nothing. It may be used on a live spool; it then sees the
// entries that there are at the call. No checkpoint is no entry. An entry is
// valid until fn returns.
func ReadCheckpoint(dir string, fn func(entry []byte) error) error {
	name := filepath.Join(dir, checkpointName)
	file, err := disk.OS().Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read checkpoint: %w", err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return fmt.Errorf("read checkpoint %s: %w", name, err)
	}
	e, err := checkEntries(file, size)
	var corrupt *CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return fmt.Errorf("read checkpoint %s: %w", name, err)
	}
	return readEntries(file, e.seed, e.end, fn)
}
