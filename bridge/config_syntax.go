package bridge

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxSyntaxLines bounds the search for the line of a syntax error, which parses
// the text once for each line that it steps back over.
const maxSyntaxLines = 2000

// libraryWords takes the library's message apart. Its line is that of the block
// around the error, and is missing in the first line.
var libraryWords = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?((?s).*)$`)

// syntaxFault notes why the text is not YAML, and in which line. The library's
// words are kept except where they would show a value, which may be a secret.
func (r yamlReader) syntaxFault(text []byte, err error) {
	words := libraryWords.FindStringSubmatch(err.Error())
	message, o := words[2], r.origin
	line := syntaxLine(text)
	if line == 0 {
		line, _ = strconv.Atoi(words[1])
	}
	switch {
	case strings.Contains(message, "unknown anchor"):
		message = "a value that begins with * needs quotes"
	case strings.Contains(message, "tab character"),
		strings.Contains(message, "cannot start any token") && indentedByTab(text, line):
		message = "a tab; indent with spaces"
	}
	if o.Layer == LayerFile {
		o.Line = line
	}
	r.settings.fault(o, "", "is not YAML: "+message)
}

// syntaxLine returns the line after the longest run of whole lines, from the
// start, that is YAML: where the error is, or where what it breaks begins. 0: unknown.
func syntaxLine(text []byte) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) > maxSyntaxLines {
		return 0
	}
	end := len(text)
	for n := len(lines) - 1; n >= 0; n-- {
		end -= len(lines[n])
		if isYAML(text[:end]) {
			return n + 1
		}
	}
	return 1
}

// isYAML says whether every document in the text can be read.
func isYAML(text []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			return false
		}
	}
}

// indentedByTab says whether a line, counted from 1, has a tab in its indentation.
func indentedByTab(text []byte, line int) bool {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return false
	}
	content := lines[line-1]
	indentation := content[:len(content)-len(bytes.TrimLeft(content, " \t"))]
	return bytes.ContainsRune(indentation, '\t')
}
