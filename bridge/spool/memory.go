package spool

import (
	"sort"
	"time"
)

// memory keeps the groups that were stored last, for readers that keep up, up
// to a bound in bytes. Guarded by Spool.mu; the groups are immutable.
type memory struct {
	max    int64
	bytes  int64
	groups []*group // oldest first, positions ascending
}

// push adds a group and lets the oldest go until the bound holds.
func (m *memory) push(g *group) {
	m.groups = append(m.groups, g)
	m.bytes += int64(cap(g.buf))
	n := 0
	for ; n < len(m.groups) && m.bytes > m.max; n++ {
		m.bytes -= int64(cap(m.groups[n].buf))
		m.groups[n] = nil
	}
	m.groups = m.groups[n:]
}

// find returns the group that holds p, nil if it is not in memory.
func (m *memory) find(p Position) *group {
	i := sort.Search(len(m.groups), func(i int) bool { return m.groups[i].end() > p })
	if i == len(m.groups) || m.groups[i].first > p {
		return nil
	}
	return m.groups[i]
}

// clear lets everything go.
func (m *memory) clear() { m.groups, m.bytes = nil, 0 }

// receipt returns when the record at p was received, zero if it is not in
// memory.
func (m *memory) receipt(p Position) time.Time {
	g := m.find(p)
	if g == nil {
		return time.Time{}
	}
	at := int64(0)
	for i := g.first; i < p; i++ {
		f := peekFrame(g.buf[at:])
		at += f.size()
	}
	f := peekFrame(g.buf[at:])
	return time.Unix(0, f.time).UTC()
}
