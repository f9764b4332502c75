package bridge

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The tree of keys is the Config struct itself: what the file, the environment,
// the flags, the printer and the checks know of a key is read off its field, so
// that no key can be known to one of them only.

// field is one key of one section: a struct field with its tags read.
type field struct {
	name   string   // the yaml tag
	index  int      // in the struct
	secret bool     // never shown
	words  []string // what the value may be, where it is one of a few words
}

// fieldsOf lists the keys of a section in the order of the struct.
func fieldsOf(section reflect.Type) []field {
	fields := make([]field, section.NumField())
	for i := range fields {
		tag := section.Field(i).Tag
		fields[i] = field{name: tag.Get("yaml"), index: i, secret: tag.Get("secret") == "true"}
		if words, ok := tag.Lookup("oneof"); ok {
			fields[i].words = strings.Split(words, ",")
		}
	}
	return fields
}

// leaf is one key that has a value, not further keys.
type leaf struct {
	field
	key   string        // the whole key: http.tls.cert_file, apps[0].tokens
	value reflect.Value // in the Config; can be set if the Config was given by pointer
}

// eachLeaf visits every leaf below v, a section or the Config itself, in the
// order of the structs. prefix is v's own key, "" for the Config.
func eachLeaf(v reflect.Value, prefix string, visit func(leaf)) {
	for _, f := range fieldsOf(v.Type()) {
		at := leaf{field: f, key: join(prefix, f.name), value: v.Field(f.index)}
		switch {
		case isSection(at.value.Type()):
			eachLeaf(at.value, at.key, visit)
		case isSections(at.value.Type()):
			for i := range at.value.Len() {
				eachLeaf(at.value.Index(i), indexed(at.key, i), visit)
			}
		default:
			visit(at)
		}
	}
}

// leaves lists every leaf of c, to be read or set.
func (c *Config) leaves() []leaf {
	var all []leaf
	eachLeaf(reflect.ValueOf(c).Elem(), "", func(l leaf) { all = append(all, l) })
	return all
}

// leaf finds one leaf by its key.
func (c *Config) leaf(key string) (leaf, bool) {
	for _, l := range c.leaves() {
		if l.key == key {
			return l, true
		}
	}
	return leaf{}, false
}

// isSection says whether a type holds keys of its own.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isSections says whether a type is a list of sections, as apps is.
func isSections(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && isSection(t.Elem())
}

// join puts a name under a key.
func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// indexed is the key of the i-th section in a list.
func indexed(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }

// sectionOf is the first part of a key: kafka of kafka.tls.enabled, apps of apps[0].tokens.
func sectionOf(key string) string {
	if i := strings.IndexAny(key, ".["); i >= 0 {
		return key[:i]
	}
	return key
}

// setText sets the leaf to what text says. The error is a sentence about the
// value, without the key; it does not show the value of a secret.
func (l leaf) setText(text string) error {
	switch target := l.value.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *time.Duration:
		d, err := parseDuration(text)
		*target = d
		return err
	case *[]string:
		entries, err := splitList(text)
		*target = entries
		return err
	}
	switch l.value.Kind() {
	case reflect.String:
		return l.setString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%s is neither true nor false", quote(text))
		}
		l.value.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", quote(text))
		}
		l.value.SetInt(int64(n))
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not a number such as 1400000000", quote(text))
		}
		l.value.SetUint(n)
	default:
		return errors.New("cannot be set") // a test holds that no key gets here
	}
	return nil
}

// setString sets a leaf that is text, or one of a few words.
func (l leaf) setString(text string) error {
	if len(l.words) > 0 {
		word, err := matchWord(text, l.words)
		if err != nil {
			return err
		}
		text = word
	}
	l.value.SetString(text)
	return nil
}

// nearest returns the candidate that text is most likely a misspelling of, or "".
func nearest(text string, candidates []string) string {
	best, least := "", len(text)/3+2
	for _, c := range candidates {
		if d := distance(strings.ToLower(text), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions and substitutions between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
