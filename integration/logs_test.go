package integration

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logRow matches a row of docs/logs.md: level and message.
var logRow = regexp.MustCompile("(?m)^\\| (warn|error) \\| `([^`]+)` \\| (\\S[^|]*) \\| (\\S[^|]*) \\|$")

// TestLogsDocumentIsTrue: docs/logs.md has every warning and error that the program
// can write, with its level and what to do, and no other. So each is a constant: a
// message that is put together cannot be looked up, or searched for, and may show
// what it should not.
func TestLogsDocumentIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range logRow.FindAllStringSubmatch(string(text), -1) {
		line := row[1] + " " + row[2]
		if rows[line] {
			t.Errorf("docs/logs.md has %q twice", line)
		}
		rows[line] = true
	}
	if n := strings.Count(string(text), "\n| ") - strings.Count(string(text), "\n| level") - strings.Count(string(text), "\n| ---"); n != len(rows) {
		t.Errorf("docs/logs.md has %d rows, of which %d are read", n, len(rows))
	}
	written := map[string]bool{}
	for _, f := range files(t) {
		if f.test || !logs(f) {
			continue
		}
		for _, line := range f.lines(t) {
			written[line] = true
			if !rows[line] {
				t.Errorf("%s writes %q, which docs/logs.md does not have", f.name, line)
			}
		}
	}
	for line := range rows {
		if !written[line] {
			t.Errorf("docs/logs.md has %q, which nothing writes", line)
		}
	}
}

// logs reports whether a file can write to the log: it imports zap, or is the one
// that passes messages on.
func logs(f file) bool {
	passesOn := filepath.ToSlash(f.name) == "bridge/internal/loglimit/limit.go"
	return slices.Contains(f.imports(), "go.uber.org/zap") && !passesOn
}

// messageAt is which argument of a call is the message: zap's own, and those
// of a loglimit.Limit, after the logger and the time.
func messageAt(name string, limited bool) (at int, level string) {
	levels := map[string]string{"Warn": "warn", "Error": "error", "DPanic": "error", "Panic": "error", "Fatal": "error"}
	switch {
	case levels[name] != "" && limited:
		return 2, levels[name]
	case levels[name] != "":
		return 0, levels[name]
	default:
		return -1, ""
	}
}

// lines lists the warnings and errors of a file, with their levels.
func (f *file) lines(t *testing.T) (lines []string) {
	t.Helper()
	ast.Inspect(f.File, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		on, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if on.Sel.Name == "Error" && isIdentifier(on.X, "zap") { // the field
			return true
		}
		receiver, isField := on.X.(*ast.SelectorExpr)
		limited := isField && strings.HasSuffix(receiver.Sel.Name, "Line")
		at, level := messageAt(on.Sel.Name, limited)
		if at < 0 || at >= len(call.Args) {
			return true
		}
		message, constant := constantText(call.Args[at])
		if !constant {
			t.Errorf("%s:%d: the message is no constant", f.name, f.set.Position(call.Pos()).Line)
			return true
		}
		lines = append(lines, level+" "+message)
		return true
	})
	return lines
}

func isIdentifier(e ast.Expr, name string) bool {
	i, ok := e.(*ast.Ident)
	return ok && i.Name == name
}

// constantText is a text in the source, or several that are joined.
func constantText(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := constantText(e.X)
		right, also := constantText(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	default:
		return "", false
	}
}
