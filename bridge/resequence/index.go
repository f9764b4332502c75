package resequence

import "hash/maphash"

// index finds the record of a key: a table with linear probing and no more
// than three quarters full. A place is the hash of the key above the record's
// slot, 0 is empty; so growing looks at no record, and a search at hardly any
// but the right one. A map would take three times the memory.
type index struct {
	seed   maphash.Seed
	places []uint64 // a power of two of them
	n      int
}

// indexBytes is the memory of one entry on the average: eight bytes, with
// between 3/8 and 3/4 of the places taken.
const indexBytes = 15

func newIndex() index {
	return index{seed: maphash.MakeSeed(), places: make([]uint64, 16)}
}

// hash is where the search of a key begins, before it is masked.
func (x *index) hash(key *Key) uint32 {
	return uint32(maphash.Bytes(x.seed, key[:]))
}

// find returns the slot of a key's record, 0 where it has none.
func (x *index) find(key *Key, records *slab[record]) uint32 {
	hash := x.hash(key)
	for at := int(hash) & (len(x.places) - 1); x.places[at] != 0; at = (at + 1) & (len(x.places) - 1) {
		place := x.places[at]
		if uint32(place>>32) == hash && records.at(uint32(place)).key == *key {
			return uint32(place)
		}
	}
	return 0
}

// add enters a key that is not there.
func (x *index) add(key *Key, slot uint32) {
	if (x.n+1)*4 > len(x.places)*3 {
		old := x.places
		x.places = make([]uint64, 2*len(old))
		for _, place := range old {
			if place != 0 {
				x.put(place)
			}
		}
	}
	x.put(uint64(x.hash(key))<<32 | uint64(slot))
	x.n++
}

func (x *index) put(place uint64) {
	at := int(place>>32) & (len(x.places) - 1)
	for x.places[at] != 0 {
		at = (at + 1) & (len(x.places) - 1)
	}
	x.places[at] = place
}

// remove takes out the entry of a key, which is there with this slot. What
// follows moves up, so that no search ends early and no grave is left.
func (x *index) remove(key *Key, slot uint32) {
	mask := len(x.places) - 1
	place := uint64(x.hash(key))<<32 | uint64(slot)
	at := int(place>>32) & mask
	for x.places[at] != place {
		at = (at + 1) & mask
	}
	for next := (at + 1) & mask; x.places[next] != 0; next = (next + 1) & mask {
		home := int(x.places[next]>>32) & mask
		if (next-home)&mask >= (next-at)&mask {
			x.places[at] = x.places[next]
			at = next
		}
	}
	x.places[at] = 0
	x.n--
}
