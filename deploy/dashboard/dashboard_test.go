package main

import (
	"bytes"
	"os"
	"testing"
)

// TestTheFileIsWhatIsBuilt: nobody edits deploy/dashboard.json by hand, and nobody
// forgets to make it.
func TestTheFileIsWhatIsBuilt(t *testing.T) {
	t.Parallel()
	want, err := render()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("deploy/dashboard.json is not what is built; run make dashboard, and commit it")
	}
}
