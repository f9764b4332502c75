package main

import (
	"strings"
	"testing"
)

func TestTablesAreAlignedAndColoredOnTerminalsOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		f       fake
		colored bool
	}{
		{"pipe", fake{}, false},
		{"terminal", fake{terminal: true}, true},
		{"terminal with NO_COLOR", fake{terminal: true, environ: []string{"NO_COLOR=1"}}, false},
		{"dumb terminal", fake{terminal: true, environ: []string{"TERM=dumb"}}, false},
	} {
		env, _, _ := c.f.environment()
		table := newTable(env, nil, text("NAME"), number("COUNT"), text("STATE"))
		table.add(text("é"), number("5"), cell{text: "whole", color: good})
		table.add(text("longer"), number("12345"), text(""))
		var out strings.Builder
		if err := table.write(&out); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if strings.Contains(got, "\x1b") != c.colored {
			t.Errorf("%s: %q", c.name, got)
		}
		for _, escape := range []color{good, strong, colorEnd} {
			got = strings.ReplaceAll(got, string(escape), "")
		}
		if want := "NAME    COUNT  STATE\né           5  whole\nlonger  12345  \n"; got != want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, want)
		}
	}
}

func TestHumanBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 64 << 20: "64.0 MiB", 10 << 30: "10.0 GiB", 5000 << 40: "5000.0 TiB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// A sender must not be able to drive the terminal of who looks at what was sent.
func TestControlsAreEscaped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":"red packet 红包 🧧"}`: `{"a":"red packet 红包 🧧"}`,
		"a\nb\r\tc":               `a\nb\r\tc`,
		"\x1b[31m\x07\x00\x7f":    `\u001b[31m\u0007\u0000\u007f`,
		"a\xffb\xc3":              `a\xffb\xc3`,
		"\u202eabc\u2028\u0085":   `\u202eabc\u2028\u0085`,
		"�":                       "�",
	} {
		if got := escapeControls([]byte(in)); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}
