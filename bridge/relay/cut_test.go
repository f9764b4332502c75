package relay

import (
	"testing"
	"testing/synctest"
	"time"
)

// Design 3: a batch is cut by count and bytes at once, and by age where neither is
// reached. Time is virtual.
func TestABatchIsCutByCountBytesAndAge(t *testing.T) {
	type batch struct {
		records int
		after   time.Duration
	}
	for name, c := range map[string]struct {
		records, size, batchBytes int
		want                      []batch
	}{
		"count":                           {2*maxBatchRecords + 1, 1, maxBatchBytes, []batch{{maxBatchRecords, 0}, {maxBatchRecords, 0}, {1, defaultLinger}}},
		"bytes":                           {5, 5000, 2 * (5000 + recordEnvelope), []batch{{2, 0}, {2, 0}, {1, defaultLinger}}},
		"one that is larger than a batch": {2, 5000, 100, []batch{{1, 0}, {1, 0}}},
		"age":                             {3, 1, maxBatchBytes, []batch{{3, defaultLinger}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lane{relay: &Relay{opt: Options{Linger: defaultLinger}, batchBytes: c.batchBytes}, ready: make(chan struct{}, 1)}
				for range c.records {
					l.out = append(l.out, &outgoing{value: make([]byte, c.size)})
				}
				for _, want := range c.want {
					began := time.Now()
					got, err := l.cut(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if after := time.Since(began); len(got) != want.records || after != want.after {
						t.Errorf("a batch of %d after %v; want %d after %v", len(got), after, want.records, want.after)
					}
				}
			})
		})
	}
}
