package resequence

import "time"

// Stats is a picture of a Buffer. Counters count since New and never go back;
// they are not part of the saved state.
type Stats struct {
	Held       int   // items that wait now
	HeldBytes  int64 // their Size in sum
	Waiting    int   // streams that hold items now
	Streams    int   // streams known now
	StateBytes int64 // estimated memory of what is known about them

	InOrder, AfterHole, Late, Unsequenced, Resets, Duplicates uint64 // decisions

	Missing uint64 // numbers skipped by AfterHole decisions; stops at its maximum
	Filled  uint64 // missing numbers that came while others waited for them
	GivenUp GivenUp
	Evicted uint64 // streams forgotten to stay within StateBytes

	// Hold is the hold in force for a stream without evidence of its own.
	Hold time.Duration
}

// GivenUp counts waits that ended without what they waited for, by reason. A
// wait is a hole, or a number that might have begun a restart.
type GivenUp struct {
	Timeout uint64 // the hold was over, or is off
	Items   uint64 // Config.StreamItems
	Bytes   uint64 // Config.StreamBytes
	Budget  uint64 // Config.Budget
	Restart uint64 // the numbers of the stream began again
}
