package publisher

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestPublishedBatchesAreReadBackOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, 2)
		p := w.client().Partition(testTopic, 1)
		var announced []Identity
		for _, b := range [][]string{{"a", "b"}, {"c"}} {
			if _, err := p.Publish(t.Context(), Batch{Messages: texts(b...), From: -1, Announce: func(id Identity) error {
				announced = append(announced, id)
				return nil
			}}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, values(t, p)); diff != "" {
			t.Error(diff)
		}
		t.Log(announced)
	})
}
