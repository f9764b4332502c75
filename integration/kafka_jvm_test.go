package integration

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clusterID is every cluster's: none of them ever meets another.
const clusterID = "4L6g3nShT-eMCtK--X86sw"

// jvmWay is Kafka in a Java process of this machine, its jars from Maven Central.
// It fails where there is no Java, or the jars can't be had.
func jvmWay(version string) (*way, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("there is no Java: %w", err)
	}
	jars, err := get("jars", version)
	if err != nil {
		return nil, err
	}
	return &way{name: "JVM process", title: "Apache Kafka " + version + " as a JVM process", version: version, build: func(c *cluster) {
		for _, n := range c.nodes {
			n.machine = newJVM(c, n, java, jars)
		}
	}}, nil
}

// newJVM returns a node with its data formatted.
func newJVM(c *cluster, n *node, java, jars string) *child {
	name := fmt.Sprintf("kafka-%d", n.id)
	dir := newDir(c.t, name)
	file := filepath.Join(dir, "server.properties")
	p := c.properties(n, hall{
		bind:  "127.0.0.1",
		inner: func(other *node, listener string) string { return fmt.Sprintf("127.0.0.1:%d", other.ports[listener]) },
		files: c.files,
		ports: func(n *node, name string) int { return n.ports[name] },
	})
	p["log.dirs"] = filepath.Join(dir, "data")
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&text, "%s=%s\n", key, strings.ReplaceAll(p[key], "\n", "\\\n"))
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	path := []string{"-cp", filepath.Join(jars, "*")}
	flags := append([]string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"}, path...) // quick to start, and small
	if c.spec.warm {
		flags = append([]string{"-Xmx1g", "-Xms1g"}, path...)
	}
	format := exec.Command(java, append(flags, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", file)...)
	if out, err := format.CombinedOutput(); err != nil {
		c.t.Fatalf("format the data of node %d: %v\n%s", n.id, err, out)
	}
	log := logFile(c.t, name)
	return &child{t: c.t, name: name, data: dir, log: log, command: func(t testing.TB, _ string) *exec.Cmd {
		cmd := exec.Command(java, append(flags, "kafka.Kafka", file)...)
		cmd.Dir = dir
		cmd.Stdout = appended(t, log)
		return cmd
	}}
}

// appended opens a file that grows with each start. The test closes it at its end.
func appended(t testing.TB, name string) *os.File {
	t.Helper()
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}
