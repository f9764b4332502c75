package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// Verify reads everything in a spool's directory and checks every checksum.
// Damage is in the report; the error is for what keeps it from looking, the end
// of ctx included, which is noticed between two segments.
func Verify(ctx context.Context, dir string) (Report, error) { return verify(ctx, disk.OS(), dir) }

func verify(ctx context.Context, d disk.FS, dir string) (Report, error) {
	l, err := list(d, dir)
	if err != nil {
		return Report{}, fmt.Errorf("verify spool %s: %w", dir, err)
	}
	r := Report{First: 1, End: 1}
	segs := l.bounds()
	for i, seg := range segs {
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("verify spool %s: %w", dir, err)
		}
		sr, err := verifySegment(d, dir, seg)
		if err != nil {
			return r, fmt.Errorf("verify %s: %w", seg.name, err)
		}
		if h := l.segments[i].damage; h != nil {
			sr.Damage = append([]*CorruptError{h}, sr.Damage...)
		}
		if i == 0 {
			r.First = sr.First
		}
		r.End = sr.End
		r.Segments = append(r.Segments, sr)
	}
	for _, f := range l.headless {
		r.Segments = append(r.Segments, SegmentReport{
			Name: f.name, ID: f.id, First: f.base, End: f.base, Bytes: f.size, Damage: []*CorruptError{f.damage},
		})
	}
	sort.Slice(r.Segments, func(i, j int) bool { return r.Segments[i].ID < r.Segments[j].ID })
	for _, f := range l.damaged {
		r.Others = append(r.Others, f.Name)
	}
	r.Others = append(r.Others, l.left...)
	if l.checkpoint >= 0 {
		r.Checkpoint, err = verifyCheckpoint(d, filepath.Join(dir, checkpointName), l.checkpoint)
	}
	return r, err
}

func verifySegment(d disk.FS, dir string, seg *segment) (SegmentReport, error) {
	r := SegmentReport{
		Name: seg.name, ID: seg.head.id, First: seg.head.base, End: seg.end, Bytes: seg.size, Newest: !seg.sealed,
	}
	err := withSegment(d, dir, seg, func(file io.ReaderAt) error {
		if !seg.sealed {
			return verifyNewest(file, seg, &r)
		}
		return verifySealed(file, seg, &r)
	})
	return r, err
}

// verifyNewest reads a segment that may be written to meanwhile. Of a group
// that was stored while the first reading went by, the end may be seen and
// the beginning not, as if it were damaged; a second reading of the same bytes
// sees all of it.
func verifyNewest(file io.ReaderAt, seg *segment, r *SegmentReport) error {
	first, err := readTail(file, seg.name, &seg.head, seg.size)
	if err != nil {
		return err
	}
	t, err := readTail(file, seg.name, &seg.head, first.bytes)
	r.End, r.Records, r.Groups, r.Lost = t.end, t.records, t.groups, t.lost
	r.Damage, r.TornBytes = t.damage, first.tornBytes
	return err
}

// verifySealed reads a segment whose successor says where it ends.
func verifySealed(file io.ReaderAt, seg *segment, r *SegmentReport) error {
	var last *CorruptError
	w := newWalker(file, &seg.head, seg.size, func(x trouble) {
		if x.expected < seg.sound {
			last = &CorruptError{seg.name, x.off, x.err}
			r.Damage = append(r.Damage, last)
		}
	})
	at := seg.head.base // what the records before it are accounted for
	for {
		f, _, _, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		p := Position(f.position)
		if p >= seg.end && f.kind == kindRecord {
			r.Void++
			continue
		}
		if gone := min(p, seg.sound); gone > at && f.kind != kindGap {
			r.Lost += int64(gone - at)
		}
		at = max(at, min(w.expected, seg.end))
		switch f.kind {
		case kindRecord:
			r.Records++
		case kindCommit:
			r.Groups++
		}
	}
	if at < seg.sound {
		r.Lost += int64(seg.sound - at)
		if last == nil || last.Offset < w.off {
			r.Damage = append(r.Damage, &CorruptError{seg.name, w.off,
				fmt.Errorf("positions %d to %d are not there", at, seg.sound-1)})
		}
	}
	return nil
}

func verifyCheckpoint(d disk.FS, name string, size int64) (CheckpointReport, error) {
	r := CheckpointReport{Bytes: size}
	file, err := d.Open(name)
	if err != nil {
		return r, err
	}
	e, err := checkEntries(&patientFile{file: file, bad: func(int64, error) {}}, size)
	r.Entries = int64(e.count)
	r.TornBytes = size - e.end
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		r.Damage, err = corrupt, nil
	}
	return r, errors.Join(err, file.Close())
}
