package schema

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// instances makes random texts that the schema accepts, from the schema alone.
type instances struct {
	t     *rapid.T
	defs  map[string]any
	depth int
}

// object makes an object of the members that s requires, and some of the others.
func (g *instances) object(s map[string]any) map[string]any {
	out := map[string]any{}
	required := map[string]bool{}
	for _, name := range asList(s["required"]) {
		required[name.(string)] = true
	}
	properties, _ := s["properties"].(map[string]any)
	least, _ := s["minProperties"].(float64)
	for name, property := range properties {
		if name == "messages" && g.depth > 12 {
			continue
		}
		if required[name] || len(out) < int(least) || rapid.IntRange(0, 2).Draw(g.t, name) == 0 {
			out[name] = g.value(property.(map[string]any))
		}
	}
	if properties == nil {
		out["New"] = rapid.SampledFrom([]any{"", 1.5, []any{nil}, map[string]any{"a": false}}).Draw(g.t, "kept")
	}
	return out
}

func (g *instances) value(s map[string]any) any {
	g.depth++
	defer func() { g.depth-- }()
	if ref, ok := s["$ref"].(string); ok {
		return g.value(g.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any))
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if list := asList(s["enum"]); list != nil {
		return rapid.SampledFrom(list).Draw(g.t, "enum")
	}
	if list := asList(s["oneOf"]); list != nil {
		return g.value(rapid.SampledFrom(list).Draw(g.t, "oneOf").(map[string]any))
	}
	switch s["type"] {
	case "object":
		return g.object(s)
	case "array":
		least, _ := s["minItems"].(float64)
		list := []any{}
		for range rapid.IntRange(int(least), 2).Draw(g.t, "items") {
			list = append(list, g.value(s["items"].(map[string]any)))
		}
		return list
	case "string":
		return g.text(s)
	case "boolean":
		return rapid.Bool().Draw(g.t, "boolean")
	case "number":
		return rapid.Float64().Draw(g.t, "number")
	case "integer":
		return rapid.Int64Range(int64(max(s["minimum"].(float64), math.MinInt64)), math.MaxInt64).Draw(g.t, "integer")
	}
	return map[string]any{"any": "thing"}
}

func (g *instances) text(s map[string]any) string {
	switch s["format"] {
	case "uuid":
		return ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(g.t, "uuid")).String()
	case "date-time":
		ms := rapid.Int64Range(-62135596799999, lastSecond*1000).Draw(g.t, "time")
		return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	least, _ := s["minLength"].(float64)
	return rapid.StringN(int(least), 5, 10).Draw(g.t, "text")
}

func TestEveryTextThatTheSchemaDescribesDecodesWithoutLoss(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	validate := mustCompile(t, true)
	rapid.Check(t, func(t *rapid.T) {
		g := instances{t: t, defs: root["$defs"].(map[string]any)}
		made := g.object(root)
		text, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(text); err != nil {
			t.Fatalf("this test made what the schema refuses: %s: %v", text, err)
		}
		e, err := Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		b, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, got := plain(t, text), plain(t, b)
		if mentions, ok := want["mentions"].(map[string]any); ok && reflect.DeepEqual(mentions, map[string]any{"all": false}) {
			delete(want, "mentions") // nobody is mentioned
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("lost or changed (-in +out):\n%s", diff)
		}
	})
}

func plain(t *rapid.T, b []byte) (v map[string]any) {
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
