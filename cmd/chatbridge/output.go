package main

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// addJSONFlag gives cmd the flag --json.
func addJSONFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON, for scripts")
}

// writeJSON writes v as indented JSON, characters such as < and & as they are.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// A color is an ANSI escape that starts it. The empty color is none.
type color string

// The colors, by what they mean.
const (
	plain  color = ""
	good   color = "\x1b[32m"
	bad    color = "\x1b[31m"
	uneasy color = "\x1b[33m"
	strong color = "\x1b[1m"
)

const colorEnd = "\x1b[0m"

// cell is one field of a table. Its color is used only where the table is colored.
type cell struct {
	text  string
	color color
	right bool // aligned to the right, as numbers are
}

// text returns a cell without a color.
func text(s string) cell { return cell{text: s} }

// number returns a cell that is aligned to the right.
func number(s string) cell { return cell{text: s, right: true} }

// table is rows of cells in aligned columns, the first row its head.
type table struct {
	colored bool
	rows    [][]cell
}

// newTable starts a table with a head. It is colored where stream may be.
func newTable(env *environment, stream any, head ...cell) *table {
	for i := range head {
		head[i].color = strong
	}
	return &table{colored: env.colored(stream), rows: [][]cell{head}}
}

// add appends a row.
func (t *table) add(row ...cell) { t.rows = append(t.rows, row) }

// write prints the table, two spaces between its columns and none at line ends.
func (t *table) write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var out strings.Builder
	for _, row := range t.rows {
		for i, c := range row {
			t.appendCell(&out, c, widths[i], i == len(row)-1)
		}
		out.WriteByte('\n')
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// appendCell writes one cell and, unless it is the last, what fills it up to
// its column's width.
func (t *table) appendCell(out *strings.Builder, c cell, width int, last bool) {
	fill := strings.Repeat(" ", width-utf8.RuneCountInString(c.text))
	if c.right {
		out.WriteString(fill)
	}
	if t.colored && c.color != plain {
		out.WriteString(string(c.color) + c.text + colorEnd)
	} else {
		out.WriteString(c.text)
	}
	if last {
		return
	}
	if !c.right {
		out.WriteString(fill)
	}
	out.WriteString("  ")
}
