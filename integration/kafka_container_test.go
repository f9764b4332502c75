package integration

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	dockernetwork "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
)

const image = "apache/kafka"

// filesInside is where a container has the cluster's files.
const filesInside = "/mnt/files"

// ports inside a container are the same in each; further listeners follow.
const (
	plainPort      = 9092
	controllerPort = 9093
	brokerPort     = 9094
)

// containerWay is Kafka's image in containers. It fails where no Docker daemon
// answers, or the image can't be had.
func containerWay(version string) (*way, error) {
	// The reaper is an image of its own, which is not to be had everywhere. Each
	// container here is removed by the test that started it.
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("no Docker daemon answers: %w", err)
	}
	if err := removeLeft(docker); err != nil {
		return nil, err
	}
	if _, err := get("image", version); err != nil {
		return nil, err
	}
	title := fmt.Sprintf("Apache Kafka %s in containers of %s:%s, %s", version, image, version, origin(docker, image+":"+version))
	return &way{name: "container", title: title, version: version, build: func(c *cluster) {
		h := &house{t: c.t, docker: docker, network: newNetwork(c.t)}
		for _, n := range c.nodes {
			n.machine = h.newBox(c, n)
		}
	}}, nil
}

// Labels that say which process started a container: its pid, and where that
// number means it.
const (
	ownerLabel = "com.github.chatbridge.test.pid"
	placeLabel = "com.github.chatbridge.test.place"
)

// place is where this process's pid means it: its host and its PID namespace.
func place() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	return host + " " + namespace, err
}

// removeLeft removes the containers of runs that were killed here: a daemon may be
// shared with other machines. Where the system does not tell which processes there
// are, they stay.
func removeLeft(docker *testcontainers.DockerClient) error {
	here, err := place()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	all, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", ownerLabel)})
	if err != nil {
		return fmt.Errorf("look for containers of former runs: %w", err)
	}
	for _, c := range all.Items {
		if _, err := os.Stat("/proc/" + c.Labels[ownerLabel]); err == nil || c.Labels[placeLabel] != here {
			continue
		}
		if _, err := docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			return fmt.Errorf("remove the container %v of a former run: %w", c.Names, err)
		}
	}
	return nil
}

// origin says where an image comes from: kafka/get labels those that it builds.
func origin(docker *testcontainers.DockerClient, name string) string {
	i, err := docker.ImageInspect(context.Background(), name)
	switch {
	case err != nil:
		return err.Error()
	case i.Config != nil && i.Config.Labels["chatbridge.kafka.recipe"] != "":
		return "built from its jars"
	default:
		return "as it was pulled"
	}
}

func newNetwork(t testing.TB) string {
	t.Helper()
	n, err := network.New(context.Background())
	if err != nil {
		t.Fatalf("make a network of containers: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Remove(context.Background()); err != nil {
			t.Errorf("remove a network of containers: %v", err)
		}
	})
	return n.Name
}

// A house is where the containers of one cluster live.
type house struct {
	t       testing.TB
	docker  *testcontainers.DockerClient
	network string
}

// A box is a node in a container.
type box struct {
	*house
	name    string
	request testcontainers.ContainerRequest
	made    testcontainers.Container // nil before the first start
}

// newBox returns a container that is made at its first start.
func (h *house) newBox(c *cluster, n *node) *box {
	here, _ := place() // "" where it is not known: then nobody removes it
	inside := map[string]int{plainListener: plainPort, controllerListener: controllerPort, brokerListener: brokerPort}
	for i, l := range c.spec.listeners {
		inside[l.name] = brokerPort + 1 + i
	}
	alias := func(id int) string { return fmt.Sprintf("kafka-%d", id) }
	p := c.properties(n, hall{
		bind: "0.0.0.0", files: filesInside,
		inner: func(other *node, listener string) string {
			return fmt.Sprintf("%s:%d", alias(other.id), inside[listener])
		},
		ports: func(_ *node, name string) int { return inside[name] },
	})
	env := map[string]string{"CLUSTER_ID": clusterID, "KAFKA_HEAP_OPTS": "-Xmx512m"}
	for key, value := range p {
		env[variable(key)] = value
	}
	request := testcontainers.ContainerRequest{
		Image: image + ":" + c.way.version, Env: env,
		Networks: []string{h.network}, NetworkAliases: map[string][]string{h.network: {alias(n.id)}},
		Labels:             map[string]string{"com.github.chatbridge.test": c.t.Name(), ownerLabel: itoa(os.Getpid()), placeLabel: here},
		HostConfigModifier: func(host *container.HostConfig) { publish(host, c, n, inside) },
	}
	for _, port := range inside {
		request.ExposedPorts = append(request.ExposedPorts, fmt.Sprintf("%d/tcp", port))
	}
	b := &box{house: h, name: alias(n.id), request: request}
	h.t.Cleanup(b.remove)
	return b
}

