package schema

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/golden/*.event.json; commit only what you understand")

// goldenQuery is the query of every golden callback.
const goldenQuery = "SdkAppid=1400000000&CallbackCommand=Group.CallbackAfterSendMsg&contenttype=json&ClientIP=203.0.113.7&OptPlatform=Web"

// goldenReceived is when every golden callback was received.
func goldenReceived() time.Time { return time.UnixMilli(1760000005678).UTC() }

func goldenRequest(t testing.TB) Request {
	t.Helper()
	req, err := ParseQuery(goldenQuery, goldenReceived())
	if err != nil {
		t.Fatal(err)
	}
	return req
}

type golden struct {
	name      string
	callback  []byte
	event     []byte
	eventFile string
}

func goldens(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.callback.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d golden callbacks (%v)", len(files), err)
	}
	var list []golden
	for _, file := range files {
		base := strings.TrimSuffix(file, ".callback.json")
		g := golden{name: filepath.Base(base), eventFile: base + ".event.json"}
		if g.callback, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		if g.event, err = os.ReadFile(g.eventFile); err != nil && !*update {
			t.Fatal(err)
		}
		g.event = bytes.TrimSuffix(g.event, []byte("\n"))
		list = append(list, g)
	}
	return list
}

func goldenNamed(t testing.TB, name string) golden {
	t.Helper()
	for _, g := range goldens(t) {
		if g.name == name {
			return g
		}
	}
	t.Fatalf("no golden callback %q", name)
	return golden{}
}

func goldenEvent(t testing.TB, name string) *Event {
	t.Helper()
	return mustNormalize(t, goldenRequest(t), goldenNamed(t, name).callback)
}

func mustNormalize(t testing.TB, req Request, body []byte) *Event {
	t.Helper()
	e, err := Normalize(req, body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustEncode(t testing.TB, e *Event) []byte {
	t.Helper()
	b, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenCallbacksBecomeTheirEvents(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			got := mustEncode(t, mustNormalize(t, goldenRequest(t), g.callback))
			if *update {
				if err := os.WriteFile(g.eventFile, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(g.event), string(got)); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGoldenEventsRoundTripByteForByte(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			e, err := Decode(g.event)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(g.event), string(mustEncode(t, e))); diff != "" {
				t.Errorf("Decode then AppendJSON (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(mustNormalize(t, goldenRequest(t), g.callback), e); diff != "" {
				t.Errorf("normalized and decoded (-want +got):\n%s", diff)
			}
		})
	}
}
