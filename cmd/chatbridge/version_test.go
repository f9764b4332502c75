package main

import (
	"encoding/json"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuildInfoFillsWhatTheLinkerDidNotSet(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}},
	}
	b := build{Go: "go1.26", Platform: "linux/amd64"}
	b.complete(info)
	if got, want := b.String(), "chatbridge v1.2.3, commit 0123456789ab, 2026-01-02T03:04:05Z, go1.26 linux/amd64"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	linked := build{Version: "v9", Commit: "c", Date: "d"}
	linked.complete(info)
	if diff := cmp.Diff(build{Version: "v9", Commit: "c", Date: "d"}, linked); diff != "" {
		t.Errorf("what the linker set was changed:\n%s", diff)
	}
}

func TestVersionAsJSON(t *testing.T) {
	t.Parallel()
	var got build
	if err := json.Unmarshal([]byte(runCommand(t, "version", "--json").stdout), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(thisBuild(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	line := thisBuild().String() + "\n"
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if r := runCommand(t, args...); r.stdout != line || r.code != exitGood {
			t.Errorf("%q: exit %d, %q", args, r.code, r.stdout)
		}
	}
}
