package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"go.uber.org/zap"
)

// Release says that every record below before is settled and that the
// checkpoint which says so is synced. Segments that hold nothing else are
// removed, the oldest first, each durably before the next: what a crash
// leaves is always the end of the log, without a hole. The segment in use
// stays, it holds the next position. After an error Release may be called
// again.
func (s *Spool) Release(before Position) error {
	s.releasing.Lock()
	defer s.releasing.Unlock()
	for {
		seg := s.unlist(before)
		if seg == nil {
			break
		}
		err := s.fs.Remove(filepath.Join(s.opts.Dir, seg.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.relist(seg)
			return fmt.Errorf("release segment %s: %w", seg.name, err)
		}
		s.room.give(seg.size)
		s.event(EventReleased)
		s.log.Debug("segment released", zap.String("segment", seg.name))
	}
	if s.Err() != nil {
		s.queue.wake()
	}
	return nil
}

// unlist takes the oldest segment off the list if all of it lies below
// before. nil: there is none.
func (s *Spool) unlist(before Position) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = max(s.released, min(before, s.end))
	if len(s.segments) < 2 || !s.segments[0].sealed || s.segments[0].end > s.released {
		return nil
	}
	seg := s.segments[0]
	s.segments[0] = nil
	s.segments = s.segments[1:]
	return seg
}

func (s *Spool) relist(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append([]*segment{seg}, s.segments...)
}
