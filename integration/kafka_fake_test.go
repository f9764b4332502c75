package integration

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	fakeRole = "kfake"

	portVariable    = "CHATBRIDGE_TEST_PORT"
	dataVariable    = "CHATBRIDGE_TEST_DATA"
	optionsVariable = "CHATBRIDGE_TEST_OPTIONS" // space-separated: sync, blackhole, secured
	filesVariable   = "CHATBRIDGE_TEST_FILES"
)

// playFake is a kfake, until its standard input ends.
func playFake() error {
	port, err := strconv.Atoi(os.Getenv(portVariable))
	if err != nil {
		return err
	}
	opts := []kfake.Opt{kfake.Ports(port), kfake.DefaultNumPartitions(12)}
	if dir := os.Getenv(dataVariable); dir != "" {
		opts = append(opts, kfake.DataDir(dir))
	}
	for option := range strings.FieldsSeq(os.Getenv(optionsVariable)) {
		switch option {
		case "sync":
			opts = append(opts, kfake.SyncWrites())
		case "blackhole":
			opts = append(opts, kfake.BlackholeProduce())
		case "secured":
			secured, err := securedFake(os.Getenv(filesVariable))
			if err != nil {
				return err
			}
			opts = append(opts, secured...)
		default:
			return fmt.Errorf("kfake has no option %q", option)
		}
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// securedFake is mutual TLS and a login, with what is in dir: ca.pem, broker.pem
// (certificate and key) and password, that of the user keeper.
func securedFake(dir string) ([]kfake.Opt, error) {
	pair, err := tls.LoadX509KeyPair(dir+"/broker.pem", dir+"/broker.pem")
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(dir + "/ca.pem")
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(dir + "/password")
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s/ca.pem holds no certificate", dir)
	}
	return []kfake.Opt{
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert}),
		kfake.EnableSASL(), kfake.Superuser("PLAIN", keeper, string(password)),
	}, nil
}

// fakeWay is kfake in a process of its own, its data on disk.
func fakeWay() *way {
	return &way{name: "kfake", title: "kfake, which is no real Kafka", fake: true, build: func(c *cluster) {
		if len(c.nodes) != 1 || len(c.spec.listeners) > 0 || len(c.spec.properties) > 0 {
			c.t.Fatal("kfake is one node, with one listener and no properties: this test must say needsReal")
		}
		n := c.nodes[0]
		n.machine = &child{t: c.t, name: "kfake", data: newDir(c.t, "kafka"), log: logFile(c.t, "kafka"), command: fakeCommand(n, c.spec.options, c.files)}
	}}
}

func fakeCommand(n *node, options, files string) func(testing.TB, string) *exec.Cmd {
	return func(t testing.TB, data string) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), roleVariable+"="+fakeRole, portVariable+"="+itoa(n.ports[plainListener]),
			dataVariable+"="+data, optionsVariable+"="+options, filesVariable+"="+files)
		if _, err := cmd.StdinPipe(); err != nil { // it ends with us
			t.Fatal(err)
		}
		return cmd
	}
}

// A child is a node that runs as a process of this test's own.
type child struct {
	t       testing.TB
	name    string
	data    string
	log     string
	command func(t testing.TB, data string) *exec.Cmd

	*process // of the last start; nil before the first
}

func (c *child) start() {
	c.t.Helper()
	c.process = launch(c.t, c.name, c.log, c.command(c.t, c.data))
}

func (c *child) kill() {
	if c.process != nil {
		c.process.kill()
	}
}

func (c *child) stop() {
	c.signal(syscall.SIGTERM)
	c.exit()
}

func (c *child) freeze() { c.signal(syscall.SIGSTOP) }
func (c *child) thaw()   { c.signal(syscall.SIGCONT) }

func (c *child) alive() bool { return c.process != nil && c.process.alive() }

func (c *child) pid() int {
	if !c.alive() {
		return 0
	}
	return c.cmd.Process.Pid
}

func (c *child) said() string { return tail(c.log, 40) }

func (c *child) forget() {
	if err := os.RemoveAll(c.data); err != nil {
		c.t.Error(err)
	}
}
