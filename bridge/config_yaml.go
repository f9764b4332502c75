package bridge

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxConfigBytes bounds what is read as a configuration; a real one has a few
// kilobytes, and -c may name anything.
const maxConfigBytes = 1 << 20

// readFile reads the file over what is set so far.
func (s *Settings) readFile(path string) {
	o := Origin{Layer: LayerFile, Name: path}
	text, err := readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fault(o, "", "there is no such file; give the path of the configuration with -c")
	case err != nil:
		s.fault(o, "", "cannot be read: "+cause(err).Error())
	default:
		s.readYAML(text, o)
	}
}

// readBounded reads a file of at most maxConfigBytes.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(text) > maxConfigBytes {
		err = fmt.Errorf("it is larger than %s", Size(maxConfigBytes))
	}
	return text, err
}

// cause takes the path off an error of package os: the message names it already.
func cause(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// readYAML reads one YAML document over what is set so far. Each fault gets o
// with the place in the text.
func (s *Settings) readYAML(text []byte, o Origin) {
	r := yamlReader{settings: s, origin: o}
	if root := r.parse(text); root != nil {
		r.section(root, reflect.ValueOf(&s.Config).Elem(), "")
	}
}

// yamlReader carries what every step of the walk through a document needs. The
// walk follows the Config struct, so its depth is the struct's, whatever a
// document's anchors and aliases do.
type yamlReader struct {
	settings *Settings
	origin   Origin // without a place in the text
}

// at is the origin with the node's place. A variable has none worth showing.
func (r yamlReader) at(node *yaml.Node) Origin {
	o := r.origin
	if o.Layer == LayerFile {
		o.Line, o.Column = node.Line, node.Column
	}
	return o
}

// fault notes what is wrong with the value at node.
func (r yamlReader) fault(node *yaml.Node, key, format string, args ...any) {
	r.settings.fault(r.at(node), key, fmt.Sprintf(format, args...))
}

// parse returns the document's root, or nil where there is none to go on with.
func (r yamlReader) parse(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil // nothing but comments: the defaults
	}
	if err != nil {
		r.syntaxFault(text, err)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		r.fault(&second, "", "a second document begins here; a configuration is one document, without further --- lines")
	} else if !errors.Is(err, io.EOF) {
		r.syntaxFault(text, err)
	}
	root := resolve(document.Content[0])
	if isNull(root) {
		return nil
	}
	return root
}

// section reads a mapping into a struct.
func (r yamlReader) section(node *yaml.Node, target reflect.Value, key string) {
	if node.Kind != yaml.MappingNode {
		r.fault(node, key, "is %s, but must hold keys: %s", describe(node), strings.Join(names(target.Type()), ", "))
		return
	}
	fields := fieldsOf(target.Type())
	lines := map[string]int{} // of the keys seen
	for i := 0; i < len(node.Content); i += 2 {
		name, value := resolve(node.Content[i]), resolve(node.Content[i+1])
		full := join(key, name.Value)
		if first, twice := lines[name.Value]; twice {
			r.fault(node.Content[i], full, "is given twice, first in line %d", first)
			continue
		}
		lines[name.Value] = node.Content[i].Line
		f, ok := findField(fields, name)
		if !ok {
			r.fault(node.Content[i], strings.TrimSuffix(full, "."), "%s", unknownName(name, names(target.Type())))
			continue
		}
		r.settings.origins[full] = r.at(node.Content[i])
		r.value(value, leaf{field: f, key: full, value: target.Field(f.index)})
	}
}

// findField returns the field that a key names.
func findField(fields []field, name *yaml.Node) (field, bool) {
	for _, f := range fields {
		if name.Kind == yaml.ScalarNode && f.name == name.Value {
			return f, true
		}
	}
	return field{}, false
}

// unknownName is the message about a key that its section does not have.
func unknownName(name *yaml.Node, known []string) string {
	switch {
	case name.Kind != yaml.ScalarNode:
		return "a key must be a word"
	case name.ShortTag() == "!!merge":
		return "merge keys are not read; write the keys out"
	default:
		return unknownKey(name.Value, known)
	}
}

