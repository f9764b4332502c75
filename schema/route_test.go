package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// checkRoute holds Route against Peek, which reads the whole body.
func checkRoute(t *testing.T, body []byte) {
	t.Helper()
	want, ok := Peek(body, nil)
	got := Route(body, nil)
	if ok && !bytes.Equal(got, want) {
		t.Errorf("Route = %q; want %q, as Normalize reads it, of\n%s", got, want, body)
	}
	if again := Route(bytes.Clone(body), make([]byte, 3)); !bytes.Equal(got, again) {
		t.Errorf("Route = %q and then %q of\n%s", got, again, body)
	}
}

// P3: a message is placed by the group that its event has.
func TestRouteAgreesWithNormalize(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.callback.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden callbacks: %v", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkRoute(t, body)
	}
	for _, body := range []string{
		`{"GroupId":"g"}`,
		` { "A" : [ "]" , {"GroupId":"inner"} ] , "GroupId" : "outer" } `,
		`{"A":"\"GroupId\":\"x\"","GroupId":"g"}`,
		`{"A":"\\","GroupId":"g"}`,
		`{"A":"\\\"","GroupId":"g"}`,
		`{"Gro\u0075pId":"g"}`,
		`{"A\"":1,"GroupId":"g"}`,
		`{"GroupId":"\u0067"}`,
		`{"GroupId":"gr\u00fcn"}`,
		`{"GroupId":"grün"}`,
		`{"GroupId":34}`,
		`{"GroupId":null}`,
		`{"GroupId":""}`,
		`{"A":1,"B":-2.5e3,"C":true,"D":null,"GroupId":"g","E":[]}`,
		`{"A":{},"B":[],"C":"","GroupId":"g"}`,
		"\xef\xbb\xbf{\"GroupId\":\"g\"}",
		`{"A":1}`, `{}`, ``, `{`, `{"GroupId`, `{"GroupId":"`, `[{"GroupId":"g"}]`, `{"A":}`, `{"A":1}}`, `{,"GroupId":"g"}`,
	} {
		checkRoute(t, []byte(body))
	}
}

func FuzzRoute(f *testing.F) {
	f.Add([]byte(`{"A":["]",{"GroupId":"i"}],"GroupId":"o"}`))
	f.Add([]byte(`{"A":"\\\"","GroupId":34}`))
	f.Add([]byte(`{"Gro\u0075pId":"g","B":1}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkRoute(t, body) })
}

func BenchmarkRoute(b *testing.B) {
	body, err := os.ReadFile(filepath.Join("testdata", "golden", "specification.callback.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Route(body, nil)
	}
}
