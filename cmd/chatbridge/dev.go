package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/audit"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/simulate"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
)

// The two apps that dev's bridge knows: one takes callbacks unsigned, so that
// the printed curl line can be pasted at any time; the simulated chat signs.
const (
	devOpenApp   = 1400000000
	devSignedApp = 1400000001
	devToken     = "dev-token" // guards nothing: everything of dev is on loopback
)

// devHold is fixed, and long, so that a person can watch a message wait.
const devHold = time.Second

type devFlags struct {
	dataDir             string
	noTraffic           bool
	rate                float64
	groups              int
	httpListen          string
	kafkaPort, opsPort  int
	disorder, dup, drop float64
}

func newDevCommand(env *environment) *cobra.Command {
	f := devFlags{disorder: 0.25, dup: 0.08, drop: 0.06}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "See it work: a bridge, a Kafka and a chat, in one process",
		Long: `See it work, with nothing else installed: an embedded Kafka whose data is on disk,
the bridge before it, and a simulated group chat whose callbacks come out of order,
twice, or not at all. The screen shows what comes in, what waits for whom, and the
ordered stream in the topic.

Ctrl-C stops it, and audits the topic against the ledger of what was answered OK.
It leaves nothing but its data folder, and the next start goes on there. For
development only: the embedded Kafka has one broker.`,
		Example: `  chatbridge dev
  chatbridge dev --no-traffic --data-dir /tmp/chat    # quiet: post callbacks yourself
  chatbridge dev --rate 500 --groups 50`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chat := f.chat("http://127.0.0.1/")
			if err := chat.Check(); err != nil {
				return &usageError{err}
			}
			d, err := openDev(env, f)
			if err != nil {
				return err
			}
			return d.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", filepath.Join("data", "dev"), "`folder` of everything that is kept")
	flags.BoolVar(&f.noTraffic, "no-traffic", false, "no simulated chat")
	flags.Float64Var(&f.rate, "rate", 6, "callbacks a second of the simulated chat")
	flags.IntVar(&f.groups, "groups", 3, "groups that chat")
	flags.Var((*share)(&f.disorder), "disorder", "`share` of messages that a later one overtakes")
	flags.Var((*share)(&f.dup), "duplicate", "`share` of messages that are sent twice")
	flags.Var((*share)(&f.drop), "drop", "`share` of messages before which a number is never sent")
	flags.StringVar(&f.httpListen, "http-listen", ":8080", "`address` that callbacks are posted to")
	flags.IntVar(&f.kafkaPort, "kafka-port", 9092, "`port` of the embedded Kafka, on 127.0.0.1")
	flags.IntVar(&f.opsPort, "ops-port", 9090, "`port` of the operator's page, on 127.0.0.1")
	return cmd
}

// dev is one run of the command.
type dev struct {
	env    *environment
	flags  devFlags
	cfg    bridge.Config
	kafka  *devKafka
	bridge *bridge.Bridge
	screen *devScreen
}

// openDev starts Kafka and opens the bridge. An error leaves nothing running.
func openDev(env *environment, f devFlags) (*dev, error) {
	if err := os.MkdirAll(f.dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w; choose another with --data-dir", err)
	}
	d := &dev{env: env, flags: f, cfg: devConfig(f), screen: newDevScreen(env)}
	if err := d.portsFree(); err != nil {
		return nil, err
	}
	log, err := devLog(f.dataDir)
	if err != nil {
		return nil, err
	}
	// The bridge first: its spool's lock is the whole folder's, and needs no Kafka.
	d.bridge, err = bridge.Open(d.cfg, bridge.Options{
		Version: thisBuild().Version, Logger: log, Hooks: d.screen.relayHooks(),
	})
	if errors.Is(err, spool.ErrLocked) {
		return nil, fmt.Errorf("another chatbridge uses the data folder: %w; end it, or choose another folder with --data-dir", err)
	}
	if err != nil {
		return nil, err
	}
	d.kafka, err = startDevKafka(f.kafkaPort, filepath.Join(f.dataDir, "kafka"))
	if err != nil {
		return nil, errors.Join(err, d.closeBridge())
	}
	return d, nil
}

// closeBridge ends a bridge that has not run.
func (d *dev) closeBridge() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return d.bridge.Run(ctx)
}

func devConfig(f devFlags) bridge.Config {
	cfg := bridge.DefaultConfig()
	cfg.HTTP.Listen = f.httpListen
	cfg.Apps = []bridge.AppConfig{
		{SDKAppID: devOpenApp},
		{SDKAppID: devSignedApp, Tokens: []string{devToken}},
	}
	cfg.Spool.Dir = filepath.Join(f.dataDir, "spool")
	cfg.Spool.MaxBytes, cfg.Spool.MinFree = 1*bridge.GiB, 64*bridge.MiB
	cfg.Resequence.Hold = bridge.Hold{Fixed: devHold}
	cfg.Kafka.Brokers = []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(f.kafkaPort))}
	cfg.Kafka.CreateTopics, cfg.Kafka.Partitions, cfg.Kafka.ReplicationFactor = true, 3, 1
	cfg.Ops.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(f.opsPort))
	cfg.ShutdownTimeout = 5 * time.Second
	return cfg
}

