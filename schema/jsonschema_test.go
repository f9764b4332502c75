package schema

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// mustCompile returns a function that validates a text with the published
// schema. If closed, members that the schema does not name are errors, which
// holds what this version writes to exactly what this version says.
func mustCompile(t testing.TB, closed bool) func([]byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if closed {
		closeObjects(doc)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(DataSchema, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(DataSchema)
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return err
		}
		return compiled.Validate(instance)
	}
}

// closeObjects forbids unnamed members wherever members are named.
func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, named := node["properties"].(map[string]any); named {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

func TestSchemaIDIsTheHeadersDataSchema(t *testing.T) {
	var s struct {
		ID   string `json:"$id"`
		Meta string `json:"$schema"`
	}
	if err := json.Unmarshal(JSONSchema(), &s); err != nil {
		t.Fatal(err)
	}
	if s.ID != DataSchema || s.Meta != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$id %q, $schema %q", s.ID, s.Meta)
	}
}

func TestGoldenEventsValidate(t *testing.T) {
	open, closed := mustCompile(t, false), mustCompile(t, true)
	for _, g := range goldens(t) {
		if err := open(g.event); err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		if err := closed(g.event); err != nil {
			t.Errorf("%s has what the schema does not name: %v", g.name, err)
		}
	}
}

func TestSchemaRefusesWhatEventsNeverHold(t *testing.T) {
	validate := mustCompile(t, false)
	good := string(goldenNamed(t, "custom-and-text").event)
	if err := validate([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another schema":  {`"chat.group-message/v1"`, `"chat.group-message/v2"`},
		"upper-case id":   {`"id":"b`, `"id":"B`},
		"text for number": {`"seq":925`, `"seq":"925"`},
		"negative number": {`"seq":925`, `"seq":-925`},
		"fraction":        {`"seq":925`, `"seq":92.5`},
		"above 63 bits":   {`"seq":925`, `"seq":9223372036854775808`},
		"null":            {`"seq":925`, `"seq":null`},
		"empty text":      {`"account":"8842"`, `"account":""`},
		"no milliseconds": {`21.456Z`, `21Z`},
		"another zone":    {`21.456Z`, `21.456+08:00`},
		"no such day":     {`2025-10-09T08:53:21.456Z`, `2025-02-30T08:53:21.456Z`},
		"unknown element": {`"type":"custom"`, `"type":"sticker"`},
		"empty list":      {`"elements":[`, `"elements":[],"x":[`},
		"false flag":      {`"seq":925`, `"online_only":false`},
		"null in extra":   {`"occurred_at"`, `"extra":{"a":null},"occurred_at"`},
		"empty extra":     {`"occurred_at"`, `"extra":{},"occurred_at"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: %q is not in %s", name, change[0], good)
		}
		if validate([]byte(bad)) == nil {
			t.Errorf("%s: the schema accepts %s", name, bad)
		}
	}
}

// TestGoTypesAndSchemaNameTheSameMembers walks the types and the schema side by
// side: the same names, the same members required, the same kinds.
func TestGoTypesAndSchemaNameTheSameMembers(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	w := agreement{t: t, defs: root["$defs"].(map[string]any), used: map[string]bool{}}
	w.object("event", reflect.TypeFor[Event](), root)
	for name := range w.defs {
		if !w.used[name] {
			t.Errorf("$defs/%s is used by nothing", name)
		}
	}
}

type agreement struct {
	t    *testing.T
	defs map[string]any
	used map[string]bool
}

// resolve follows a $ref.
func (w *agreement) resolve(s map[string]any) map[string]any {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	name := strings.TrimPrefix(ref, "#/$defs/")
	w.used[name] = true
	return w.resolve(w.defs[name].(map[string]any))
}

func (w *agreement) object(at string, typ reflect.Type, s map[string]any) {
	s = w.resolve(s)
	properties := s["properties"].(map[string]any)
	var names, required []string
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		names = append(names, name)
		if options == "" {
			required = append(required, name)
		}
		if property, ok := properties[name].(map[string]any); ok {
			w.value(at+"."+name, typ.Field(i).Type, property)
		}
	}
	if reflect.PointerTo(typ).Implements(reflect.TypeFor[Element]()) {
		names = append(names, "type") // a method in Go
		required = []string{"type"}
	}
	var inSchema, requiredInSchema []string
	for name := range properties {
		inSchema = append(inSchema, name)
	}
	for _, name := range asList(s["required"]) {
		requiredInSchema = append(requiredInSchema, name.(string))
	}
	for _, list := range [][]string{names, inSchema, required, requiredInSchema} {
		slices.Sort(list)
	}
	if diff := cmp.Diff(inSchema, names); diff != "" {
		w.t.Errorf("%s: members (-schema +go):\n%s", at, diff)
	}
	if diff := cmp.Diff(requiredInSchema, required); diff != "" {
		w.t.Errorf("%s: required (-schema +go):\n%s", at, diff)
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func (w *agreement) value(at string, typ reflect.Type, s map[string]any) {
	s = w.resolve(s)
	want := ""
	switch {
	case typ == reflect.TypeFor[Elements]():
		if !w.used["element"] { // elements contain elements
			w.used["element"] = true
			w.elements(at, s)
		}
		want = "array"
	case typ == reflect.TypeFor[Extra]():
		want = "object"
	case typ == reflect.TypeFor[json.RawMessage]():
		return // anything
	case typ == reflect.TypeFor[Optional[uint64]](), typ == reflect.TypeFor[Optional[int64]](), typ.Kind() == reflect.Uint64:
		want = "integer"
	case typ == reflect.TypeFor[Optional[float64]]():
		want = "number"
	case typ.String() == "time.Time", typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ.Kind() == reflect.Struct:
		w.object(at, typ, s)
		want = "object"
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		w.object(at, typ.Elem(), s["items"].(map[string]any))
		want = "array"
	case typ.Kind() == reflect.Slice:
		w.value(at+"[]", typ.Elem(), s["items"].(map[string]any))
		want = "array"
	}
	got, _ := s["type"].(string)
	if got == "" { // an enumeration or a constant
		got = map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean"}[reflect.TypeOf(firstValue(s)).Kind()]
	}
	if got != want {
		w.t.Errorf("%s: the schema says %q, %v is %q", at, got, typ, want)
	}
}

func firstValue(s map[string]any) any {
	if list := asList(s["enum"]); len(list) > 0 {
		return list[0]
	}
	return s["const"]
}

func (w *agreement) elements(at string, s map[string]any) {
	var types []string
	choices := w.resolve(s["items"].(map[string]any))["oneOf"]
	for _, choice := range asList(choices) {
		object := w.resolve(choice.(map[string]any))
		name := object["properties"].(map[string]any)["type"].(map[string]any)["const"].(string)
		types = append(types, name)
		el := newElement(ElementType(name))
		if el == nil {
			w.t.Errorf("%s: Go has no element %q", at, name)
			continue
		}
		w.object(at+"."+name, reflect.TypeOf(el).Elem(), object)
	}
	var inGo []string
	for _, el := range allElements() {
		inGo = append(inGo, string(el.Type()))
	}
	if diff := cmp.Diff(types, inGo); diff != "" {
		w.t.Errorf("%s: element types (-schema +go):\n%s", at, diff)
	}
}

// allElements returns one of each element, in the schema's order.
func allElements() Elements {
	return Elements{
		new(Text), new(Location), new(Face), new(Custom), new(Sound),
		new(Image), new(File), new(Video), new(Relay), new(Other),
	}
}
