package faultdisk

import (
	"io"
	"io/fs"
	"path/filepath"
	"sort"
	"syscall"

	"github.com/chatbridge/chatbridge/bridge/internal/disk"
)

// View is a Disk as one process sees it.
type View struct {
	disk *Disk
	boot int
}

var _ disk.FS = (*View)(nil)

// begin counts a call and says what becomes of it. The disk's mutex is held.
func (v *View) begin(op Op, name string, off int64, n int) Fault {
	return v.beginFile(op, name, 0, off, n)
}

func (v *View) beginFile(op Op, name string, file int, off int64, n int) Fault {
	d := v.disk
	if d.dead || d.boot != v.boot {
		return Fault{Err: ErrCrashed}
	}
	d.calls++
	if d.plan == nil {
		return Fault{}
	}
	f := d.plan(Call{N: d.calls, Op: op, Name: filepath.Base(name), File: file, Off: off, Len: n})
	if f.Crash {
		d.dead = true
		f.Err = ErrCrashed
	}
	return f
}

// gone reports whether the machine had stopped before the call: it then has
// no effect at all.
func (v *View) gone(f Fault) bool { return f.Err == ErrCrashed && !f.Crash }

func wrap(op Op, name string, err error) error {
	if err == nil || err == ErrCrashed {
		return err
	}
	return &fs.PathError{Op: string(op), Path: name, Err: err}
}

// MkdirAll implements disk.FS.
func (v *View) MkdirAll(dir string) error {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := v.begin(OpMkdir, dir, 0, 0); f.Err != nil {
		return wrap(OpMkdir, dir, f.Err)
	}
	for dir = filepath.Clean(dir); d.dirs[dir] == nil; dir = filepath.Dir(dir) {
		d.makeDir(dir)
	}
	return nil
}

// Create implements disk.FS.
func (v *View) Create(name string) (disk.File, error) {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	f := v.begin(OpCreate, name, 0, 0)
	if v.gone(f) {
		return nil, f.Err
	}
	dir, base, err := d.dirOf(name)
	if err != nil {
		return nil, wrap(OpCreate, name, err)
	}
	if dir.current[base] != nil {
		return nil, wrap(OpCreate, name, fs.ErrExist)
	}
	if f.Err != nil && d.rng.IntN(2) == 0 {
		return nil, wrap(OpCreate, name, f.Err)
	}
	ino := &inode{}
	dir.do(naming{set: base, inode: ino})
	if f.Err != nil {
		return nil, wrap(OpCreate, name, f.Err)
	}
	return v.handle(name, ino, true), nil
}

// Open implements disk.FS.
func (v *View) Open(name string) (disk.File, error) { return v.open(name, false) }

// OpenWrite implements disk.FS.
func (v *View) OpenWrite(name string) (disk.File, error) { return v.open(name, true) }

func (v *View) open(name string, write bool) (disk.File, error) {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := v.begin(OpOpen, name, 0, 0); f.Err != nil {
		return nil, wrap(OpOpen, name, f.Err)
	}
	ino, err := d.find(name)
	if err != nil {
		return nil, wrap(OpOpen, name, err)
	}
	return v.handle(name, ino, write), nil
}

func (v *View) handle(name string, ino *inode, write bool) *file {
	v.disk.files++
	return &file{view: v, name: name, number: v.disk.files, inode: ino, write: write}
}

// Rename implements disk.FS.
func (v *View) Rename(from, to string) error {
	return v.rename(OpRename, to, func(dir *directory) (naming, error) {
		base := filepath.Base(from)
		ino := dir.current[base]
		if ino == nil {
			return naming{}, fs.ErrNotExist
		}
		return naming{remove: base, set: filepath.Base(to), inode: ino}, nil
	})
}

