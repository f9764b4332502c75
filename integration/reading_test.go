package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A reading is somebody who was woken and reads the runbook for the first time: a
// bridge in trouble, the Prometheus that woke him, and a shell.
type reading struct {
	t testing.TB
	*bridge
	*watcher
	sections map[string]string
}

// read returns a reading of a bridge that is ready and scraped.
func read(t testing.TB, b *bridge) *reading {
	t.Helper()
	return readBeside(t, b, newWatcher(t))
}

// readBeside is read with a Prometheus that is not running yet.
func readBeside(t testing.TB, b *bridge, w *watcher) *reading {
	t.Helper()
	r := &reading{t: t, bridge: b, watcher: w, sections: runbookSections(t)}
	asShipped(b)
	w.start()
	b.start()
	b.ready()
	r.watch(b)
	r.scraped(b.of("up"))
	return r
}

// spoolVariable is by what the unit and the image tell the bridge where its spool is.
const spoolVariable = "CHATBRIDGE_SPOOL_DIR"

// asShipped tells the bridge where its spool is by the variable, and not by the file:
// a shell that has not the variable finds another.
func asShipped(b *bridge) {
	writeText(b.t, b.config, strings.Replace(readFile(b.t, b.config), fmt.Sprintf("dir: %q, ", b.spool), "", 1))
	b.env = append(b.env, spoolVariable+"="+b.spool)
}

var headVariable = regexp.MustCompile(`(?m)^(export )?([A-Z_]+)=`)

// sets is what the runbook's head has its reader type first, with what is so of this
// bridge.
func (r *reading) sets() string {
	r.t.Helper()
	is := map[string]string{"OPS": r.ops, "CONFIG": r.config, spoolVariable: r.spool}
	head, _, _ := strings.Cut(readFile(r.t, "../docs/runbook.md"), "\n## ")
	var lines strings.Builder
	for _, variable := range headVariable.FindAllStringSubmatch(head, -1) {
		fmt.Fprintf(&lines, "%s%s=%q\n", variable[1], variable[2], is[variable[2]])
	}
	return lines.String()
}

var lookBlock = regexp.MustCompile("(?s)\\*\\*Look\\.\\*\\*\n\n```sh\n(.*?)```")

// looks is the commands by which a section of the runbook says how to look.
func looks(section string) (commands []string) {
	block := lookBlock.FindStringSubmatch(section)
	if block == nil {
		return nil
	}
	for line := range strings.Lines(block[1]) {
		commands = append(commands, strings.TrimSpace(line))
	}
	return commands
}

// follows waits until an alert fires of a fault, carries out each command by which
// its section says how to look, and requires that they show what is meant to be seen.
func (r *reading) follows(fault, alert string, shows ...string) {
	r.t.Helper()
	name, _, _ := strings.Cut(alert, " ")
	about := r.bridge
	if name == "Absent" || name == "Gone" {
		about = nil
	}
	r.fires(about, alert)
	commands := looks(r.sections[name])
	if len(commands) == 0 {
		r.t.Fatalf("the runbook's section %s has no commands", name)
	}
	var said strings.Builder
	for _, line := range commands {
		said.WriteString(r.types(line))
	}
	for _, pattern := range shows {
		if !regexp.MustCompile("(?m)" + pattern).MatchString(said.String()) {
			r.t.Errorf("the commands of %s do not show %s", name, pattern)
		}
	}
	r.t.Logf("%s fires; the runbook's commands:\n%s", alert, said.String())
	noted(alert, fault, said.String())
}

// types carries out one command in a shell, as on the bridge's machine, and returns
// it with what it said. That it finds something wrong is no failure, that it is
// mistyped is one.
func (r *reading) types(line string) string {
	cmd := r.shell(line)
	for _, s := range r.set { // a setting is a flag or a variable
		key, value, _ := strings.Cut(s, "=")
		cmd.Env = append(cmd.Env, "CHATBRIDGE_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+value)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || strings.HasPrefix(line, "chatbridge ") && exit.ExitCode() != 1) {
		r.t.Errorf("%s: %v", line, err)
	}
	text := fmt.Sprintf("$ %s\n%s", line, out)
	return strings.TrimRight(text, "\n") + "\n"
}

// shell is bash, in which somebody who reads the runbook types lines.
func (r *reading) shell(lines string) *exec.Cmd {
	r.t.Helper()
	cmd := exec.Command("bash", "-c", r.sets()+lines)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	return cmd
}

var moveBlock = regexp.MustCompile("(?s)### The spool on another disk\n.*?```sh\n(.*?)```")

// movesTheSpool stops the bridge, types what the runbook says of another disk, but for
// what needs systemd and its user, and starts the bridge there: what waits is there, too.
func (r *reading) movesTheSpool() {
	r.t.Helper()
	block := moveBlock.FindStringSubmatch(r.sections["SlowFsync"])
	if block == nil {
		r.t.Fatal("the runbook does not say how the spool is moved")
	}
	disk := newDir(r.t, "disk")
	lines, _, _ := strings.Cut(strings.ReplaceAll(block[1], "/new/", disk+"/"), "systemctl edit")
	r.bridge.kill()
	cmd := r.shell("set -e; systemctl() { :; }; install() { mkdir \"${!#}\"; }\n" + lines)
	said, err := cmd.CombinedOutput()
	waiting := regexp.MustCompile(`(?m)^waiting +([1-9].*)$`).FindAllSubmatch(said, -1)
	if err != nil || len(waiting) != 2 || !bytes.Equal(waiting[0][1], waiting[1][1]) {
		r.t.Fatalf("the spool is moved by\n%s\nwhich says %v:\n%s", lines, err, said)
	}
	r.spool = filepath.Join(disk, "chatbridge", "spool")
	r.env = append(r.env, spoolVariable+"="+r.spool)
	r.bridge.start()
	r.ready()
	if all, err := r.metrics(); err != nil || all["chatbridge_spool_records"] == 0 {
		r.t.Errorf("where the spool was moved %v records wait, %v", all["chatbridge_spool_records"], err)
	}
}
