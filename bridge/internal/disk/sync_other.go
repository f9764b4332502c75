//go:build unix && !linux

package disk

// Sync is os.File.Sync, which on Darwin asks the drive itself to flush.
func (f osFile) Sync() error { return f.File.Sync() }

// Forget does nothing: there is no portable way.
func (f osFile) Forget() error { return nil }

// Reserve writes zeros.
func (f osFile) Reserve(size int64) error { return writeZeros(f, size) }
