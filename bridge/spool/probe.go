package spool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// Place is where a spool lies, or will lie.
type Place struct {
	Exists bool
	// Beside is the nearest directory above it that exists; nothing that is put
	// there is seen by a spool.
	Beside string
	// OtherVolume says that Beside is on another volume: the spool's directory is
	// itself where one is mounted.
	OtherVolume bool
	FreeBytes   int64
}

// LookAt looks at where the spool of dir lies, and whether this user may write
// there. It changes nothing.
func LookAt(dir string) (p Place, err error) {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return p, fmt.Errorf("%s is a file, not a directory", dir)
	case err == nil:
		p.Exists = true
	case !errors.Is(err, fs.ErrNotExist):
		return p, err
	}
	if p.Beside, err = above(dir); err != nil {
		return p, err
	}
	writes := p.Beside // there the spool's directory is made
	if p.Exists {
		writes = dir
		same, err := disk.SameVolume(dir, p.Beside)
		if err != nil {
			return p, err
		}
		p.OtherVolume = !same
	}
	if err := disk.Writable(writes); err != nil {
		return p, err
	}
	p.FreeBytes, err = disk.OS().Free(writes)
	return p, err
}

// above is the nearest directory above dir that exists.
func above(dir string) (string, error) {
	for {
		parent := filepath.Dir(dir)
		info, err := os.Stat(parent)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is a file, not a directory", parent)
		case err == nil || parent == dir || !errors.Is(err, fs.ErrNotExist):
			return parent, err
		}
		dir = parent
	}
}

// Speed is how long small writes took to become durable.
type Speed struct {
	Syncs              int
	Median, P99, Worst time.Duration
}

const (
	probeBytes = 4 << 10
	probeSpan  = 1 << 20 // the part of the file that is written
	probeSyncs = 300
)

// Probe measures how long a small write takes to become durable, as the spool
// makes it: into blocks that are there already. It writes to a file of its own in
// dir, at most for as long as within, and removes it.
func Probe(ctx context.Context, dir string, within time.Duration) (Speed, error) {
	return probe(ctx, disk.OS(), dir, within)
}

func probe(ctx context.Context, d disk.FS, dir string, within time.Duration) (speed Speed, err error) {
	name := filepath.Join(dir, ".chatbridge-probe-"+rand.Text())
	file, err := d.Create(name)
	if err != nil {
		return speed, err
	}
	defer func() { err = errors.Join(err, file.Close(), d.Remove(name)) }()
	if _, err := file.WriteAt(make([]byte, probeSpan), 0); err != nil {
		return speed, err
	}
	if err := file.Sync(); err != nil {
		return speed, err
	}
	took := make([]time.Duration, 0, probeSyncs)
	block := make([]byte, probeBytes)
	for began := time.Now(); len(took) < probeSyncs && time.Since(began) < within && ctx.Err() == nil; {
		_, _ = rand.Read(block) // it never fails
		at := time.Now()
		if _, err := file.WriteAt(block, int64(len(took))*probeBytes%probeSpan); err != nil {
			return speed, err
		}
		if err := file.Sync(); err != nil {
			return speed, err
		}
		took = append(took, time.Since(at))
	}
	if len(took) == 0 {
		return speed, ctx.Err()
	}
	slices.Sort(took)
	n := len(took)
	return Speed{Syncs: n, Median: took[n/2], P99: took[n*99/100], Worst: took[n-1]}, nil
}
