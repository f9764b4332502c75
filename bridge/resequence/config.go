package resequence

import "time"

// HoldMode says how long a number that is ahead waits for the missing ones.
type HoldMode uint8

// The modes.
const (
	// Adaptive learns the hold from the lateness of holes that did fill.
	Adaptive HoldMode = iota
	// Fixed holds for Config.Fixed.
	Fixed
	// Off never waits.
	Off
)

// String is the mode as it stands in the configuration.
func (m HoldMode) String() string {
	switch m {
	case Adaptive:
		return "adaptive"
	case Fixed:
		return "fixed"
	case Off:
		return "off"
	default:
		return "unknown"
	}
}

// The defaults of Config.
const (
	DefaultFloor       = 20 * time.Millisecond
	DefaultCeiling     = time.Second
	DefaultStreamItems = 1024
	DefaultStreamBytes = 4 << 20
	DefaultBudget      = 64 << 20
	DefaultStateBytes  = 64 << 20
	DefaultWindow      = 1024

	// MaxWindow is the largest Config.Window.
	MaxWindow = 1 << 15
)

// Config sets the bounds of a Buffer. The zero value is the default; so is
// each field that is 0 or less, but for Fixed.
type Config struct {
	Hold HoldMode
	// Fixed is the hold in mode Fixed; 0 or less waits for nothing.
	Fixed time.Duration
	// Floor and Ceiling bound the hold in mode Adaptive. A ceiling below the
	// floor is the floor.
	Floor, Ceiling time.Duration
	// StreamItems and StreamBytes bound what one stream holds.
	StreamItems int
	StreamBytes int64
	// Budget bounds what all Buffers that share it hold together; nil is one
	// of DefaultBudget for this Buffer alone.
	Budget *Budget
	// StateBytes bounds the memory of what is known about streams, held items
	// apart. Above it the least recently used stream is forgotten.
	StateBytes int64
	// Window is how many numbers back, and how many unsequenced messages
	// back, a repeat is recognized; at most MaxWindow.
	Window int
}

// withDefaults fills what is not set.
func (c Config) withDefaults() Config {
	c.Fixed = max(c.Fixed, 0)
	if c.Floor <= 0 {
		c.Floor = DefaultFloor
	}
	if c.Ceiling <= 0 {
		c.Ceiling = DefaultCeiling
	}
	c.Ceiling = max(c.Ceiling, c.Floor)
	if c.StreamItems <= 0 {
		c.StreamItems = DefaultStreamItems
	}
	if c.StreamBytes <= 0 {
		c.StreamBytes = DefaultStreamBytes
	}
	if c.Budget == nil {
		c.Budget = NewBudget(DefaultBudget)
	}
	if c.StateBytes <= 0 {
		c.StateBytes = DefaultStateBytes
	}
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	c.Window = min(c.Window, MaxWindow)
	return c
}
