package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Layer is a kind of source of settings. A higher layer wins over a lower one,
// key by key.
type Layer uint8

// The layers, weakest first.
const (
	LayerDefault Layer = iota
	LayerFile
	LayerEnvironment
	LayerFlag
)

// Origin says where a value was given.
type Origin struct {
	Layer Layer
	Name  string // the file's path, the variable's name or the flag; "" for a default
	Line  int    // in the file, from 1; 0 unknown
	// Column counts characters from 1; 0 unknown.
	Column int
}

// String is the origin as people and editors read it: file:line:column, the
// name of a variable or of a flag, or the word default.
func (o Origin) String() string {
	text := o.Name
	if o.Layer == LayerDefault {
		text = "default"
	}
	if o.Line > 0 {
		text += ":" + strconv.Itoa(o.Line)
	}
	if o.Column > 0 {
		text += ":" + strconv.Itoa(o.Column)
	}
	return text
}

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Key     string // the whole key; "" where it is about a source as such
	Message string // a sentence that says what is wrong and what to write instead
	Origin  Origin // where it was given; the zero value where it was not
}

// String is the fault on one line: where, which key, what.
func (f Fault) String() string {
	text := f.Message
	if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Origin != (Origin{}) {
		text = f.Origin.String() + ": " + text
	}
	return text
}

// ConfigError is a configuration that cannot be used, with everything that is
// wrong with it.
type ConfigError struct{ Faults []Fault } // never empty

// Error is the fault, or a list of them, one a line.
func (e *ConfigError) Error() string {
	if len(e.Faults) == 1 {
		return e.Faults[0].String()
	}
	text := fmt.Sprintf("the configuration has %d faults:", len(e.Faults))
	for _, f := range e.Faults {
		text += "\n  " + f.String()
	}
	return text
}

// Sources are where settings come from. What is left empty is not read.
type Sources struct {
	File    string   // path of a YAML file
	Environ []string // NAME=value; those that begin with CHATBRIDGE_ are settings
	Flags   []Flag
}

// Flag is a setting from the command line.
type Flag struct {
	Name       string // as it was typed, --topic; for messages
	Key, Value string // the value as it would be written in a variable
}

// Settings are a configuration that was put together from its sources. They
// know where each value is from.
type Settings struct {
	Config  Config
	origins map[string]Origin // of every key, leaf or section, that was given
	faults  []Fault           // found while reading
}

// LoadConfig reads the sources over the defaults: file, then environment, then
// flags. It never fails as such; ask [Settings.Err] before the Config is used.
func LoadConfig(in Sources) *Settings {
	s := &Settings{Config: DefaultConfig(), origins: map[string]Origin{}}
	if in.File != "" {
		s.readFile(in.File)
	}
	s.readEnvironment(in.Environ)
	for _, f := range in.Flags {
		s.readFlag(f)
	}
	return s
}

// Origin returns where the value of a key is from.
func (s *Settings) Origin(key string) Origin { return s.origins[key] }

// Err returns a [*ConfigError] with everything that is wrong, or nil. It checks
// the named sections only (http, apps, kafka, …), or all without a name: who
// looks at topics needs no readable token file. What could not be read at all
// is wrong in any section.
func (s *Settings) Err(sections ...string) error {
	faults := slices.Clone(s.faults)
	for _, f := range s.Config.Faults() {
		if len(sections) > 0 && !slices.Contains(sections, sectionOf(f.Key)) {
			continue
		}
		if s.unread(f.Key) {
			continue
		}
		f.Origin = s.originNear(f.Key)
		faults = append(faults, f)
	}
	return configError(faults)
}

// ReadErr is Err without the checks: what could not be read, or nil.
func (s *Settings) ReadErr() error { return configError(slices.Clone(s.faults)) }

// configError sorts faults by their place, and makes an error of them if there are any.
func configError(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Origin.rank(), b.Origin.rank()),
			cmp.Compare(a.Origin.Line, b.Origin.Line), cmp.Compare(a.Origin.Column, b.Origin.Column))
	})
	return &ConfigError{Faults: faults}
}

// rank orders faults: those with a place in the file first, in its order.
func (o Origin) rank() int {
	switch o.Layer {
	case LayerFile:
		return 0
	case LayerEnvironment:
		return 1
	case LayerFlag:
		return 2
	case LayerDefault:
	}
	return 3
}

// unread says whether reading already found a fault in key, in something above
// it, or below it: then its value is not what was meant, and a check of it would
// only add noise. A file that could not be read makes every value such a one.
func (s *Settings) unread(key string) bool {
	return slices.ContainsFunc(s.faults, func(f Fault) bool {
		return f.Origin.Layer == LayerFile && f.Key == "" || f.Key == key || under(key, f.Key) || under(f.Key, key)
	})
}

// under says whether key lies below section.
func under(key, section string) bool {
	rest, ok := strings.CutPrefix(key, section)
	return ok && section != "" && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// originNear returns where key, or else the nearest section above it, was given.
func (s *Settings) originNear(key string) Origin {
	for key != "" {
		if o, ok := s.origins[key]; ok {
			return o
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return Origin{}
}

// fault notes what is wrong with a key.
func (s *Settings) fault(o Origin, key, message string) {
	s.faults = append(s.faults, Fault{Key: key, Message: message, Origin: o})
}

// set sets a leaf from text and notes its origin.
func (s *Settings) set(l leaf, text string, o Origin) {
	if text == "" && o.Layer > LayerFile && s.holdsSecret(l.key) {
		// Most likely not filled in; taken as a wish it could mean no token at all.
		s.fault(o, l.key, "is empty; give it a value, or leave it out")
		return
	}
	err := l.setText(text)
	if err != nil {
		s.fault(o, l.key, err.Error())
	}
	s.given(l.key, o)
}

// holdsSecret says whether a leaf is a secret or names the file of one.
func (s *Settings) holdsSecret(key string) bool {
	l, ok := s.Config.leaf(strings.TrimSuffix(key, "_file"))
	return ok && l.secret
}

// given notes where a leaf was given. Of a secret and its file, the one from the
// higher layer counts; only both from the same layer are a fault (checked later).
func (s *Settings) given(key string, o Origin) {
	s.origins[key] = o
	twin, isFile := strings.CutSuffix(key, "_file")
	if !isFile {
		twin = key + "_file"
	}
	if other, ok := s.origins[twin]; !ok || other.Layer >= o.Layer {
		return
	}
	if l, ok := s.Config.leaf(twin); ok {
		l.value.SetZero()
		delete(s.origins, twin)
	}
}

// readFlag sets one key from the command line.
func (s *Settings) readFlag(f Flag) {
	o := Origin{Layer: LayerFlag, Name: f.Name}
	l, ok := s.Config.leaf(f.Key)
	if !ok {
		s.fault(o, f.Key, unknownKey(f.Key, s.leafKeys()))
		return
	}
	s.set(l, f.Value, o)
}

// leafKeys lists the keys of all leaves.
func (s *Settings) leafKeys() []string {
	var keys []string
	for _, l := range s.Config.leaves() {
		keys = append(keys, l.key)
	}
	return keys
}

// unknownKey is the message about a key that does not exist.
func unknownKey(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("is not a known key; did you mean %s?", near)
	}
	return "is not a known key"
}
