package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
)

// usualFile is what a configuration is usually called. It is not read unless -c
// names it: what a command does must not depend on the folder it is started in.
const usualFile = "chatbridge.yaml"

// configFlags are the flags of a command that needs settings. The order of
// precedence is said once, in bridge.LoadConfig: defaults, file, environment, flags.
type configFlags struct {
	file string
	set  []string
}

// register gives cmd the flags.
func (f *configFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "configuration `file` (YAML)")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "one setting, as `key=value`; may be repeated, wins over file and environment")
	// The flag was defined two lines above: there is nothing to fail.
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// load reads the settings and checks the named sections, or all. extra are the
// command's own flags that stand for a key. An error ends with exit code 2.
func (f *configFlags) load(env *environment, extra []bridge.Flag, sections ...string) (*bridge.Settings, error) {
	settings, err := f.read(env, extra)
	if err != nil {
		return nil, err
	}
	return settings, f.hint(settings.Err(sections...))
}

// read reads the settings without checking them.
func (f *configFlags) read(env *environment, extra []bridge.Flag) (*bridge.Settings, error) {
	flags := make([]bridge.Flag, 0, len(f.set)+len(extra))
	for _, pair := range f.set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usagef("--set takes key=value, such as --set kafka.topic=chat, but got %q", pair)
		}
		flags = append(flags, bridge.Flag{Name: "--set", Key: key, Value: value})
	}
	return bridge.LoadConfig(bridge.Sources{
		File:    f.file,
		Environ: env.environ(),
		Flags:   append(flags, extra...),
	}), nil
}

// hint adds to an error that a configuration lies here and was not asked for.
func (f *configFlags) hint(err error) error {
	if err == nil || !f.overlooked() {
		return err
	}
	return fmt.Errorf("%w\n(%s in this folder was not read; give it with -c %s)", err, usualFile, usualFile)
}

// overlooked says that a configuration lies here and was not asked for.
func (f *configFlags) overlooked() bool {
	if f.file != "" {
		return false
	}
	_, err := os.Stat(usualFile)
	return err == nil
}
