package bridge

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// mask stands for a secret in every output.
const mask = "********"

// secretPathPart is the length from which the first part of http.path is taken for
// a secret: longer than any word one would put there, shorter than any good secret.
// What follows the first part always is.
const secretPathPart = 16

// WriteYAML writes the effective settings as a configuration, secrets masked.
// With sources, a comment behind each value says where it was given.
func (s *Settings) WriteYAML(w io.Writer, sources bool) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(s.node(reflect.ValueOf(&s.Config).Elem(), "", sources)); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	return encoder.Close()
}

// Masked returns the effective settings, secrets masked, as maps and lists of
// what is in the file: for JSON.
func (s *Settings) Masked() (map[string]any, error) {
	var out map[string]any
	err := s.node(reflect.ValueOf(&s.Config).Elem(), "", false).Decode(&out)
	return out, err
}

// Sources returns where each leaf was given, by its key.
func (s *Settings) Sources() map[string]string {
	out := map[string]string{}
	for _, l := range s.Config.leaves() {
		out[l.key] = s.origins[l.key].String()
	}
	return out
}

// node is a section as YAML.
func (s *Settings) node(section reflect.Value, prefix string, sources bool) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fieldsOf(section.Type()) {
		key, value := join(prefix, f.name), section.Field(f.index)
		var child *yaml.Node
		switch {
		case isSection(value.Type()):
			child = s.node(value, key, sources)
		case isSections(value.Type()):
			child = &yaml.Node{Kind: yaml.SequenceNode}
			for i := range value.Len() {
				child.Content = append(child.Content, s.node(value.Index(i), indexed(key, i), sources))
			}
		default:
			child = leafNode(leaf{field: f, key: key, value: value})
			if sources {
				child.LineComment = s.origins[key].String()
			}
		}
		if child.Kind == yaml.SequenceNode && len(child.Content) == 0 {
			child.Style = yaml.FlowStyle
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.name}, child)
	}
	return out
}

// leafNode is a leaf's value as YAML, masked where it is a secret.
func leafNode(l leaf) *yaml.Node {
	switch v := l.value.Interface().(type) {
	case encoding.TextMarshaler:
		text, _ := v.MarshalText() // ours never fail
		return &yaml.Node{Kind: yaml.ScalarNode, Value: string(text)}
	case time.Duration:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: formatDuration(v)}
	case []string:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, entry := range v {
			list.Content = append(list.Content, textNode(l.masked(entry)))
		}
		return list
	}
	switch l.value.Kind() {
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(l.value.Bool())}
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatInt(l.value.Int(), 10)}
	case reflect.Uint64:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatUint(l.value.Uint(), 10)}
	default:
		return textNode(l.masked(l.value.String()))
	}
}

// textNode is text as YAML, quoted where it would be read as something else.
func textNode(text string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(text)
	return node
}

// masked is a value as it may be shown.
func (l leaf) masked(text string) string {
	switch {
	case l.secret && text != "":
		return mask
	case l.key == "tracing.endpoint" && text != "":
		return maskedEndpoint(text)
	case l.key == "http.path":
		parts := strings.Split(text, "/")
		for i, part := range parts {
			if part != "" && (i != 1 || len(part) >= secretPathPart) {
				parts[i] = mask
			}
		}
		return strings.Join(parts, "/")
	default:
		return text
	}
}
