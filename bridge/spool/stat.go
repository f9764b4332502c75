package spool

import (
	"fmt"
	"os"
	"time"
)

// Stat is what a spool holds at one moment.
type Stat struct {
	First, End Position // stored records are First to End-1; Walk and readers begin at First
	Released   Position // everything below was released; 0 before the first Release
	// Records counts those not released, without those known to be lost to damage.
	Records int64
	// Bytes of all segment files, the zero-filled ones included.
	Bytes           int64
	MaxBytes        int64 // 0: no bound; not known to Inspect
	FreeBytes       int64 // on the disk
	MinFree         int64 // not known to Inspect
	Segments        int
	CheckpointBytes int64
	// OldestReceipt is when the oldest record that is not released was
	// received, exact where it is in memory, else as of the beginning of its
	// segment. Zero: there is none.
	OldestReceipt time.Time
	// Quarantined counts the files kept aside for damage, QuarantinedBytes
	// their sizes. They do not count in Bytes.
	Quarantined      int
	QuarantinedBytes int64
	// Lost counts the positions that damage took, since Open.
	Lost       int64
	Durability Durability
	// Holder is what the process that has the spool wrote into its lock, such
	// as "pid 4711"; after a crash that of the process that crashed.
	Holder string
}

// Report is what Verify found.
type Report struct {
	First, End Position
	Segments   []SegmentReport // oldest first
	Checkpoint CheckpointReport
	Others     []string // quarantined and left-over files
}

// Damaged says whether anything is not as it was stored. A torn tail is not
// damage.
func (r Report) Damaged() bool {
	for _, s := range r.Segments {
		if len(s.Damage) > 0 {
			return true
		}
	}
	return r.Checkpoint.Damage != nil
}

// SegmentReport is what Verify found in one segment.
type SegmentReport struct {
	Name       string
	ID         uint64
	First, End Position // the positions that it answers for
	Bytes      int64    // of the file
	Records    int64    // good ones
	Groups     int64    // commit frames
	Void       int64    // records behind the end, which a successor replaced: never read
	Lost       int64    // positions that are gone to damage
	TornBytes  int64    // of a tail that was never acknowledged
	Newest     bool     // it may be growing while it is looked at
	Damage     []*CorruptError
}

// CheckpointReport is what Verify found in the checkpoint log.
type CheckpointReport struct {
	Bytes     int64
	Entries   int64
	TornBytes int64
	Damage    *CorruptError
}

// RepairReport is what Repair did.
type RepairReport struct {
	Before Report
	// Rewritten names the segments that were replaced by what was good in
	// them, Kept the copies of what they were.
	Rewritten, Kept []string
	Removed         []string // left-over files of no use
	Lost            int64    // positions that nothing could bring back
}

// Stat returns what the spool holds now.
func (s *Spool) Stat() Stat {
	st := Stat{
		Bytes: s.room.bytes(), MaxBytes: s.opts.MaxBytes, MinFree: s.opts.MinFree,
		CheckpointBytes: s.checkpoint.Size(), Durability: s.opts.Durability,
		Holder: fmt.Sprintf("pid %d", os.Getpid()),
	}
	if free, err := s.fs.Free(s.opts.Dir); err == nil {
		st.FreeBytes = free
	}
	var oldest *segment
	s.mu.Lock()
	st.First, st.End, st.Released = s.firstLocked(), max(s.end, s.floor), s.released
	st.Segments, st.Lost = len(s.segments), s.lost
	st.Quarantined, st.QuarantinedBytes = s.quarantined, s.keptBytes
	for _, seg := range s.segments {
		from := max(seg.head.base, s.released)
		if from >= seg.end {
			continue
		}
		st.Records += int64(seg.end - from)
		if oldest == nil {
			oldest = seg
			st.OldestReceipt = s.memory.receipt(from)
		}
	}
	s.mu.Unlock()
	if oldest != nil && st.OldestReceipt.IsZero() {
		st.OldestReceipt = s.firstReceipt(oldest)
	}
	return st
}

// firstReceipt is read once for each segment.
func (s *Spool) firstReceipt(seg *segment) time.Time {
	s.mu.Lock()
	at := seg.receipt
	s.mu.Unlock()
	if at.IsZero() {
		at = firstReceipt(s.fs, s.opts.Dir, seg)
		s.mu.Lock()
		seg.receipt = at
		s.mu.Unlock()
	}
	return at
}
