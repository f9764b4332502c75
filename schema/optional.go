package schema

import (
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
)

// Optional is a number that may be absent. The zero Optional is absent, which
// is not the same as a number 0: design and schema keep a 0 that was sent.
// It is a plain value: comparable, copied freely, safe for concurrent reading.
type Optional[T uint64 | int64 | float64] struct {
	// Value is the number; it is 0 where Present is false.
	Value T
	// Present tells a number from nothing.
	Present bool
}

// Some returns a present number.
func Some[T uint64 | int64 | float64](v T) Optional[T] {
	return Optional[T]{Value: v, Present: true}
}

// Get returns the number and whether there is one.
func (o Optional[T]) Get() (T, bool) { return o.Value, o.Present }

// IsZero reports absence; with it the JSON option omitzero leaves the member out.
func (o Optional[T]) IsZero() bool { return !o.Present }

// MarshalJSON writes the number, or null where it stands alone and is absent.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Present {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// UnmarshalJSON reads a number; null is absent.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	*o = Optional[T]{}
	if string(b) == "null" {
		return nil
	}
	var err error
	switch v := any(&o.Value).(type) {
	case *uint64:
		*v, err = strconv.ParseUint(string(b), 10, 64)
	case *int64:
		*v, err = strconv.ParseInt(string(b), 10, 64)
	case *float64:
		*v, err = strconv.ParseFloat(string(b), 64)
	}
	if err != nil {
		return errNotNumber // the text may be a message's
	}
	o.Present = true
	return nil
}

var errNotNumber = errors.New("not a number of the member's range")
