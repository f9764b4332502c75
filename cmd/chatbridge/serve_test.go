package main

import (
	"strings"
	"testing"
)

// P7: serve does not start with an operator's listener that others reach and nothing
// guards; it says which key to set, with its place, before it opens anything.
func TestServeRefusesAnUnguardedOperatorsListener(t *testing.T) {
	t.Parallel()
	r := runCommand(t, "serve", "-c", "testdata/good.yaml", "--set", "ops.listen=:9090", "--set", "spool.dir="+t.TempDir())
	if r.code != exitUsage || !strings.Contains(r.stderr, "--set: ops.listen: ") || !strings.Contains(r.stderr, "ops.password_file") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
