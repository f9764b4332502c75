package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")
	postedRow = regexp.MustCompile(`(?s) -d '\n(.*?)'\n`)
)

// TestReadmeShowsTheSpecificationsExample: the request and the event in README
// are the golden ones, which the endpoint's test sends and reads.
func TestReadmeShowsTheSpecificationsExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, pattern := range map[string]*regexp.Regexp{
		"specification.event.json": jsonBlock, "specification.callback.json": postedRow,
	} {
		found := pattern.FindSubmatch(text)
		if found == nil {
			t.Errorf("README shows nothing like %s", file)
			continue
		}
		if got, want := compact(t, found[1]), compact(t, []byte(golden(t, file))); got != want {
			t.Errorf("README shows\n%s\n%s is\n%s", got, file, want)
		}
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
