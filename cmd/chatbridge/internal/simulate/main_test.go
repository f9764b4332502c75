package simulate

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSchedule returns a schedule of these options; what it drops and reserves
// goes to the returned lists.
func newSchedule(t *testing.T, o Options) (*schedule, *[]uint64) {
	t.Helper()
	if o.Groups == 0 {
		o.Groups = 3
	}
	o.App, o.URL, o.Connections, o.Timeout = 1400000000, "http://127.0.0.1:1/callback", 1, time.Second
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	clock := time.Unix(1760000000, 0)
	dropped := new([]uint64)
	return &schedule{
		opt:    &o,
		rnd:    newRandom(o.Seed, 0),
		groups: newStreams(&o),
		now:    func() time.Time { clock = clock.Add(time.Millisecond); return clock },
		numbered: func(s *stream, seq uint64) error {
			s.reserved = seq
			return nil
		},
		dropped: func(_ *stream, seq uint64) { *dropped = append(*dropped, seq) },
	}, dropped
}

// deliveries returns everything that a schedule sends.
func deliveries(t *testing.T, s *schedule) []delivery {
	t.Helper()
	var all []delivery
	for {
		d, ok, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, d)
	}
}
