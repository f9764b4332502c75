package topic

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Bound is a place in a topic as a person names it. The zero Bound is
// [Earliest].
type Bound struct {
	kind   boundKind
	offset int64
	at     time.Time
}

type boundKind uint8

const (
	atStart boundKind = iota
	atEnd
	atOffset
	atTime
)

// Earliest is the first record that there is.
func Earliest() Bound { return Bound{kind: atStart} }

// Latest is the end as it is when the bound is resolved.
func Latest() Bound { return Bound{kind: atEnd} }

// At is the bound of a time: the first record at or after it.
func At(t time.Time) Bound { return Bound{kind: atTime, at: t} }

// Offset is the bound of an offset, in every partition.
func Offset(n int64) Bound { return Bound{kind: atOffset, offset: n} }

// ParseBound reads earliest, latest, an offset, a time (RFC 3339, or a date), or
// a duration before now, such as 15m or 2h30m.
func ParseBound(s string, now time.Time) (Bound, error) {
	switch strings.ToLower(s) {
	case "earliest", "start":
		return Earliest(), nil
	case "latest", "end":
		return Latest(), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return Offset(n), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return At(t), nil
		}
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return At(now.Add(-d.Abs())), nil
	}
	return Bound{}, fmt.Errorf("%q is not a place in a topic: give earliest, latest, an offset, a time such as %s, or how long ago, such as 15m",
		s, now.UTC().Truncate(time.Second).Format(time.RFC3339))
}

// offsets is what a bound must ask a topic.
type offsets interface {
	Offsets(ctx context.Context, partition int) (start, end int64, err error)
	OffsetAt(ctx context.Context, partition int, at time.Time) (int64, error)
}

// Resolve returns the bound's offset in a partition, between the partition's
// first offset and the one after its last record.
func (b Bound) Resolve(ctx context.Context, t offsets, partition int) (int64, error) {
	start, end, err := t.Offsets(ctx, partition)
	if err != nil {
		return 0, err
	}
	switch b.kind {
	case atStart:
		return start, nil
	case atEnd:
		return end, nil
	case atOffset:
		return min(max(b.offset, start), end), nil
	case atTime:
		offset, err := t.OffsetAt(ctx, partition, b.at)
		return min(max(offset, start), end), err
	}
	return start, nil
}

// After reports whether b is known to lie behind o without asking a topic: both
// are offsets, or both are times.
func (b Bound) After(o Bound) bool {
	return b.kind == o.kind && (b.kind == atOffset && b.offset > o.offset || b.kind == atTime && b.at.After(o.at))
}

// Bounded reports whether the bound leaves records out where it begins a range.
func (b Bound) Bounded() bool { return b.kind != atStart }
