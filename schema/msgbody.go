package schema

import "maps"

// maxEntries bounds the elements, image variants and relayed messages of one
// event, counted together. A real message, of 12 KB at most, is far from it. A
// list that would pass it is kept verbatim as if it were of a wrong type, so
// that a body of one million empty objects costs no more than its own size.
const maxEntries = 4096

// budget is how many entries of an event are still to be had.
type budget int

// list counts the entries of a list and takes them from the budget. ok is false,
// and nothing is taken, for what is not a list or is too long.
func (b *budget) list(v value) (n int, ok bool) {
	if v[0] != '[' {
		return 0, false
	}
	for range v.items() {
		n++
	}
	if n > int(*b) {
		return 0, false
	}
	*b -= budget(n)
	return n, true
}

// elements reads a MsgBody. What it cannot read in an element makes it an
// *Other, so that each element keeps its place.
func (k *keeper) elements(dst *Elements, name []byte, v value, left *budget) {
	n, ok := left.list(v)
	if !ok {
		k.keep(name, v)
		return
	}
	if n == 0 {
		return
	}
	list := make(Elements, 0, n)
	for item := range v.items() {
		list = append(list, readElement(item, left))
	}
	*dst = list
}

// readElement reads {"MsgType": …, "MsgContent": …}.
func readElement(v value, left *budget) Element {
	if v[0] != '{' {
		return &Other{Content: v.verbatim()}
	}
	var kind, content value
	var k keeper
	for name, m := range v.members() {
		switch string(name) {
		case "MsgType":
			kind = m
		case "MsgContent":
			content = m
		default:
			k.keep(name, m)
		}
	}
	if kind == nil || kind[0] != '"' || len(kind) == len(`""`) {
		return &Other{Content: v.verbatim()} // no name to go by
	}
	if el := readContent(unquoted(kind), content, k, left); el != nil {
		return el
	}
	other := &Other{Name: string(unquoted(kind)), Extra: k.extra}
	if content != nil {
		other.Content = content.verbatim()
	}
	return other
}

// readContent returns the typed element, or nil where there is none that can
// hold the content.
func readContent(kind []byte, content value, k keeper, left *budget) Element {
	if content == nil {
		content = value("{}")
	}
	if content[0] != '{' {
		return nil
	}
	if k.extra != nil { // readElement needs its own where this fails
		k.extra = maps.Clone(k.extra)
	}
	var el Element
	switch string(kind) {
	case "TIMTextElem":
		el = k.textElement(content)
	case "TIMLocationElem":
		el = k.location(content)
	case "TIMFaceElem":
		el = k.face(content)
	case "TIMCustomElem":
		el = k.custom(content)
	case "TIMSoundElem":
		el = k.sound(content)
	case "TIMImageElem":
		el = k.image(content, left)
	case "TIMFileElem":
		el = k.file(content)
	case "TIMVideoFileElem":
		el = k.video(content)
	case "TIMRelayElem":
		el = k.relay(content, left)
	default:
		return nil
	}
	if k.clash {
		return nil // a member beside the content has the name of one in it
	}
	return el
}
