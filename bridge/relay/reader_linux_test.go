package relay

import (
	"os"
	"strings"
	"testing"
)

// P8: what the relay has open of the spool's files does not grow with how often it
// looks into them again.
func TestNoFileOfTheSpoolStaysOpen(t *testing.T) {
	r := newRig(t, 1, smallTopics())
	const refused = 40
	for seq := range refused {
		r.append(large("g", seq+1))
	}
	r.reopen() // so that they are read from the files
	run := r.start(r.relay())
	most := 0
	await(t, "everything is refused and put aside", func() bool {
		most = max(most, r.openSegments())
		return run.left((*lane).open) == 0
	})
	if most > 6 { // the spool's own, and those of the two that read on
		t.Errorf("%d of the spool's files were open at once", most)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
}

// openSegments counts this process's open files in the spool's directory.
func (r *rig) openSegments() (n int) {
	r.t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, fd := range fds {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, r.dir+"/") {
			n++
		}
	}
	return n
}
