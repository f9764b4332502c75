package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/spool"
)

func newSpoolCommand(env *environment) *cobra.Command {
	return newGroupCommand(&cobra.Command{
		Use:   "spool",
		Short: "Look into a spool: what waits there, whether it is whole",
		Long: `Look into a spool, the local log of callbacks that were answered. All but repair only
read, and may be used while the bridge runs.`,
		Example: `  chatbridge spool stat -c chatbridge.yaml
  chatbridge spool dump --dir ./data/spool --count 10`,
	}, newSpoolStatCommand(env), newSpoolDumpCommand(env), newSpoolVerifyCommand(env), newSpoolRepairCommand(env))
}

// spoolFlags say which spool is meant.
type spoolFlags struct {
	config configFlags
	dir    string
}

// register gives cmd the flags.
func (f *spoolFlags) register(cmd *cobra.Command) {
	f.config.register(cmd)
	cmd.Flags().StringVar(&f.dir, "dir", "", "the spool's `directory`, in place of a configuration")
	// The flags were defined above: there is nothing to fail.
	_ = cmd.MarkFlagDirname("dir")
}

// locate returns the directory, and the settings it is from. With --dir no
// configuration is read, and the settings are nil: a broken configuration must not
// keep anyone from a spool.
func (f *spoolFlags) locate(env *environment) (string, *bridge.Settings, error) {
	if f.dir != "" && (f.config.file != "" || len(f.config.set) > 0) {
		return "", nil, usagef("--dir says which spool is meant, and so do -c and --set; give one of them")
	}
	if f.dir != "" {
		return f.dir, nil, nil
	}
	settings, err := f.config.load(env, nil, "spool")
	if err != nil {
		return "", nil, err
	}
	return settings.Config.Spool.Dir, settings, nil
}

// spoolError says what to do where there is no spool; other errors say it themselves.
func spoolError(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no spool in %s; give its directory with --dir, or the configuration with -c", dir)
	}
	return err
}

func newSpoolStatCommand(env *environment) *cobra.Command {
	var (
		flags  spoolFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "stat",
		Short: "Say how much waits in the spool, and since when",
		Example: `  chatbridge spool stat -c chatbridge.yaml
  chatbridge spool stat --dir ./data/spool --json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			dir, settings, err := flags.locate(env)
			if err != nil {
				return err
			}
			stat, err := spool.Inspect(dir)
			if err != nil {
				return spoolError(dir, err)
			}
			if err := settleStat(dir, &stat); err != nil {
				return spoolError(dir, err)
			}
			s := newSpoolStat(dir, stat, settings, env.now())
			if asJSON {
				return writeJSON(env.stdout, s)
			}
			return s.write(env.stdout)
		},
	}
	flags.register(cmd)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// settleStat leaves out what the relay's checkpoint says is in Kafka. The spool
// itself only knows what it may delete, which it does a segment at a time.
func settleStat(dir string, stat *spool.Stat) error {
	progress, err := relay.ReadProgress(func(fn func([]byte) error) error { return spool.ReadCheckpoint(dir, fn) })
	if err != nil || progress.Low <= stat.First {
		return err
	}
	stat.Released = progress.Low
	stat.Records = max(int64(stat.End)-int64(progress.Low)-int64(progress.Finished), 0)
	stat.OldestReceipt = time.Time{}
	err = spool.Walk(dir, progress.Low, func(e spool.Entry) error {
		stat.OldestReceipt = e.Record.ReceivedAt
		return errFirst
	})
	if errors.Is(err, errFirst) {
		return nil
	}
	return err
}

// errFirst ends a walk at its first record.
var errFirst = errors.New("the first record")

// spoolStat is what spool stat prints. Sizes are bytes.
type spoolStat struct {
	Dir              string     `json:"dir"`
	Records          int64      `json:"records"` // not settled
	First            uint64     `json:"first_position"`
	End              uint64     `json:"end_position"` // the next to be written
	Released         uint64     `json:"settled_before"`
	OldestReceipt    *time.Time `json:"oldest_receipt,omitempty"`
	OldestAge        float64    `json:"oldest_age_seconds"`
	Bytes            int64      `json:"bytes"`
	MaxBytes         int64      `json:"max_bytes,omitempty"` // where a configuration says so
	Segments         int        `json:"segments"`
	FreeBytes        int64      `json:"free_bytes"`
	CheckpointBytes  int64      `json:"checkpoint_bytes"`
	Quarantined      int        `json:"quarantined_files"`
	QuarantinedBytes int64      `json:"quarantined_bytes"`
	Holder           string     `json:"holder,omitempty"` // the process that has it, or had it when it was killed
}

// newSpoolStat puts together what is known of a spool.
func newSpoolStat(dir string, s spool.Stat, settings *bridge.Settings, now time.Time) spoolStat {
	out := spoolStat{
		Dir: dir, Records: s.Records, First: uint64(s.First), End: uint64(s.End), Released: uint64(s.Released),
		Bytes: s.Bytes, Segments: s.Segments, FreeBytes: s.FreeBytes, CheckpointBytes: s.CheckpointBytes,
		Quarantined: s.Quarantined, QuarantinedBytes: s.QuarantinedBytes, Holder: s.Holder,
	}
	if settings != nil {
		out.MaxBytes = int64(settings.Config.Spool.MaxBytes)
	}
	if !s.OldestReceipt.IsZero() && s.Records > 0 {
		at := s.OldestReceipt.UTC()
		out.OldestReceipt = &at
		out.OldestAge = max(0, now.Sub(at).Seconds())
	}
	return out
}

// write prints the stat as a list of names and values.
func (s spoolStat) write(w io.Writer) error {
	t := &table{}
	add := func(name, format string, args ...any) { t.add(text(name), text(fmt.Sprintf(format, args...))) }
	add("directory", "%s", s.Dir)
	add("waiting", "%s", plural(s.Records, "record"))
	if s.OldestReceipt != nil {
		age := time.Duration(s.OldestAge * float64(time.Second)).Round(time.Second)
		add("oldest", "%s, %s ago", s.OldestReceipt.Format(time.RFC3339), age)
	}
	add("positions", "%d to %d, settled below %d", s.First, max(s.End, 1)-1, s.Released)
	if s.MaxBytes > 0 {
		add("on disk", "%s of %s, in %s", humanBytes(s.Bytes), humanBytes(s.MaxBytes), plural(int64(s.Segments), "segment"))
	} else {
		add("on disk", "%s, in %s", humanBytes(s.Bytes), plural(int64(s.Segments), "segment"))
	}
	add("checkpoint", "%s", humanBytes(s.CheckpointBytes))
	add("free on disk", "%s", humanBytes(s.FreeBytes))
	if s.Quarantined > 0 {
		add("quarantined", "%s, %s; see chatbridge spool verify", plural(int64(s.Quarantined), "file"), humanBytes(s.QuarantinedBytes))
	}
	holder := s.Holder
	if holder == "" {
		holder = "nobody"
	}
	add("in use by", "%s", holder)
	if s.Segments == 0 {
		add("note", "there is no segment here; is it the directory of a spool that was used?")
	}
	return t.write(w)
}

// plural is a number with its noun.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.FormatInt(n, 10) + " " + noun
}

// humanBytes is a size for people: 812 B, 1.5 KiB, 64.0 MiB.
func humanBytes(n int64) string {
	if n < int64(bridge.KiB) {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value /= 1024; value < 1024 {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + unit
}
