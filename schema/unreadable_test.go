package schema

import (
	"os"
	"regexp"
	"testing"
)

// Reasons is every reason: a metric's children are made of it.
func TestReasonsAreAllThatTheSourceHas(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("unreadable.go")
	if err != nil {
		t.Fatal(err)
	}
	want := map[Reason]bool{}
	for _, m := range regexp.MustCompile(`\bReason\w+ +Reason = "([a-z-]+)"`).FindAllSubmatch(source, -1) {
		want[Reason(m[1])] = true
	}
	for _, r := range Reasons() {
		if !want[r] {
			t.Errorf("%s is listed twice, or is none", r)
		}
		delete(want, r)
	}
	for r := range want {
		t.Errorf("%s is not listed", r)
	}
}
