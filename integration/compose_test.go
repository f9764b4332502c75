package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// composeVariable asks for the test of docker-compose.yml, which builds an image
// and takes a minute: 1, and then it must run.
const composeVariable = "CHATBRIDGE_TEST_COMPOSE"

// composed is docker-compose.yml as a project of this test's own.
type composed struct {
	t       testing.TB
	command []string // docker compose, or docker-compose
	environ []string
}

// newComposed returns the project, not up yet; it and its volumes go with the test.
func newComposed(t testing.TB, environ ...string) *composed {
	t.Helper()
	c := &composed{t: t, command: []string{"docker", "compose"}, environ: environ}
	if exec.Command("docker", "compose", "version").Run() != nil {
		c.command = []string{"docker-compose"}
	}
	c.command = append(c.command, "--project-name", fmt.Sprintf("chatbridge-test-%d", os.Getpid()))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the containers said:\n%s", c.try("logs", "--no-color", "--tail", "60"))
		}
		c.must("down", "--volumes", "--timeout", "5")
	})
	return c
}

// must runs a command of compose and returns its standard output.
func (c *composed) must(args ...string) string {
	c.t.Helper()
	return runIn(c.t, c.environ, append(c.command[1:len(c.command):len(c.command)], args...), c.command[0])
}

// try is must, for what may fail.
func (c *composed) try(args ...string) string {
	cmd := exec.Command(c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), c.environ...)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// runIn runs a program in the repository's top folder.
func runIn(t testing.TB, environ, args []string, program string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), environ...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out.String(), said.String())
	}
	return out.String()
}

// up starts everything and waits until docker calls the bridge healthy, by the
// image's own check.
func (c *composed) up() (container string) {
	c.t.Helper()
	c.must("up", "--detach")
	container = strings.TrimSpace(c.must("ps", "-q", "chatbridge"))
	eventually(c.t, "the bridge's container is healthy", func() error {
		state, err := exec.Command("docker", "inspect", "-f", "{{.State.Health.Status}}", container).CombinedOutput()
		if s := strings.TrimSpace(string(state)); err != nil || s != "healthy" {
			return fmt.Errorf("it is %s", s)
		}
		return nil
	})
	return container
}

// curlOfReadme is README's first curl command, whole.
var curlOfReadme = regexp.MustCompile(`(?s)\ncurl -sS '.*?' -d '\n.*?\n}'\n`)

// TestComposeKeepsWhatItStored: P1 P4 as a user has them: docker-compose.yml up,
// README's curl as it stands, the event in the topic; down, up, and it is there
// once, says the audit in the container.
func TestComposeKeepsWhatItStored(t *testing.T) {
	if os.Getenv(composeVariable) != "1" {
		notCovered(t, "docker-compose.yml is tried where "+composeVariable+"=1")
	}
	port, ops, kafkaPort := freePort(t), freePort(t), freePort(t)
	const built = "chatbridge-compose-test"
	runIn(t, nil, []string{"image", "IMAGE=" + built, "VERSION=v0.0.0-test"}, "make")
	t.Cleanup(func() { runIn(t, nil, []string{"image", "rm", built + ":v0.0.0-test", built + ":latest"}, "docker") })
	if _, err := get("image", "newest"); err != nil {
		t.Fatal(err)
	}
	c := newComposed(t, "BRIDGE_IMAGE="+built+":v0.0.0-test",
		fmt.Sprintf("BRIDGE_PORT=%d", port), fmt.Sprintf("OPS_PORT=%d", ops), fmt.Sprintf("KAFKA_PORT=%d", kafkaPort))
	b := &bridge{t: t, ops: fmt.Sprintf("http://operator:on-this-machine-only@127.0.0.1:%d", ops)}
	kafka := &cluster{t: t, addr: fmt.Sprintf("127.0.0.1:%d", kafkaPort)}

	c.up()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	curl := strings.Replace(string(curlOfReadme.Find(readme)), "127.0.0.1:8080", fmt.Sprintf("127.0.0.1:%d", port), 1)
	if answer := runIn(t, nil, []string{"-c", curl}, "bash"); answer != `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}` {
		t.Fatalf("README's curl %s\nwas answered %q", curl, answer)
	}
	first := kafka.read("chat.group-messages", count(1))[0]
	sameEvent(t, first.Value)

	c.must("down")
	container := c.up()
	again := kafka.read("chat.group-messages", count(1))[0]
	if again.Partition != first.Partition || again.Offset != first.Offset || !bytes.Equal(again.Value, first.Value) {
		t.Errorf("after down and up the topic begins with %d/%d %s,\nbefore it was %d/%d %s",
			again.Partition, again.Offset, again.Value, first.Partition, first.Offset, first.Value)
	}
	eventually(t, "the sink is well", func() error { return b.probe("/sinkz", http.StatusOK) })
	open := &bridge{t: t, ops: fmt.Sprintf("http://127.0.0.1:%d", ops)}
	if err := errors.Join(open.probe("/readyz", http.StatusOK), open.probe("/status", http.StatusUnauthorized)); err != nil {
		t.Errorf("without the password: %v", err)
	}
	verdict := runIn(t, nil, []string{"exec", container, "chatbridge", "audit"}, "docker")
	if !strings.Contains(verdict, "audit: clean: 1 message, 0 doubled, 0 out of order, 0 holes") {
		t.Errorf("the audit says\n%s", verdict)
	}
	confined(t, container)
}

// sameEvent requires the specification's event, whenever it was received.
func sameEvent(t testing.TB, value []byte) {
	t.Helper()
	var got, want map[string]any
	if err := errors.Join(json.Unmarshal(value, &got), json.Unmarshal(golden(t, "specification.event.json"), &want)); err != nil {
		t.Fatal(err)
	}
	got["received_at"] = want["received_at"]
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the event is\n%v, want\n%v", got, want)
	}
}

// confined requires of the running container what docker-compose.yml and the
// image say: nobody's rights, and a root that cannot be written.
func confined(t testing.TB, container string) {
	t.Helper()
	const format = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.State.ExitCode}}"
	const want = "65532:65532 true [ALL] [no-new-privileges:true] 0"
	if got := strings.TrimSpace(runIn(t, nil, []string{"inspect", "-f", format, container}, "docker")); got != want {
		t.Errorf("the container runs as %q, want %q", got, want)
	}
}
