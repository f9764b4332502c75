package faultdisk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"sync"
)

// ErrCrashed is what every call returns after the machine stopped.
var ErrCrashed = errors.New("faultdisk: the machine has stopped")

// sector is what a disk writes at a time.
const sector = 512

// Op names a call.
type Op string

// The calls that are counted. Rename, Link and Remove are followed by SyncDir:
// two calls, between which a machine may stop.
const (
	OpMkdir    Op = "mkdir"
	OpCreate   Op = "create"
	OpOpen     Op = "open"
	OpRename   Op = "rename"
	OpLink     Op = "link"
	OpRemove   Op = "remove"
	OpSyncDir  Op = "syncdir"
	OpList     Op = "list"
	OpFree     Op = "free"
	OpLock     Op = "lock"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
	OpSize     Op = "size"
	OpForget   Op = "forget"
	OpReserve  Op = "reserve"
)

// Call is one call, before it has any effect.
type Call struct {
	N    int // 1, 2, 3 … since Boot
	Op   Op
	Name string // the last part; of an open file, the one that it was opened by
	File int    // number of the descriptor, for calls on an open file
	Off  int64  // of a read or write
	Len  int
}

// Fault is what becomes of a call. The zero value lets it be.
type Fault struct {
	// Err is returned. A write has then written some of its bytes or none, a
	// change of names has happened or not, a Sync has lost what was written.
	Err error
	// Crash stops the machine in the middle of the call.
	Crash bool
}

// Disk is the double. Its methods may be called from many goroutines.
type Disk struct {
	mu    sync.Mutex
	rng   *rand.Rand
	space int64 // 0: without end
	dirs  map[string]*directory
	locks map[string]string
	plan  func(Call) Fault
	calls int
	files int // descriptors handed out
	boot  int // counts the processes; the one that runs has this number
	dead  bool
}

// New returns an empty disk. What is random follows from seed.
func New(seed uint64) *Disk {
	return &Disk{
		rng:   rand.New(rand.NewPCG(seed, 0x5eed)),
		dirs:  map[string]*directory{"/": newDirectory(), ".": newDirectory()},
		locks: make(map[string]string),
	}
}

// Boot begins a process: it ends the one before as Kill does, counts calls
// from 1, and asks plan (nil: no faults) about each.
func (d *Disk) Boot(plan func(Call) Fault) *View {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killLocked()
	d.plan, d.calls, d.dead = plan, 0, false
	return &View{disk: d, boot: d.boot}
}

// Kill ends the process. The system runs on: what was written stays written.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killLocked()
}

func (d *Disk) killLocked() {
	d.boot++
	clear(d.locks)
}

// Crashed reports whether a fault stopped the machine.
func (d *Disk) Crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// Calls returns how many calls were made since Boot.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// SetSpace bounds the bytes of all files; 0 is no bound.
func (d *Disk) SetSpace(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.space = n
}

// Used returns the bytes of all files.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usedLocked()
}

func (d *Disk) usedLocked() int64 {
	seen := make(map[*inode]bool)
	var sum int64
	for _, dir := range d.dirs {
		for _, ino := range dir.current {
			if !seen[ino] {
				seen[ino] = true
				sum += int64(len(ino.current))
			}
		}
	}
	return sum
}

// Names returns the files of a directory, sorted.
func (d *Disk) Names(dir string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	if at := d.dirs[filepath.Clean(dir)]; at != nil {
		for name := range at.current {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// Bytes returns a copy of what a file holds.
func (d *Disk) Bytes(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	ino, err := d.find(name)
	if err != nil {
		return nil
	}
	return append([]byte(nil), ino.current...)
}

// SetBytes makes a file hold b, durably; the file and its directory are made
// if they are missing.
func (d *Disk) SetBytes(name string, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base := filepath.Split(filepath.Clean(name))
	at := d.makeDir(filepath.Clean(dir))
	ino := at.current[base]
	if ino == nil {
		ino = &inode{}
		at.current[base] = ino
	}
	at.durable[base] = ino
	ino.current = append([]byte(nil), b...)
	ino.durable = append([]byte(nil), b...)
	ino.pending = nil
}

// Copy returns a disk with the same files, all of it durable.
func (d *Disk) Copy(seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(seed)
	c.space = d.space
	inodes := make(map[*inode]*inode)
	for name, dir := range d.dirs {
		at := c.makeDir(name)
		for base, ino := range dir.current {
			if inodes[ino] == nil {
				inodes[ino] = &inode{
					current: append([]byte(nil), ino.current...),
					durable: append([]byte(nil), ino.current...),
				}
			}
			at.current[base] = inodes[ino]
			at.durable[base] = inodes[ino]
		}
	}
	return c
}

func (d *Disk) makeDir(dir string) *directory {
	if d.dirs[dir] == nil {
		d.dirs[dir] = newDirectory()
	}
	return d.dirs[dir]
}

// dirOf returns the directory that a name lies in, and its last part.
func (d *Disk) dirOf(name string) (*directory, string, error) {
	name = filepath.Clean(name)
	dir := d.dirs[filepath.Dir(name)]
	if dir == nil {
		return nil, "", fs.ErrNotExist
	}
	return dir, filepath.Base(name), nil
}

func (d *Disk) find(name string) (*inode, error) {
	dir, base, err := d.dirOf(name)
	if err != nil {
		return nil, err
	}
	ino := dir.current[base]
	if ino == nil {
		return nil, fs.ErrNotExist
	}
	return ino, nil
}
