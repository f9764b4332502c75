package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/chatbridge/chatbridge/bridge"
)

func newServeCommand(env *environment) *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the bridge",
		Long: `Run the bridge: take callbacks, answer each once it is on disk, and publish them to
Kafka in order and once. It starts, and answers, without Kafka.

The first SIGINT or SIGTERM stops it: nothing more is accepted, what is in flight is
answered, and the spool is drained for shutdown_timeout at most. A second one ends it
at once. Nothing that was answered OK is lost either way; the next start goes on.`,
		Example: `  chatbridge serve -c chatbridge.yaml
  CHATBRIDGE_APPS_0_SDK_APP_ID=1400000000 CHATBRIDGE_APPS_0_TOKENS=secret chatbridge serve`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := flags.load(env, nil)
			if err != nil {
				return err
			}
			log, err := newLogger(settings.Config.Log, env.stderr)
			if err != nil {
				return err
			}
			boundMemory(env)
			b, err := bridge.Open(settings.Config, bridge.Options{Version: thisBuild().String(), Logger: log})
			if err != nil {
				return fmt.Errorf("start the bridge: %w", err)
			}
			return b.Run(cmd.Context())
		},
	}
	flags.register(cmd)
	return cmd
}

// memoryLimit is what the process aims at, backlog or not. What is bounded
// (queues, what is held, streams) adds up to less; the garbage between two
// collections would otherwise double it.
const memoryLimit = 168 << 20

// boundMemory makes the collector work harder near the limit, unless GOMEMLIMIT
// sets another. Far below it, it changes nothing.
func boundMemory(env *environment) {
	if env.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// newLogger returns the log of the running bridge. It goes to w, one line an
// entry, and is not sampled: what is worth a line is rate-limited where it is
// written.
func newLogger(cfg bridge.LogConfig, w io.Writer) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	format := zap.NewProductionEncoderConfig()
	format.TimeKey, format.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	format.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(format)
	if cfg.Format == "console" {
		format.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(format)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}
