package spool

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// Durability says what a nil error from Append means.
type Durability uint8

const (
	// Fsync: the record is on stable storage. The default, and the only mode
	// in which promise P1 holds through a power loss.
	Fsync Durability = iota
	// Interval: the record was handed to the operating system and will be on
	// stable storage within SyncEvery. It survives a killed process; a power
	// loss takes the last SyncEvery.
	Interval
	// Memory: the record was handed to the operating system, which writes it
	// when it likes. It survives a killed process; a power loss takes up to a
	// whole segment.
	Memory
)

// String returns the mode as the configuration spells it.
func (d Durability) String() string {
	switch d {
	case Fsync:
		return "fsync"
	case Interval:
		return "interval"
	case Memory:
		return "memory"
	default:
		return fmt.Sprintf("durability(%d)", uint8(d))
	}
}

// ParseDurability is the inverse of String.
func ParseDurability(s string) (Durability, error) {
	for _, d := range []Durability{Fsync, Interval, Memory} {
		if s == d.String() {
			return d, nil
		}
	}
	return Fsync, fmt.Errorf("durability %q: want fsync, interval or memory", s)
}

// SyncEvery is the longest that a record waits for its fsync under Interval.
const SyncEvery = 100 * time.Millisecond

const (
	defaultSegmentBytes = 64 << 20
	defaultMemoryBytes  = 8 << 20
	// minSegmentBytes is small enough for tests that need many segments; a
	// useful segment is a thousand times larger.
	minSegmentBytes = 4 << 10
	// segmentsPerSpool is how many segments MaxBytes has room for at least:
	// space comes back a segment at a time.
	segmentsPerSpool = 16
)

// Options configures a spool. Only Dir is required.
type Options struct {
	// Dir is the spool's own directory; it is made (0700) if it is missing.
	Dir string
	// MaxBytes bounds the bytes of all segments on disk, the zero-filled ones
	// included; 0 is no bound but the disk.
	MaxBytes int64
	// MinFree is what must stay free on the disk; below it records are
	// refused. 0 is none.
	MinFree int64
	// SegmentBytes is the size of a segment file. 0 is 64 MiB, or MaxBytes/16
	// if that is less.
	SegmentBytes int64
	// Durability is Fsync unless set.
	Durability Durability
	// MemoryBytes bounds what is kept in memory, of what was just stored, for
	// readers that keep up. 0 is 8 MiB, less than 0 is nothing.
	MemoryBytes int64

	FS     disk.FS          // nil: the real one
	Now    func() time.Time // nil: time.Now; measures, and dates log lines
	Logger *zap.Logger      // nil: silent
	Hooks  Hooks
}

// Hooks are told what happens, from the spool's own goroutines, between one
// group and the next, and from those that call it. They must be quick and must
// not call the spool. Nil members are skipped.
type Hooks struct {
	// Synced is called after each group is stored: its records, the bytes
	// written, and how long write and fsync took.
	Synced func(records, bytes int, took time.Duration)
	// Event is called with one of the Event… constants.
	Event func(kind string)
}

// What Hooks.Event is called with.
const (
	EventRotated     = "rotated"      // a new segment is being written
	EventPoisoned    = "poisoned"     // a write or fsync failed: its segment is given up
	EventTruncated   = "truncated"    // recovery cut a torn tail
	EventQuarantined = "quarantined"  // damage was found: its segment is kept aside
	EventMissing     = "missing"      // a whole segment is gone or cannot be read
	EventFull        = "full"         // records are refused for want of space
	EventResumed     = "resumed"      // records are stored again after full or poisoned
	EventReleased    = "released"     // a segment was removed, all of it settled
	EventReserveUsed = "reserve-used" // the checkpoint took the space kept for it
)

// withDefaults fills in the zero values and refuses what cannot work.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, fmt.Errorf("open spool: no directory given (spool.dir)")
	}
	if o.MaxBytes < 0 || o.MinFree < 0 || o.SegmentBytes < 0 {
		return o, fmt.Errorf("open spool %s: a size is negative", o.Dir)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
		if o.MaxBytes > 0 {
			o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/segmentsPerSpool)
		}
	}
	o.SegmentBytes = max(o.SegmentBytes, minSegmentBytes) &^ (frameAlign - 1)
	if o.MaxBytes > 0 && o.MaxBytes < 4*o.SegmentBytes {
		return o, fmt.Errorf("open spool %s: %d bytes at most (spool.max_bytes) are less than four segments of %d",
			o.Dir, o.MaxBytes, o.SegmentBytes)
	}
	switch {
	case o.MemoryBytes == 0:
		o.MemoryBytes = defaultMemoryBytes
	case o.MemoryBytes < 0:
		o.MemoryBytes = 0
	}
	if o.Durability > Memory {
		return o, fmt.Errorf("open spool %s: unknown %s", o.Dir, o.Durability)
	}
	if o.FS == nil {
		o.FS = disk.OS()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o, nil
}
