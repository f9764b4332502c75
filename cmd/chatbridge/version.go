package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker: go build -ldflags "-X main.version=v1.2.3 -X main.commit=… -X main.date=…".
// Where they are empty, the build info that Go itself records is used.
var (
	version string //nolint:gochecknoglobals // the linker can set nothing else
	commit  string //nolint:gochecknoglobals // as above
	date    string //nolint:gochecknoglobals // as above
)

// build says which program this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"` // of the commit or of the build, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisBuild describes the running program.
func thisBuild() build {
	b := build{
		Version:  version,
		Commit:   commit,
		Date:     date,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.complete(info)
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// complete fills what the linker did not set from Go's own build info.
func (b *build) complete(info *debug.BuildInfo) {
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.time" && b.Date == "":
			b.Date = s.Value
		}
	}
}

// String is the build on one line.
func (b build) String() string {
	text := "chatbridge " + b.Version
	if b.Commit != "" {
		text += ", commit " + b.Commit[:min(12, len(b.Commit))]
	}
	if b.Date != "" {
		text += ", " + b.Date
	}
	return text + ", " + b.Go + " " + b.Platform
}

func newVersionCommand(env *environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say which chatbridge this is",
		Example: "  chatbridge version --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return writeJSON(env.stdout, thisBuild())
			}
			_, err := fmt.Fprintln(env.stdout, thisBuild())
			return err
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}
