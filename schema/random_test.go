package schema

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// maker fills values of the event's types at random. A wild one also makes what
// no event may hold.
type maker struct {
	t    *rapid.T
	wild bool
	// depth is how many elements are open; it bounds relays.
	depth int
}

func (m *maker) chance(label string) bool { return rapid.Bool().Draw(m.t, label) }

func (m *maker) fill(at string, v reflect.Value) {
	switch dst := v.Addr().Interface().(type) {
	case *Elements:
		*dst = m.elements(at)
		return
	case *Extra:
		*dst = m.extra(at)
		return
	case *json.RawMessage:
		*dst = m.raw(at)
		return
	case *time.Time:
		*dst = m.time(at)
		return
	case *ImageFormat:
		*dst = rapid.SampledFrom([]ImageFormat{"", FormatJPG, FormatGIF, FormatPNG, FormatBMP, FormatOther, m.wildText()}).Draw(m.t, at)
		return
	case *VariantKind:
		*dst = rapid.SampledFrom([]VariantKind{"", KindOriginal, KindLarge, KindThumbnail, VariantKind(m.wildText())}).Draw(m.t, at)
		return
	case *Optional[uint64]:
		if m.chance(at) {
			*dst = Some(m.number(at))
		}
		return
	case *Optional[int64]:
		if m.chance(at) {
			*dst = Some(rapid.Int64().Draw(m.t, at))
		}
		return
	case *Optional[float64]:
		if m.chance(at) {
			*dst = Some(m.float(at))
		}
		return
	case *Thumbnail:
		if !m.chance(at) {
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			m.fill(at+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 2).Draw(m.t, at); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			m.fill(at, v.Index(i))
		}
	case reflect.String:
		v.SetString(m.text(at))
	case reflect.Bool:
		v.SetBool(m.chance(at))
	case reflect.Uint64:
		v.SetUint(m.number(at))
	default:
		m.t.Fatalf("%s: no rule for %v", at, v.Type())
	}
}

func (m *maker) wildText() ImageFormat {
	if m.wild {
		return "tiff"
	}
	return ""
}

func (m *maker) text(at string) string {
	if m.wild && m.chance(at) {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(m.t, at))
	}
	return rapid.StringN(0, 6, 12).Draw(m.t, at)
}

func (m *maker) number(at string) uint64 {
	if m.wild {
		return rapid.Uint64().Draw(m.t, at)
	}
	return rapid.Uint64Max(math.MaxInt64).Draw(m.t, at)
}

func (m *maker) float(at string) float64 {
	if m.wild {
		return rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -5e-324, 1e21}).Draw(m.t, at)
	}
	return rapid.Float64().Draw(m.t, at)
}

func (m *maker) time(at string) time.Time {
	if m.wild {
		return time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(m.t, at), 5)
	}
	if !m.chance(at) {
		return time.Time{}
	}
	return time.UnixMilli(rapid.Int64Range(0, lastSecond*1000+999).Draw(m.t, at)).UTC()
}

func (m *maker) elements(at string) Elements {
	if m.depth == 3 {
		return nil
	}
	m.depth++
	defer func() { m.depth-- }()
	var list Elements
	for range rapid.IntRange(0, 2).Draw(m.t, at) {
		el := rapid.SampledFrom(allElements()).Draw(m.t, at)
		m.fill(at+"."+string(el.Type()), reflect.ValueOf(el).Elem())
		list = append(list, el)
	}
	if m.wild && m.chance(at) {
		list = append(list, rapid.SampledFrom([]Element{nil, (*Text)(nil), (*Relay)(nil)}).Draw(m.t, at))
	}
	return list
}

func (m *maker) extra(at string) Extra {
	var x Extra
	for range rapid.IntRange(0, 2).Draw(m.t, at) {
		if x == nil {
			x = Extra{}
		}
		x[m.text(at)] = m.raw(at)
	}
	return x
}

// raw returns a value that is kept as it came.
func (m *maker) raw(at string) json.RawMessage {
	values := []string{`""`, `0`, `-0.10e+5`, `1e999999`, `true`, `[]`, `{}`, `"\u0000é\/"`, `[1,{"a":null,"":[[]]}]`}
	if m.wild {
		values = append(values, "", "null", " null ", `{"a":1,"a":2}`, "\"\xff\"", `"\ud800"`, `[`, `1 2`, " [ 1 ]\n")
	}
	return json.RawMessage(rapid.SampledFrom(values).Draw(m.t, at))
}

// event returns a random event that is complete.
func (m *maker) event() *Event {
	e := new(Event)
	m.fill("event", reflect.ValueOf(e).Elem())
	e.Schema = Name
	e.ID = ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(m.t, "id")).String()
	if e.Group.ID == "" {
		e.Group.ID = "g"
	}
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = goldenReceived()
	}
	return e
}

func TestEveryEventThatGoHoldsValidatesAndRoundTrips(t *testing.T) {
	validate := mustCompile(t, true)
	rapid.Check(t, func(t *rapid.T) {
		m := maker{t: t}
		e := m.event()
		b, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Fatalf("%s: (-made +decoded):\n%s", b, diff)
		}
		again, err := back.AppendJSON(nil)
		if err != nil || string(again) != string(b) {
			t.Fatalf("encoded again (%v)\n%s\n%s", err, b, again)
		}
	})
}

func TestWhatTheSchemaWouldRefuseIsNotEncoded(t *testing.T) {
	validate := mustCompile(t, true)
	var refused, encoded int
	rapid.Check(t, func(t *rapid.T) {
		m := maker{t: t, wild: true}
		e := m.event()
		const before = "before"
		b, err := e.AppendJSON([]byte(before))
		if err != nil {
			refused++
			if string(b) != before {
				t.Fatalf("after an error dst is %q", b)
			}
			return
		}
		encoded++
		b = b[len(before):]
		if err := validate(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if _, err := Decode(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	})
	t.Logf("%d encoded, %d refused", encoded, refused)
}

// TestEventsWorkWithEncodingJSON: a consumer may hand events to the standard
// library instead of Decode and AppendJSON.
func TestEventsWorkWithEncodingJSON(t *testing.T) {
	for _, g := range goldens(t) {
		var e Event
		if err := json.Unmarshal(g.event, &e); err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		b, err := json.Marshal(struct {
			Event *Event
			List  Elements
		}{&e, e.Message.Elements})
		if err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		var back struct {
			Event *Event
			List  Elements
		}
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", g.name, err)
		}
		if diff := cmp.Diff(&e, back.Event); diff != "" {
			t.Errorf("%s: (-in +out):\n%s", g.name, diff)
		}
		if len(e.Message.Elements) > 0 {
			if diff := cmp.Diff(e.Message.Elements, back.List); diff != "" {
				t.Errorf("%s: elements (-in +out):\n%s", g.name, diff)
			}
		}
	}
}
