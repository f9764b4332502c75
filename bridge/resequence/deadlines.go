package resequence

import "bytes"

// deadlines is a heap of the streams that hold items, the earliest first;
// among equals the lower key, so that the order is a function of the input.
type deadlines[T any] []*waiting[T]

func (d deadlines[T]) before(i, j int) bool {
	if d[i].deadline != d[j].deadline {
		return d[i].deadline < d[j].deadline
	}
	return bytes.Compare(d[i].key[:], d[j].key[:]) < 0
}

func (d deadlines[T]) swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *deadlines[T]) add(w *waiting[T]) {
	w.place = len(*d)
	*d = append(*d, w)
	d.up(w.place)
}

func (d *deadlines[T]) remove(w *waiting[T]) {
	i, last := w.place, len(*d)-1
	if i != last {
		d.swap(i, last)
	}
	(*d)[last] = nil
	*d = (*d)[:last]
	if i != last {
		d.fix((*d)[i])
	}
}

// fix restores the heap after the deadline of w has changed.
func (d *deadlines[T]) fix(w *waiting[T]) {
	if !d.down(w.place) {
		d.up(w.place)
	}
}

func (d deadlines[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !d.before(i, parent) {
			return
		}
		d.swap(i, parent)
		i = parent
	}
}

func (d deadlines[T]) down(i int) (moved bool) {
	for {
		child := 2*i + 1
		if child >= len(d) {
			return moved
		}
		if child+1 < len(d) && d.before(child+1, child) {
			child++
		}
		if !d.before(child, i) {
			return moved
		}
		d.swap(i, child)
		i, moved = child, true
	}
}
