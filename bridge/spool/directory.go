package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// listing is what a spool's directory holds.
type listing struct {
	segments   []found          // with a header that can be read; by id
	headless   []found          // no copy of the header is valid; by id
	left       []string         // left over from a crash: may be removed
	damaged    []disk.Info      // kept aside
	checkpoint int64            // bytes, -1: there is none
	reserved   map[string]int64 // bytes of each reserve, by name
	lastID     uint64           // highest segment id in any name
}

// found is a segment file.
type found struct {
	name   string
	id     uint64   // of the name
	base   Position // of the name
	size   int64
	head   header
	blank  bool          // no frame follows the header
	damage *CorruptError // of one copy of the header, or of both
}

// list reads the directory and all headers. A file that vanishes meanwhile is
// left out: the owner of a live spool released it.
func list(d disk.FS, dir string) (listing, error) {
	files, err := d.List(dir)
	if err != nil {
		return listing{}, err
	}
	l := listing{checkpoint: -1, reserved: make(map[string]int64)}
	for _, f := range files {
		if id, _, ok := parseSegmentName(strings.TrimSuffix(f.Name, damagedSuffix)); ok {
			l.lastID = max(l.lastID, id)
		}
		switch id, base, ok := parseSegmentName(f.Name); {
		case ok:
			if err := l.addSegment(d, dir, found{name: f.Name, id: id, base: base, size: f.Size}); err != nil {
				return listing{}, err
			}
		case f.Name == checkpointName:
			l.checkpoint = f.Size
		case f.Name == appendReserve, f.Name == rewriteReserve:
			l.reserved[f.Name] = f.Size
		case strings.HasSuffix(f.Name, tmpSuffix):
			l.left = append(l.left, f.Name)
		case strings.HasSuffix(f.Name, damagedSuffix):
			l.damaged = append(l.damaged, f)
		}
	}
	for _, s := range [][]found{l.segments, l.headless} {
		sort.Slice(s, func(i, j int) bool { return s[i].id < s[j].id })
	}
	l.dropOrphans()
	return l, nil
}

// dropOrphans takes out segments that were made when making them seemed to
// fail: nothing is in them, and their successor follows another one.
func (l *listing) dropOrphans() {
	kept := l.segments[:0]
	for i, f := range l.segments {
		if i+1 < len(l.segments) && f.blank && l.segments[i+1].head.prevID != f.id {
			l.left = append(l.left, f.name)
			continue
		}
		kept = append(kept, f)
	}
	l.segments = kept
}

func (l *listing) addSegment(d disk.FS, dir string, f found) error {
	file, err := d.Open(filepath.Join(dir, f.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.head, f.blank, f.damage, err = readHeader(file, magicSegment, f.name)
	err = errors.Join(err, file.Close())
	var corrupt *CorruptError
	switch {
	case errors.As(err, &corrupt):
		f.damage = corrupt
		l.headless = append(l.headless, f)
	case err != nil:
		return err
	case f.head.id != f.id || f.head.base != f.base:
		f.damage = &CorruptError{f.name, 0, fmt.Errorf("header is that of segment %d at position %d", f.head.id, f.head.base)}
		l.headless = append(l.headless, f)
	default:
		l.segments = append(l.segments, f)
	}
	return nil
}

// bounds says where each segment but the newest ends, as its successor's
// header has it.
func (l *listing) bounds() []*segment {
	segs := make([]*segment, len(l.segments))
	for i, f := range l.segments {
		segs[i] = &segment{head: f.head, name: f.name, size: f.size, bytes: f.size, end: f.head.base, sound: f.head.base}
		if i+1 == len(l.segments) {
			break
		}
		next := l.segments[i+1].head
		seg := segs[i]
		seg.sealed = true
		// Where the direct successor is gone, the next one still bounds it.
		seg.end = max(seg.head.base, next.prevEnd)
		seg.sound = seg.end
		if next.prevID == f.id {
			seg.sound = max(seg.head.base, next.prevSound)
		}
	}
	return segs
}
