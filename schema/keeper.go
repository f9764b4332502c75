package schema

import "time"

// keeper fills the fields of one object of the event from the members of one
// object of the callback, and keeps what does not fit: an unknown member, a
// value of a wrong type or out of range, a second spelling of a field that is
// filled already.
type keeper struct {
	extra Extra
	// clash: two members of one name had to be kept, and only one could be.
	clash bool
}

// keep adds a member to extra as it came.
func (k *keeper) keep(name []byte, v value) {
	if k.extra == nil {
		k.extra = make(Extra, 1)
	}
	if _, taken := k.extra[string(name)]; taken {
		k.clash = true
		return
	}
	k.extra[string(name)] = v.verbatim()
}

func (k *keeper) text(dst *string, name []byte, v value) {
	s, ok := v.text()
	if !ok || *dst != "" {
		k.keep(name, v)
		return
	}
	*dst = s
}

// word is text for fields that have few values.
func (k *keeper) word(dst *string, name []byte, v value) {
	if common := commonWord(v); common != "" && *dst == "" {
		*dst = common
		return
	}
	k.text(dst, name, v)
}

// commonWord returns the text of v without allocating where it is a group type
// or a priority that is often seen, else "".
func commonWord(v value) string {
	switch string(v) {
	case `"Public"`:
		return "Public"
	case `"Private"`:
		return "Private"
	case `"ChatRoom"`:
		return "ChatRoom"
	case `"AVChatRoom"`:
		return "AVChatRoom"
	case `"Community"`:
		return "Community"
	case `"Live"`:
		return "Live"
	case `"High"`:
		return "High"
	case `"Normal"`:
		return "Normal"
	case `"Low"`:
		return "Low"
	}
	return ""
}

func (k *keeper) uint(dst *Optional[uint64], name []byte, v value) {
	n, ok := v.uint()
	if !ok || dst.Present {
		k.keep(name, v)
		return
	}
	*dst = Some(n)
}

func (k *keeper) int(dst *Optional[int64], name []byte, v value) {
	n, ok := v.int()
	if !ok || dst.Present {
		k.keep(name, v)
		return
	}
	*dst = Some(n)
}

func (k *keeper) float(dst *Optional[float64], name []byte, v value) {
	f, ok := v.float()
	if !ok || dst.Present {
		k.keep(name, v)
		return
	}
	*dst = Some(f)
}

func (k *keeper) seconds(dst *time.Time, name []byte, v value) {
	t, ok := v.seconds()
	if !ok {
		k.keep(name, v)
		return
	}
	*dst = t
}

func (k *keeper) millis(dst *time.Time, name []byte, v value) {
	t, ok := v.millis()
	if !ok {
		k.keep(name, v)
		return
	}
	*dst = t
}

// flag is a number that is 0 or 1.
func (k *keeper) flag(dst *bool, name []byte, v value) {
	n, ok := v.uint()
	if !ok || n > 1 {
		k.keep(name, v)
		return
	}
	*dst = n == 1
}

// texts is a list of strings, empty ones among them. With anything else in it
// the list as a whole is of a wrong type.
func (k *keeper) texts(dst *[]string, name []byte, v value) {
	if v[0] != '[' {
		k.keep(name, v)
		return
	}
	n := 0
	for item := range v.items() {
		if n++; item[0] != '"' {
			k.keep(name, v)
			return
		}
	}
	if n == 0 {
		return
	}
	*dst = make([]string, 0, n)
	for item := range v.items() {
		s, _ := item.text()
		*dst = append(*dst, s)
	}
}