// portsFree names a port that is taken together with the flag that changes it.
func (d *dev) portsFree() error {
	for _, p := range []struct{ address, what, flag string }{
		{d.cfg.HTTP.Listen, "callbacks", "--http-listen"},
		{d.cfg.Kafka.Brokers[0], "the embedded Kafka", "--kafka-port"},
		{d.cfg.Ops.Listen, "the operator's page", "--ops-port"},
	} {
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			return fmt.Errorf("%s cannot be used for %s: %w; end the program that has it, or choose another with %s",
				p.address, p.what, err, p.flag)
		}
		_ = l.Close() // it was only tried
	}
	return nil
}

// devLog is the bridge's log, kept out of the way of the screen.
func devLog(dataDir string) (*zap.Logger, error) {
	f, err := os.OpenFile(filepath.Join(dataDir, "chatbridge.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return newLogger(bridge.LogConfig{Level: "info", Format: "console"}, f)
}

// run shows the whole until ctx ends, then drains and audits.
func (d *dev) run(ctx context.Context) error {
	defer d.kafka.Close()
	d.screen.welcome(d)
	bridgeCtx, stopBridge := context.WithCancel(context.Background())
	defer stopBridge()
	bridgeDone := make(chan error, 1)
	go func() { bridgeDone <- d.bridge.Run(bridgeCtx) }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var shown sync.WaitGroup
	tailCtx, stopTail := context.WithCancel(context.Background())
	defer stopTail()
	shown.Go(func() { d.screen.follow(tailCtx, d) })
	traffic := make(chan error, 1)
	go func() { traffic <- d.traffic(ctx) }()

	var failure error
	select {
	case failure = <-bridgeDone:
		bridgeDone <- nil
	case <-ctx.Done():
	case failure = <-traffic:
		traffic <- nil
	}
	cancel()
	failure = errors.Join(failure, <-traffic)
	d.screen.stopping()
	d.settle()
	stopBridge()
	failure = errors.Join(failure, <-bridgeDone)
	stopTail()
	shown.Wait()
	if failure != nil {
		return failure
	}
	return d.audit()
}

// settle lets what is held leave in its own time, so that the audit finds it.
func (d *dev) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), d.cfg.ShutdownTimeout)
	defer cancel()
	if left := d.bridge.Settle(ctx); left > 0 {
		d.screen.print("%d callbacks are not in the topic yet; the next start goes on with them\n", left)
	}
}

// traffic is the simulated chat; it waits for ctx where there is none.
func (d *dev) traffic(ctx context.Context) error {
	if d.flags.noTraffic {
		<-ctx.Done()
		return nil
	}
	o := d.flags.chat("http://" + d.callbackHost() + d.cfg.HTTP.Path)
	o.Ledger = d.ledger()
	_, err := simulate.New(o).Run(ctx, d.screen.sent)
	return err
}

// chat is what is simulated.
func (f *devFlags) chat(url string) simulate.Options {
	o := simulate.Defaults()
	o.URL, o.App, o.Token = url, devSignedApp, devToken
	o.Groups, o.Topics, o.Rate, o.Connections = f.groups, 0, f.rate, 8
	o.Disorder, o.Duplicate, o.Drop = f.disorder, f.dup, f.drop
	o.Window = 800 * time.Millisecond
	return o
}

func (d *dev) ledger() string { return filepath.Join(d.flags.dataDir, "ledger.jsonl") }

// callbackHost is the address of the endpoint, as a program on this machine
// reaches it.
func (d *dev) callbackHost() string {
	host, port, err := net.SplitHostPort(d.bridge.Addr().String())
	if err != nil {
		return d.bridge.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// audit proves the topic against the ledger, while Kafka is still there.
func (d *dev) audit() error {
	client, err := publisher.New(d.cfg.Publisher())
	if err != nil {
		return err
	}
	defer client.Close()
	options := audit.Options{}
	if _, err := os.Stat(d.ledger()); err == nil {
		options.Ledger = d.ledger()
	}
	ctx, cancel := context.WithTimeout(context.Background(), auditWithin)
	defer cancel()
	source := topic.New(client, d.cfg.Kafka.Topic)
	report, err := runAudit(ctx, d.env, source, options)
	if err != nil {
		return fmt.Errorf("audit the topic: %w", err)
	}
	if report.Clean {
		d.screen.print("%s\n", report.LastLine())
		return nil
	}
	if err := writeAudit(d.env, source.Name(), report); err != nil {
		return err
	}
	return errFinding
}

// auditWithin bounds the audit at the end; a topic that takes longer is audited
// by the command.
const auditWithin = time.Minute
