package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
)

func newConfigCommand(env *environment) *cobra.Command {
	return newGroupCommand(&cobra.Command{
		Use:   "config",
		Short: "Check and print the configuration",
		Long: `Check and print the configuration.

Settings come from the defaults, a file (-c), the environment and flags; a later
one wins, key by key. The variable of a key is CHATBRIDGE_ and the key in capitals:
kafka.tls.ca_file is CHATBRIDGE_KAFKA_TLS_CA_FILE. Lists are comma-separated. Apps
are CHATBRIDGE_APPS_0_SDK_APP_ID, CHATBRIDGE_APPS_0_TOKENS and so on, or all at
once, as YAML or JSON, CHATBRIDGE_APPS. Paths are relative to where chatbridge runs.`,
		Example: `  chatbridge config check -c chatbridge.yaml
  chatbridge config print -c chatbridge.yaml --sources`,
	}, newConfigCheckCommand(env), newConfigPrintCommand(env))
}

// checkResult is what config check --json prints.
type checkResult struct {
	OK       bool        `json:"ok"`
	Faults   []faultLine `json:"faults"`
	Warnings []faultLine `json:"warnings"`
}

// faultLine is a fault or a warning in JSON.
type faultLine struct {
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Source  string `json:"source,omitempty"` // the file, the variable or the flag
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
}

// faultLines turns faults into what is printed of them.
func faultLines(faults []bridge.Fault) []faultLine {
	lines := make([]faultLine, 0, len(faults))
	for _, f := range faults {
		lines = append(lines, faultLine{
			Key: f.Key, Message: f.Message, Source: f.Origin.Name, Line: f.Origin.Line, Column: f.Origin.Column,
		})
	}
	return lines
}

func newConfigCheckCommand(env *environment) *cobra.Command {
	var (
		flags  configFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report everything that is wrong with the configuration",
		Long: `Report everything that is wrong with the configuration, each fault with its key and
its line. Secret files and certificates that it names are read too. Nothing is
connected to; "chatbridge topics check" looks at Kafka.

The exit code is 0, or 2 where there is a fault. Warnings do not change it.`,
		Example: `  chatbridge config check -c chatbridge.yaml
  CHATBRIDGE_APPS_0_SDK_APP_ID=1400000000 chatbridge config check --json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			settings, err := flags.read(env, nil)
			if err != nil {
				return err
			}
			if asJSON {
				return checkAsJSON(env, settings)
			}
			if err := settings.Err(); err != nil {
				return flags.hint(err)
			}
			for _, w := range settings.Warnings() {
				fmt.Fprintln(env.stdout, "warning:", w)
			}
			_, err = fmt.Fprintln(env.stdout, "ok")
			return err
		},
	}
	flags.register(cmd)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// checkAsJSON prints the faults on standard output, as a result.
func checkAsJSON(env *environment, settings *bridge.Settings) error {
	var faulty *bridge.ConfigError
	if !errors.As(settings.Err(), &faulty) {
		return writeJSON(env.stdout, checkResult{OK: true, Faults: []faultLine{}, Warnings: faultLines(settings.Warnings())})
	}
	result := checkResult{Faults: faultLines(faulty.Faults), Warnings: []faultLine{}}
	if err := writeJSON(env.stdout, result); err != nil {
		return err
	}
	return errFaultsShown
}

func newConfigPrintCommand(env *environment) *cobra.Command {
	var (
		flags           configFlags
		sources, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the effective settings, secrets masked",
		Long: `Print the effective settings: defaults, file, environment and flags put together.
Tokens, passwords and what follows the first part of http.path are masked. What has a fault is not
printed; the fault is reported, with exit code 2.`,
		Example: `  chatbridge config print                                # the defaults and the environment
  chatbridge config print -c chatbridge.yaml --sources   # where each value was given`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			settings, err := flags.read(env, nil)
			if err != nil {
				return err
			}
			if err := settings.ReadErr(); err != nil {
				return err
			}
			if !asJSON {
				return settings.WriteYAML(env.stdout, sources)
			}
			return printAsJSON(env, settings, sources)
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&sources, "sources", false, "say where each value was given")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// printAsJSON prints the settings, and by their keys where they were given.
func printAsJSON(env *environment, settings *bridge.Settings, sources bool) error {
	masked, err := settings.Masked()
	if err != nil {
		return err
	}
	if !sources {
		return writeJSON(env.stdout, masked)
	}
	return writeJSON(env.stdout, map[string]any{"settings": masked, "sources": settings.Sources()})
}
