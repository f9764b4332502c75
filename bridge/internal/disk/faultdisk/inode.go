package faultdisk

import "math/rand/v2"

// inode is a file: what the system shows of it, what is on the disk, and what
// lies between the two.
type inode struct {
	current []byte
	durable []byte
	pending []change // since the last Sync, oldest first
}

// change is a write of data at off, or, where data is nil, a new size off.
type change struct {
	off  int64
	data []byte
}

// apply does c to b.
func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, c.off)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[c.off:], c.data)
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// do makes a change that the system shows and the disk does not have yet.
func (i *inode) do(c change) {
	if c.data != nil {
		c.data = append([]byte{}, c.data...)
	}
	i.current = c.apply(i.current)
	i.pending = append(i.pending, c)
}

// sync brings what is pending to the disk.
func (i *inode) sync() {
	for _, c := range i.pending {
		i.durable = c.apply(i.durable)
	}
	i.pending = nil
}

// lose brings some of what is pending to the disk and forgets the rest,
// without the system noticing.
func (i *inode) lose(s Survival, rng *rand.Rand) {
	size := int64(len(i.durable))
	for _, c := range i.pending {
		if c.data == nil {
			if s.hit(s.Sectors, rng) {
				i.durable = c.apply(i.durable)
				size = c.off
			}
			continue
		}
		for _, part := range c.sectors() {
			if s.hit(s.Sectors, rng) {
				i.durable = part.apply(i.durable)
			} else if s.Torn && rng.IntN(4) == 0 {
				part.data = part.data[:rng.IntN(len(part.data))]
				i.durable = part.apply(i.durable)
			}
		}
	}
	// The size is written by itself: with it, missing sectors read as zeros;
	// without it, what is beyond the old one is not there.
	if s.hit(s.Sectors, rng) {
		i.durable = resize(i.durable, int64(len(i.current)))
	} else if int64(len(i.durable)) > size {
		i.durable = resize(i.durable, size)
	}
	i.pending = nil
}

// sectors cuts a write where the disk's sectors end.
func (c change) sectors() []change {
	var parts []change
	for off, data := c.off, c.data; len(data) > 0; {
		n := min(int64(len(data)), sector-off%sector)
		parts = append(parts, change{off: off, data: data[:n:n]})
		off += n
		data = data[n:]
	}
	return parts
}

// forget makes the system read from the disk again.
func (i *inode) forget() {
	i.current = append([]byte(nil), i.durable...)
	for _, c := range i.pending {
		i.current = c.apply(i.current)
	}
}

// directory is names: as the system shows them, as they are on the disk, and
// what lies between.
type directory struct {
	current map[string]*inode
	durable map[string]*inode
	pending []naming
}

// naming is one change of names: what is removed, then what is set.
type naming struct {
	remove string
	set    string
	inode  *inode
}

func newDirectory() *directory {
	return &directory{current: make(map[string]*inode), durable: make(map[string]*inode)}
}

func (n naming) apply(names map[string]*inode) {
	if n.remove != "" {
		delete(names, n.remove)
	}
	if n.set != "" {
		names[n.set] = n.inode
	}
}

func (d *directory) do(n naming) {
	n.apply(d.current)
	d.pending = append(d.pending, n)
}

func (d *directory) sync() {
	for _, n := range d.pending {
		n.apply(d.durable)
	}
	d.pending = nil
}