// publish binds what is reached from outside to its fixed port: a port of
// Docker's own choice changes when a container starts again.
func publish(host *container.HostConfig, c *cluster, n *node, inside map[string]int) {
	host.Binds = []string{c.files + ":" + filesInside + ":ro"}
	host.PortBindings = dockernetwork.PortMap{}
	for name, port := range inside {
		if name == brokerListener || name == controllerListener {
			continue
		}
		host.PortBindings[dockernetwork.MustParsePort(fmt.Sprintf("%d/tcp", port))] = []dockernetwork.PortBinding{
			{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: itoa(n.ports[name])},
		}
	}
}

// variable is how the image takes a property: kafka.docker.KafkaDockerWrapper
// reads one underscore as a dot, two as an underscore, three as a dash.
func variable(property string) string {
	return "KAFKA_" + strings.ToUpper(strings.NewReplacer("-", "___", "_", "__", ".", "_").Replace(property))
}

func (b *box) start() {
	b.t.Helper()
	var err error
	if b.made == nil {
		b.made, err = testcontainers.GenericContainer(context.Background(), testcontainers.GenericContainerRequest{
			ContainerRequest: b.request, Started: true, Logger: quiet{},
		})
	} else {
		err = b.made.Start(context.Background())
	}
	if err != nil {
		b.t.Fatalf("start %s: %v", b.name, err)
	}
}

// quiet is a logger of testcontainers that says nothing: what matters is an error.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (b *box) kill() {
	if !b.alive() {
		return
	}
	b.signal("KILL")
	b.gone()
}

func (b *box) stop() {
	b.signal("TERM")
	b.gone()
}

func (b *box) freeze() { b.signal("STOP") }
func (b *box) thaw()   { b.signal("CONT") }

func (b *box) signal(s string) {
	b.t.Helper()
	if _, err := b.docker.ContainerKill(context.Background(), b.made.GetContainerID(), client.ContainerKillOptions{Signal: s}); err != nil {
		b.t.Errorf("send %s to %s: %v", s, b.name, err)
	}
}

// gone waits for the end of a container that was told to end.
func (b *box) gone() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	wait := b.docker.ContainerWait(ctx, b.made.GetContainerID(), client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
	case err := <-wait.Error:
		b.t.Fatalf("%s does not end: %v", b.name, err)
	}
}

func (b *box) state() *container.State {
	if b.made == nil {
		return &container.State{}
	}
	state, err := b.made.State(context.Background())
	if err != nil {
		b.t.Errorf("ask for the state of %s: %v", b.name, err)
		return &container.State{}
	}
	return state
}

func (b *box) alive() bool { return b.state().Running }
func (b *box) pid() int    { return b.state().Pid }

func (b *box) said() string {
	if b.made == nil {
		return ""
	}
	logs, err := b.made.Logs(context.Background())
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	text, err := io.ReadAll(logs)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text), 40)
}

func (b *box) forget() { b.remove() }

func (b *box) remove() {
	if b.made == nil {
		return
	}
	if b.t.Failed() {
		b.t.Logf("the end of what %s said:\n%s", b.name, b.said())
	}
	if err := b.made.Terminate(context.Background(), testcontainers.StopTimeout(0)); err != nil {
		b.t.Errorf("remove %s: %v", b.name, err)
	}
	b.made = nil
}
