package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

func newSpoolVerifyCommand(env *environment) *cobra.Command {
	var (
		flags  spoolFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read the whole spool and check every checksum",
		Long: `Read the whole spool and check every checksum. A tail that was being written when
a process died is no damage: what it held was never answered.

The exit code is 1 where there is damage.`,
		Example: `  chatbridge spool verify -c chatbridge.yaml
  chatbridge spool verify --dir ./data/spool --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, _, err := flags.locate(env)
			if err != nil {
				return err
			}
			report, err := spool.Verify(cmd.Context(), dir)
			if err != nil {
				return spoolError(dir, err)
			}
			if asJSON {
				err = writeJSON(env.stdout, newReportJSON(report))
			} else {
				err = writeReport(env, report, dir)
			}
			if err == nil && report.Damaged() {
				err = errFinding
			}
			return err
		},
	}
	flags.register(cmd)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func newSpoolRepairCommand(env *environment) *cobra.Command {
	var (
		flags  spoolFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Replace damaged segments by what is good in them, and keep the originals",
		Long: `Replace damaged segments by what is good in them, and keep the originals beside
them. The bridge does the same when it starts; this command is for doing it without
starting. The bridge must not be running.`,
		Example: `  chatbridge spool verify -c chatbridge.yaml || chatbridge spool repair -c chatbridge.yaml`,
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			dir, _, err := flags.locate(env)
			if err != nil {
				return err
			}
			report, err := spool.Repair(dir)
			if err != nil {
				return spoolError(dir, err)
			}
			if asJSON {
				return writeJSON(env.stdout, newRepairJSON(report))
			}
			return writeRepair(env.stdout, report)
		},
	}
	flags.register(cmd)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// writeReport prints what Verify found, a line a segment.
func writeReport(env *environment, r spool.Report, dir string) error {
	t := newTable(env, env.stdout, text("SEGMENT"), number("FIRST"), number("LAST"), number("RECORDS"),
		number("BYTES"), text("STATE"))
	var records int64
	var damage []*spool.CorruptError
	for _, s := range r.Segments {
		records += s.Records
		damage = append(damage, s.Damage...)
		state := segmentState(s)
		last := "-"
		if s.End > s.First {
			last = strconv.FormatUint(uint64(s.End-1), 10)
		}
		t.add(text(s.Name), number(strconv.FormatUint(uint64(s.First), 10)), number(last),
			number(strconv.FormatInt(s.Records, 10)), number(strconv.FormatInt(s.Bytes, 10)), state)
	}
	if err := t.write(env.stdout); err != nil {
		return err
	}
	if r.Checkpoint.Damage != nil {
		damage = append(damage, r.Checkpoint.Damage)
	}
	for _, d := range damage {
		fmt.Fprintf(env.stdout, "damage: %v\n", d)
	}
	for _, name := range r.Others {
		fmt.Fprintf(env.stdout, "kept aside: %s\n", name)
	}
	if r.Damaged() {
		_, err := fmt.Fprintf(env.stdout, "%s: damaged; %s can be read. Stop the bridge and run: chatbridge spool repair --dir %s\n",
			dir, plural(records, "record"), dir)
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "%s: whole; %s in %s\n", dir, plural(records, "record"), plural(int64(len(r.Segments)), "segment"))
	return err
}

// lostIn counts the positions of a segment that have no good record, whether
// they are damaged now or were when it was repaired.
func lostIn(s spool.SegmentReport) int64 {
	return max(s.Lost, int64(s.End-s.First)-s.Records)
}

// segmentState is what a segment is like, in a few words.
func segmentState(s spool.SegmentReport) cell {
	lost := lostIn(s)
	switch {
	case len(s.Damage) > 0:
		return cell{text: fmt.Sprintf("damaged, %s lost", plural(lost, "position")), color: bad}
	case lost > 0:
		return cell{text: fmt.Sprintf("whole, %s lost before", plural(lost, "position")), color: uneasy}
	case s.TornBytes > 0 && s.Newest:
		return cell{text: "whole, tail of " + humanBytes(s.TornBytes) + " being written", color: good}
	case s.TornBytes > 0:
		return cell{text: "whole, torn tail of " + humanBytes(s.TornBytes), color: good}
	default:
		return cell{text: "whole", color: good}
	}
}

// writeRepair prints what Repair did.
func writeRepair(w io.Writer, r spool.RepairReport) error {
	if len(r.Rewritten)+len(r.Kept)+len(r.Removed) == 0 {
		_, err := fmt.Fprintln(w, "nothing to repair")
		return err
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"rewritten", r.Rewritten}, {"kept as it was", r.Kept}, {"removed, of no use", r.Removed}} {
		for _, name := range list.names {
			fmt.Fprintf(w, "%s: %s\n", list.what, name)
		}
	}
	_, err := fmt.Fprintf(w, "repaired; %s lost\n", plural(r.Lost, "position"))
	return err
}

// reportJSON is what spool verify --json prints.
type reportJSON struct {
	OK         bool           `json:"ok"`
	First      uint64         `json:"first_position"`
	End        uint64         `json:"end_position"`
	Segments   []segmentJSON  `json:"segments"`
	Checkpoint checkpointJSON `json:"checkpoint"`
	Others     []string       `json:"kept_aside"`
}

// segmentJSON is a segment in it.
type segmentJSON struct {
	Name      string       `json:"name"`
	First     uint64       `json:"first_position"`
	End       uint64       `json:"end_position"`
	Bytes     int64        `json:"bytes"`
	Records   int64        `json:"records"`
	Lost      int64        `json:"lost_positions"`
	TornBytes int64        `json:"torn_bytes"`
	Newest    bool         `json:"newest"`
	Damage    []damageJSON `json:"damage"`
}

// checkpointJSON is the checkpoint log in it.
type checkpointJSON struct {
	Bytes     int64       `json:"bytes"`
	Entries   int64       `json:"entries"`
	TornBytes int64       `json:"torn_bytes"`
	Damage    *damageJSON `json:"damage,omitempty"`
}

// damageJSON is where stored bytes are not what was stored.
type damageJSON struct {
	Offset int64  `json:"offset"`
	What   string `json:"what"`
}

// newReportJSON turns a report into what is printed of it.
func newReportJSON(r spool.Report) reportJSON {
	out := reportJSON{
		OK: !r.Damaged(), First: uint64(r.First), End: uint64(r.End),
		Segments: []segmentJSON{}, Others: append([]string{}, r.Others...),
		Checkpoint: checkpointJSON{Bytes: r.Checkpoint.Bytes, Entries: r.Checkpoint.Entries, TornBytes: r.Checkpoint.TornBytes},
	}
	if d := r.Checkpoint.Damage; d != nil {
		out.Checkpoint.Damage = &damageJSON{Offset: d.Offset, What: d.Err.Error()}
	}
	for _, s := range r.Segments {
		segment := segmentJSON{
			Name: s.Name, First: uint64(s.First), End: uint64(s.End), Bytes: s.Bytes, Records: s.Records,
			Lost: lostIn(s), TornBytes: s.TornBytes, Newest: s.Newest, Damage: []damageJSON{},
		}
		for _, d := range s.Damage {
			segment.Damage = append(segment.Damage, damageJSON{Offset: d.Offset, What: d.Err.Error()})
		}
		out.Segments = append(out.Segments, segment)
	}
	return out
}

// repairJSON is what spool repair --json prints.
type repairJSON struct {
	Rewritten []string `json:"rewritten"`
	Kept      []string `json:"kept"`
	Removed   []string `json:"removed"`
	Lost      int64    `json:"lost_positions"`
}

// newRepairJSON turns a report into what is printed of it.
func newRepairJSON(r spool.RepairReport) repairJSON {
	return repairJSON{
		Rewritten: append([]string{}, r.Rewritten...), Kept: append([]string{}, r.Kept...),
		Removed: append([]string{}, r.Removed...), Lost: r.Lost,
	}
}