// Link implements disk.FS.
func (v *View) Link(from, to string) error {
	return v.rename(OpLink, to, func(dir *directory) (naming, error) {
		ino := dir.current[filepath.Base(from)]
		if ino == nil {
			return naming{}, fs.ErrNotExist
		}
		if dir.current[filepath.Base(to)] != nil {
			return naming{}, fs.ErrExist
		}
		return naming{set: filepath.Base(to), inode: ino}, nil
	})
}

// Remove implements disk.FS.
func (v *View) Remove(name string) error {
	missing := false
	err := v.rename(OpRemove, name, func(dir *directory) (naming, error) {
		missing = dir.current[filepath.Base(name)] == nil
		return naming{remove: filepath.Base(name)}, nil
	})
	if err == nil && missing {
		return wrap(OpRemove, name, fs.ErrNotExist)
	}
	return err
}

// rename changes names and then syncs their directory: two calls.
func (v *View) rename(op Op, name string, what func(*directory) (naming, error)) error {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	f := v.begin(op, name, 0, 0)
	if v.gone(f) {
		return f.Err
	}
	dir, _, err := d.dirOf(name)
	if err != nil {
		return wrap(op, name, err)
	}
	n, err := what(dir)
	if err != nil {
		return wrap(op, name, err)
	}
	if f.Err == nil || d.rng.IntN(2) == 0 {
		dir.do(n)
	}
	if f.Err != nil {
		return wrap(op, name, f.Err)
	}
	if f = v.begin(OpSyncDir, name, 0, 0); f.Err != nil {
		return wrap(OpSyncDir, name, f.Err)
	}
	dir.sync()
	return nil
}

// List implements disk.FS.
func (v *View) List(name string) ([]disk.Info, error) {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := v.begin(OpList, name, 0, 0); f.Err != nil {
		return nil, wrap(OpList, name, f.Err)
	}
	dir := d.dirs[filepath.Clean(name)]
	if dir == nil {
		return nil, wrap(OpList, name, fs.ErrNotExist)
	}
	var list []disk.Info
	for _, base := range sortedNames(dir.current) {
		list = append(list, disk.Info{Name: base, Size: int64(len(dir.current[base].current))})
	}
	return list, nil
}

// Free implements disk.FS.
func (v *View) Free(dir string) (int64, error) {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := v.begin(OpFree, dir, 0, 0); f.Err != nil {
		return 0, wrap(OpFree, dir, f.Err)
	}
	if d.space == 0 {
		return 1 << 50, nil
	}
	return max(0, d.space-d.usedLocked()), nil
}

// Lock implements disk.FS.
func (v *View) Lock(name, owner string) (io.Closer, error) {
	d := v.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := v.begin(OpLock, name, 0, 0); f.Err != nil {
		return nil, wrap(OpLock, name, f.Err)
	}
	dir, base, err := d.dirOf(name)
	if err != nil {
		return nil, wrap(OpLock, name, err)
	}
	if holder, held := d.locks[name]; held {
		return nil, &disk.LockedError{Name: name, Owner: holder}
	}
	d.locks[name] = owner
	ino := &inode{current: []byte(owner), durable: []byte(owner)}
	dir.current[base], dir.durable[base] = ino, ino
	return &held{view: v, name: name, inode: ino}, nil
}

type held struct {
	view  *View
	name  string
	inode *inode
}

// Close lets the lock go and takes the owner out of its file.
func (h *held) Close() error {
	d := h.view.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.boot != h.view.boot {
		return ErrCrashed
	}
	delete(d.locks, h.name)
	h.inode.current, h.inode.durable = nil, nil
	return nil
}

// room returns how much of an extension by n bytes the disk has space for.
func (d *Disk) room(n int64) (int64, error) {
	if d.space == 0 || n <= 0 {
		return n, nil
	}
	if free := max(0, d.space-d.usedLocked()); free < n {
		return free, syscall.ENOSPC
	}
	return n, nil
}

func sortedNames(m map[string]*inode) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func sortedDirs(m map[string]*directory) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
