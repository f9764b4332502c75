package ops

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// group is what the tests' source answers.
func group(q GroupQuery) Group {
	partition, seq := 3, uint64(11)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Group{
		GroupID: q.GroupID, Partition: &partition, Notes: []string{"a note"},
		Streams: []Stream{{
			AppID: 1400000000, TopicID: q.TopicID, NextExpected: 12, HoldSeconds: 0.02,
			WaitsFor: []Hole{{From: 12, To: 13}}, Held: []Held{{Seq: 14, ReceivedAt: at, LeavesIn: 0.013}},
			Since: &at, LastHoles: []Hole{{From: 4, To: 4, At: &at}}, Holes: 1,
			Late: Notice{Count: 2, Seq: 9, At: &at}, Published: &Published{Seq: &seq, Offset: 41, At: at},
		}, {
			Unnamed: true, WaitsFor: []Hole{}, Held: []Held{},
		}},
	}
}

func TestGroupShowsWhatIsKnown(t *testing.T) {
	base := serve(t, good())
	code, body := get(t, base+"/group?group="+url.QueryEscape("@TGS#2J4SZEAEL <b>&")+"&topic="+url.QueryEscape("@TOPIC#x"))
	if code != http.StatusOK {
		t.Fatalf("/group: %d %s", code, body)
	}
	golden(t, filepath.Join("testdata", "group.json"), body)
}

func TestGroupSaysHowItIsAsked(t *testing.T) {
	base := serve(t, good())
	for _, path := range []string{"/group", "/group?group=", "/group?group=" + strings.Repeat("x", longestID+1), "/group?group=g&topic=" + strings.Repeat("x", longestID+1)} {
		if code, body := get(t, base+path); code != http.StatusBadRequest || !strings.Contains(body, `"error"`) {
			t.Errorf("%.40s: %d %s; want 400 and an error", path, code, body)
		}
	}
}