// names lists the keys of a section.
func names(section reflect.Type) []string {
	var all []string
	for _, f := range fieldsOf(section) {
		all = append(all, f.name)
	}
	return all
}

// value reads what stands behind a key: a section, a list of sections, a list,
// or a scalar.
func (r yamlReader) value(node *yaml.Node, l leaf) {
	kind := l.value.Type()
	switch {
	case isNull(node) && (isSection(kind) || kind.Kind() == reflect.Slice):
		// A section of which every line is commented out says nothing.
	case isSection(kind):
		r.section(node, l.value, l.key)
	case isSections(kind):
		r.sections(node, l)
	case kind.Kind() == reflect.Slice:
		r.list(node, l)
	default:
		r.scalar(node, l)
	}
}

// sections reads a list of mappings. It replaces the whole list of a lower layer.
func (r yamlReader) sections(node *yaml.Node, l leaf) {
	if node.Kind != yaml.SequenceNode {
		r.fault(node, l.key, "is %s, but must be a list; begin each entry with -", describe(node))
		return
	}
	for key := range r.settings.origins {
		if under(key, l.key) {
			delete(r.settings.origins, key)
		}
	}
	l.value.Set(reflect.MakeSlice(l.value.Type(), len(node.Content), len(node.Content)))
	for i, entry := range node.Content {
		key := indexed(l.key, i)
		r.settings.origins[key] = r.at(entry)
		r.section(resolve(entry), l.value.Index(i), key)
	}
}

// list reads a list of texts.
func (r yamlReader) list(node *yaml.Node, l leaf) {
	if node.Kind != yaml.SequenceNode {
		r.fault(node, l.key, "is %s, but must be a list, such as [\"a\", \"b\"]", describe(node))
		return
	}
	entries := make([]string, 0, len(node.Content))
	for i, entry := range node.Content {
		entry = resolve(entry)
		if entry.Kind != yaml.ScalarNode || entry.ShortTag() != "!!str" {
			r.fault(entry, indexed(l.key, i), "is %s, but must be text; put it in quotes", describe(entry))
			continue
		}
		entries = append(entries, entry.Value)
	}
	l.value.Set(reflect.ValueOf(entries))
	r.settings.given(l.key, r.settings.origins[l.key])
}

// scalar reads a single value.
func (r yamlReader) scalar(node *yaml.Node, l leaf) {
	if problem := mismatch(node, l); problem != "" {
		r.fault(node, l.key, "%s", problem)
		return
	}
	r.settings.set(l, node.Value, r.at(node))
}

// mismatch says why a node cannot be the leaf's value, or "".
func mismatch(node *yaml.Node, l leaf) string {
	if isNull(node) {
		return `has no value; give one, "" for an empty one, or remove the line`
	}
	tag := node.ShortTag()
	if node.Kind != yaml.ScalarNode {
		tag = ""
	}
	switch kind := l.value.Kind(); {
	case l.value.Type() == reflect.TypeFor[time.Duration](),
		l.value.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		if tag != "!!str" && tag != "!!int" && tag != "!!float" {
			return fmt.Sprintf("is %s, but must be a single value", describe(node))
		}
	case kind == reflect.String && tag != "!!str":
		if tag == "" {
			return fmt.Sprintf("is %s, but must be text", describe(node))
		}
		return fmt.Sprintf("is %s, but must be text; put it in quotes", describe(node))
	case kind == reflect.Bool && tag != "!!bool":
		return fmt.Sprintf("is %s, but must be true or false", describe(node))
	case (kind == reflect.Int || kind == reflect.Uint64) && tag != "!!int":
		return fmt.Sprintf("is %s, but must be a whole number", describe(node))
	}
	return ""
}

// describe names the kind of a node's value, never the value.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.ShortTag() {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "a date"
	default:
		return "a value with a tag that is not known"
	}
}

// resolve follows an alias to what it stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// isNull says whether a node is nothing at all: key without value, null or ~.
func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}
