package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// How fast a disk should make a callback durable. The sender waits two seconds,
// and a callback at most for the group before its own and its own.
const (
	slowSync    = 25 * time.Millisecond
	hopelessly  = 500 * time.Millisecond
	probeWithin = 2 * time.Second
	// leastForProbe is far more than the probe takes: the last room is the spool's.
	leastForProbe = 32 << 20
)

// disk looks at where the spool lies: may it be written, is there room, how fast
// is it.
func (d *doctor) disk(ctx context.Context) {
	dir := filepath.Clean(d.cfg.Spool.Dir)
	place, err := spool.LookAt(dir)
	if err == nil && !place.Exists {
		err = tryFolder(place.Beside)
	}
	if err != nil {
		d.fail("spool", "the spool cannot be written: %v", err).
			do("give spool.dir (%s) to the user that serve runs as, or name another directory", dir)
		return
	}
	stat := d.spool(dir, place)
	d.room(dir, place, stat)
	d.speed(ctx, place)
}

// tryFolder makes a folder in dir, and removes it: not each file system that may be
// written to, as far as its rights say, takes one.
func tryFolder(dir string) error {
	name, err := os.MkdirTemp(dir, ".chatbridge-doctor-*")
	if err != nil {
		return err
	}
	return os.Remove(name)
}

// unsettled counts the records that wait in the spool for a bridge; 0 where that
// cannot be read, which is said of the spool.
func (d *doctor) unsettled() int64 {
	dir := filepath.Clean(d.cfg.Spool.Dir)
	stat, err := spool.Inspect(dir)
	if err != nil || settleStat(dir, &stat) != nil {
		return 0
	}
	return stat.Records
}

// spool looks at the spool itself.
func (d *doctor) spool(dir string, place spool.Place) (stat spool.Stat) {
	if !place.Exists {
		d.ok("spool", "%s is not there yet; serve makes it", dir)
		return stat
	}
	stat, err := spool.Inspect(dir)
	switch {
	case err != nil:
		d.fail("spool", "%v", err).do("run chatbridge spool verify")
	case stat.Quarantined > 0:
		d.warn("spool", "%s of damage kept aside, %s", plural(int64(stat.Quarantined), "file"), humanBytes(stat.QuarantinedBytes)).
			do("run chatbridge spool verify; the runbook says more")
	default:
		d.ok("spool", "%s can be written, and has %s in %s", dir, humanBytes(stat.Bytes), plural(int64(stat.Segments), "segment"))
	}
	return stat
}

// room compares the free space with what the spool may take.
func (d *doctor) room(dir string, place spool.Place, stat spool.Stat) {
	free, least := place.FreeBytes, int64(d.cfg.Spool.MinFree)
	wants := max(int64(d.cfg.Spool.MaxBytes)-stat.Bytes, 0)
	switch {
	case free <= least:
		d.fail("room", "%s are free, and spool.min_free keeps %s: callbacks are refused", humanBytes(free), humanBytes(least)).
			do("free room on the volume of %s, or lower spool.min_free", dir)
	case free-least < wants:
		d.warn("room", "%s are free; with spool.min_free (%s) the spool cannot grow to spool.max_bytes (%s)",
			humanBytes(free), humanBytes(least), humanBytes(int64(d.cfg.Spool.MaxBytes))).
			do("use a larger volume, or lower spool.max_bytes to what there is: it is how long Kafka may be away")
	default:
		d.ok("room", "%s are free, %s more than the spool may take", humanBytes(free), humanBytes(free-least-wants))
	}
}

// speed measures how long a small write takes to be durable.
func (d *doctor) speed(ctx context.Context, place spool.Place) {
	if place.OtherVolume {
		d.warn("disk speed", "not measured: spool.dir is itself where a volume is mounted, and nothing is written into a spool but by its bridge").
			do("name a folder of the volume; what is kept beside the spool is then on the volume as well")
		return
	}
	if place.FreeBytes < leastForProbe {
		d.warn("disk speed", "not measured: there is too little room, and the spool is to have it").do("free room first")
		return
	}
	speed, err := spool.Probe(ctx, place.Beside, probeWithin)
	if err != nil {
		d.warn("disk speed", "not measured: %v", err).
			do("let the user that serve runs as write to %s: dead letters that are too large for their topic are kept there", place.Beside)
		return
	}
	found := "99 of 100 small writes were durable within " + shortDuration(speed.P99) + ", half of them within " +
		shortDuration(speed.Median) + ", the worst in " + shortDuration(speed.Worst) + " (" + plural(int64(speed.Syncs), "write") + ")"
	switch {
	case speed.P99 > hopelessly:
		d.fail("disk speed", "%s; the sender waits 2 s", found).do("put spool.dir on a local disk")
	case speed.P99 > slowSync:
		d.warn("disk speed", "%s; each answer takes about as long", found).do("put spool.dir on a faster disk, or on one with less to do")
	default:
		d.ok("disk speed", "%s", found)
	}
}
