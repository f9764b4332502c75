package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// eachCommand visits every command but the help that cobra adds.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Name() == "help" {
		return
	}
	visit(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, visit)
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	t.Parallel()
	eachCommand(newRootCommand(processEnvironment()), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		r := runCommand(t, append(path, "--help")...)
		if r.code != exitGood || r.stderr != "" {
			t.Errorf("%s --help: exit %d, stderr %q", cmd.CommandPath(), r.code, r.stderr)
		}
		if cmd.Short == "" || !strings.Contains(r.stdout, "\nExamples:\n  ") {
			t.Errorf("%s --help has no short text or no example:\n%s", cmd.CommandPath(), r.stdout)
		}
		for line := range strings.Lines(r.stdout) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 130 {
				t.Errorf("%s --help has a line of %d characters: %s", cmd.CommandPath(), n, line)
			}
		}
	})
}

func TestEveryExampleCanBeParsed(t *testing.T) {
	t.Parallel()
	root := newRootCommand(processEnvironment())
	eachCommand(root, func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			for _, args := range commandLines(line) {
				target, rest, err := newRootCommand(processEnvironment()).Find(args)
				if err == nil {
					err = target.ParseFlags(rest)
				}
				if err == nil {
					err = target.ValidateArgs(target.Flags().Args())
				}
				if err != nil {
					t.Errorf("example of %q: chatbridge %q: %v", cmd.CommandPath(), args, err)
				}
			}
		}
	})
}

// commandLines returns the arguments of each call of chatbridge in a line of shell.
func commandLines(line string) [][]string {
	var calls [][]string
	var call []string
	in := false
	end := func() {
		if in {
			calls = append(calls, call)
		}
		call, in = nil, false
	}
	for _, word := range strings.Fields(line) {
		word = strings.TrimSuffix(strings.TrimPrefix(word, "<("), ")")
		switch {
		case word == "chatbridge":
			end()
			in = true
		case word == "#" || word == "|" || word == "||" || word == "&&" || strings.HasPrefix(word, ">") || word == `\`:
			end()
		case in:
			call = append(call, strings.Trim(word, `'"`))
		}
		if word == "#" {
			break
		}
	}
	end()
	return calls
}

func TestUsageErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	var s transcript
	for _, line := range []string{
		"nonsense", "spol", "spol --dir x", "spool", "spool dmp", "spool stat extra", "--nonsense", "spool stat --nonsense",
		"spool dump --count many", "spool dump --count -1", "spool stat --dir x -c y.yaml", "spool stat --dir", "completion", "completion tcsh", "version x",
		"config print --set kafka.topic", "topics apply --timeout soon", "topics",
		"trace-message", "trace-message --group g", "trace-message --group g --seq -1", "trace-message --group g --seq 1 --from never",
		"trace-message --group g --seq 18446744073709551616", "trace-message --group g --seq 1 --timeout 0s",
		"trace-message --group g --seq 1 --grown-from 0", "status --url localhost:9090", "status --timeout 0s", "doctor --timeout -1s", "doctor now",
	} {
		r := s.add(t, fake{}, strings.Fields(line)...)
		if r.code != exitUsage || r.stdout != "" {
			t.Errorf("chatbridge %s: exit %d, stdout %q", line, r.code, r.stdout)
		}
		if n := strings.Count(r.stderr, "\n"); n > 2 {
			t.Errorf("chatbridge %s: %d lines on stderr", line, n)
		}
	}
	s.compare(t, "usage.golden")
}

func TestRootAloneShowsHelp(t *testing.T) {
	t.Parallel()
	r := runCommand(t)
	if r.code != exitGood || !strings.Contains(r.stdout, "Available Commands:") || r.stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}

func TestCompletionKnowsCommandsAndFlags(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := runCommand(t, "completion", shell); r.code != exitGood || !strings.Contains(r.stdout, "chatbridge") {
			t.Errorf("completion %s: exit %d, %d bytes", shell, r.code, len(r.stdout))
		}
	}
	for _, c := range []struct{ args, want string }{
		{"spool ver", "verify\t"}, {"completion f", "fish\n"}, {"config check --conf", "--config\t"}, {"topics check --js", "--json\t"},
	} {
		r := runCommand(t, append([]string{"__complete"}, strings.Fields(c.args)...)...)
		if !strings.HasPrefix(r.stdout, c.want) {
			t.Errorf("completing %q: %q, want %q first", c.args, r.stdout, c.want)
		}
	}
}
