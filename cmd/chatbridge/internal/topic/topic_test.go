package topic

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/chatbridge/chatbridge/publisher"
)

func TestBoundsAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("here", 3600))
	for text, want := range map[string]Bound{
		"earliest": Earliest(), "START": Earliest(), "latest": Latest(), "end": Latest(),
		"0": Offset(0), "1234567890123": Offset(1234567890123),
		"2026-03-04T00:00:00Z":      At(time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)),
		"2026-03-04T01:00:00.5Z":    At(time.Date(2026, 3, 4, 1, 0, 0, 5e8, time.UTC)),
		"2026-03-04 05:00:00":       At(time.Date(2026, 3, 4, 5, 0, 0, 0, now.Location())),
		"2026-03-01":                At(time.Date(2026, 3, 1, 0, 0, 0, 0, now.Location())),
		"15m":                       At(now.Add(-15 * time.Minute)),
		"-2h30m":                    At(now.Add(-150 * time.Minute)),
		"2026-03-04T01:00:00+01:00": At(time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)),
	} {
		got, err := ParseBound(text, now)
		if err != nil || got.kind != want.kind || got.offset != want.offset || !got.at.Equal(want.at) {
			t.Errorf("%q is %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-5", "1.5", "2026-13-01"} {
		if got, err := ParseBound(text, now); err == nil || !strings.Contains(err.Error(), "2026-03-04T04:06:07Z") {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}

// newTopic returns a topic on kfake with one partition and n records, a second
// apart from second 1000 on.
func newTopic(t *testing.T, n int) *Topic {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for i := range n {
		r := &kgo.Record{Topic: "t", Value: []byte{byte(i)}, Timestamp: time.Unix(1000+int64(i), 0)}
		if err := producer.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	client, err := publisher.New(publisher.Config{Brokers: cluster.ListenAddrs(), Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return New(client, "t")
}

func TestBoundsResolveToOffsetsThatExist(t *testing.T) {
	t.Parallel()
	tp := newTopic(t, 10)
	for _, c := range []struct {
		bound Bound
		want  int64
	}{
		{Earliest(), 0},
		{Latest(), 10},
		{Offset(4), 4},
		{Offset(99), 10},
		{At(time.UnixMilli(1003_001)), 4},
		{At(time.Unix(0, 0)), 0},
		{At(time.Unix(5000, 0)), 10},
	} {
		got, err := c.bound.Resolve(context.Background(), tp, 0)
		if err != nil || got != c.want {
			t.Errorf("%+v is offset %d, %v, want %d", c.bound, got, err, c.want)
		}
	}
}

func TestReadGivesExactlyTheRange(t *testing.T) {
	t.Parallel()
	tp := newTopic(t, 10)
	read := func(from, to int64) []int64 {
		var got []int64
		err := tp.Read(context.Background(), 0, from, to, func(r *publisher.Record) error {
			got = append(got, r.Offset)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	for _, c := range []struct {
		from, to int64
		want     []int64
	}{{0, 3, []int64{0, 1, 2}}, {7, 10, []int64{7, 8, 9}}, {5, 5, nil}, {6, 2, nil}} {
		if diff := cmp.Diff(c.want, read(c.from, c.to)); diff != "" {
			t.Errorf("%d to %d: %s", c.from, c.to, diff)
		}
	}
	// What Kafka had and has no more is not passed over (P9).
	err := tp.Read(t.Context(), 0, 8, 12, func(*publisher.Record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "ends at 10") {
		t.Errorf("reading behind the end: %v; want an error that says where the partition ends", err)
	}
	stop := errors.New("stop")
	if err := tp.Read(context.Background(), 0, 0, 10, func(*publisher.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the receiver's error became %v", err)
	}
}

func TestFollowWaitsForWhatComes(t *testing.T) {
	t.Parallel()
	tp := newTopic(t, 2)
	n := 0
	next, err := tp.Follow(context.Background(), 0, 0, time.Millisecond, func(*publisher.Record) error { n++; return nil })
	if err != nil || next != 2 || n != 2 {
		t.Errorf("%d records up to %d, %v", n, next, err)
	}
	next, err = tp.Follow(context.Background(), 0, 2, time.Millisecond, func(*publisher.Record) error { n++; return nil })
	if err != nil || next != 2 || n != 2 {
		t.Errorf("at the end: %d records up to %d, %v", n, next, err)
	}
}
