package faultdisk

import "math/rand/v2"

// Survival is how much of what was not synced is there after a power loss.
type Survival struct {
	Sectors float64 // the chance of each sector, and of a file's new size
	Names   float64 // the chance of each change of names
	Torn    bool    // a sector that was lost may have been written in part
}

// Survivals returns the kinds of power loss that tests go through: nothing
// survives, everything does, and what lies between.
func Survivals() []Survival {
	return []Survival{
		{},
		{Sectors: 1, Names: 1},
		{Sectors: 0.5, Names: 0.5, Torn: true},
		{Sectors: 0.9, Names: 0.1, Torn: true},
		{Sectors: 0.1, Names: 0.9, Torn: true},
	}
}

func (Survival) hit(chance float64, rng *rand.Rand) bool { return rng.Float64() < chance }

// Crash cuts the power: the process ends, and of what was not synced there is
// afterwards what s says.
func (d *Disk) Crash(s Survival) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killLocked()
	for _, dir := range sortedDirs(d.dirs) {
		at := d.dirs[dir]
		for _, n := range at.pending {
			if s.hit(s.Names, d.rng) {
				n.apply(at.durable)
			}
		}
		at.pending = nil
	}
	seen := make(map[*inode]bool)
	for _, dir := range sortedDirs(d.dirs) {
		at := d.dirs[dir]
		at.current = make(map[string]*inode)
		for _, name := range sortedNames(at.durable) {
			ino := at.durable[name]
			at.current[name] = ino
			if !seen[ino] {
				seen[ino] = true
				ino.lose(s, d.rng)
				ino.current = append([]byte(nil), ino.durable...)
			}
		}
	}
}
