package integration

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Disks that fill up, can't be written to, and fail. Each spool is on a file
// system of its own, in memory.

func badDisk() hazard {
	return hazard{
		name: "disk", least: 10,
		how: "a tmpfs that is filled up while Kafka is away, and emptied; a tmpfs that is mounted read-only, and back; " +
			"ext4 on a block device that fails to write, so that fsync fails and what was written is gone " +
			"(a loop device on a full tmpfs; bridge/spool's TestDiskErrorAtEveryCall has EIO at each call)",
		scenes: []scene{
			{
				name: "Tmpfs", on: ground{nodes: 1}, sends: sendsAgain, part: 6, gates: true, open: onTmpfs, also: canMount,
				kinds: []kind{{"full", fillDisk}, {"read-only", mountReadOnly}},
			},
			{
				name: "Device", on: ground{nodes: 1}, sends: sendsOnce, part: 4, gates: true, open: onDevice, also: canMakeDevices,
				kinds: []kind{{"fails to write", failDisk}},
			},
		},
	}
}

// canMount says why this machine cannot mount file systems.
func canMount(t testing.TB) string {
	dir := newDir(t, "mount")
	if err := command("mount", "-t", "tmpfs", "-o", "size=1m", "chatbridge-test", dir); err != nil {
		return err.Error()
	}
	if err := command("umount", dir); err != nil {
		return err.Error()
	}
	return ""
}

// canMakeDevices says why this machine cannot make block devices either.
func canMakeDevices(t testing.TB) string {
	for _, name := range []string{"mkfs.ext4", "e2fsck", "losetup"} {
		if _, err := exec.LookPath(name); err != nil {
			return err.Error()
		}
	}
	if err := command("losetup", "-f"); err != nil {
		return err.Error()
	}
	return canMount(t)
}

// command carries out one command of the system.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// tmpfs mounts a file system of so many MiB, and returns where.
func (s *stage) tmpfs(name string, size int) string {
	s.t.Helper()
	dir := newDir(s.t, name)
	s.must(command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", size), "chatbridge-test", dir))
	s.t.Cleanup(func() { unmount(s.t, dir) })
	return dir
}

func unmount(t testing.TB, dir string) {
	if err := command("umount", dir); err != nil {
		t.Error(err)
	}
}

// spoolMiB is the disk of a spool of the smallest size.
const spoolMiB = 320

// onTmpfs gives the bridge a spool on a small disk.
func onTmpfs(s *stage) {
	s.disk = s.tmpfs("disk", spoolMiB)
	s.bridge = newBridge(s.t, s.kafka, append(s.settings(), "spool.max_bytes=256MiB", "spool.dir="+filepath.Join(s.disk, "spool"))...)
}

// onDevice gives the bridge a spool on ext4 on a device that is in a file on a
// tmpfs. The device is larger than what the tmpfs holds.
func onDevice(s *stage) {
	s.disk = s.tmpfs("device", spoolMiB)
	device := filepath.Join(s.disk, "device")
	f, err := os.Create(device)
	s.must(err)
	s.must(f.Truncate(2 * spoolMiB << 20))
	s.must(f.Close())
	s.must(command("mkfs.ext4", "-q", "-F", "-E", "nodiscard", device))
	s.spoolDisk = newDir(s.t, "disk")
	s.must(s.mountDevice())
	s.t.Cleanup(func() { unmount(s.t, s.spoolDisk) })
	s.bridge = newBridge(s.t, s.kafka, append(s.settings(), "spool.max_bytes=256MiB", "spool.dir="+filepath.Join(s.spoolDisk, "spool"))...)
}

func (s *stage) mountDevice() error {
	return command("mount", "-o", "loop", filepath.Join(s.disk, "device"), s.spoolDisk)
}

// refuses waits until the bridge says that it cannot store.
func (s *stage) refuses() {
	s.t.Helper()
	eventually(s.t, "the spool refuses", func() error { return s.bridge.probe("/readyz", http.StatusServiceUnavailable) })
}

// ballast takes all of a disk but so many bytes.
func (s *stage) ballast(leave int64) (remove func()) {
	s.t.Helper()
	name := filepath.Join(s.disk, "ballast")
	f, err := os.Create(name)
	s.must(err)
	written, _ := io.Copy(f, zeros{}) // until the disk is full
	s.must(f.Truncate(max(0, written-leave)))
	s.must(f.Close())
	return func() { s.must(os.Remove(name)) }
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// fillDisk takes Kafka away and fills the disk; half of the time the bridge is
// killed meanwhile and has to start on the full disk.
func fillDisk(s *stage, u turn) {
	s.flows()
	for _, g := range s.gates {
		g.passage.cut()
	}
	hold(u.between(0, 0, time.Second))
	remove := s.ballast(int64(u.pick(1, 16<<20)))
	s.refuses()
	hold(u.between(2, 0, time.Second))
	if u.luck[3] < 0.5 {
		s.bridge.kill()
		s.bridge.start()
		hold(u.between(2, 0, time.Second))
	}
	for _, g := range s.gates {
		g.passage.open()
	}
	hold(u.between(0, 0, time.Second))
	remove()
	s.startedAgain()
}

// mountReadOnly makes the disk read-only under a bridge that starts: the kernel
// does it under nobody who has files open.
func mountReadOnly(s *stage, u turn) {
	s.flows()
	hold(u.between(0, 0, 500*time.Millisecond))
	s.bridge.kill()
	s.must(command("mount", "-o", "remount,ro", s.disk))
	s.bridge.start()
	eventually(s.t, "the bridge refuses a read-only disk", func() error {
		if !s.bridge.alive() {
			return nil
		}
		return s.bridge.probe("/readyz", http.StatusServiceUnavailable)
	})
	hold(u.between(1, 0, 500*time.Millisecond))
	s.must(command("mount", "-o", "remount,rw", s.disk))
	s.startedAgain()
}

// failDisk has the device fail for a while. A file system that gave up is checked
// and mounted anew, as an operator would do.
func failDisk(s *stage, u turn) {
	s.flows()
	hold(u.between(0, 0, 500*time.Millisecond))
	remove := s.ballast(0)
	s.refuses()
	hold(u.between(1, 0, 2*time.Second))
	remove()
	eventually(s.t, "the bridge stores again, or its file system has given up", func() error {
		if gaveUp(s.spoolDisk) || !s.bridge.alive() {
			return nil
		}
		return s.bridge.probe("/readyz", http.StatusOK)
	})
	if gaveUp(s.spoolDisk) {
		s.bridge.kill()
		s.must(command("umount", s.spoolDisk))
		_ = command("e2fsck", "-fy", filepath.Join(s.disk, "device")) // it ends with 1 where it mended something
		s.must(s.mountDevice())
	}
	s.startedAgain()
}

// startedAgain starts a bridge that could not start, or has ended, and waits until
// records flow.
func (s *stage) startedAgain() {
	s.t.Helper()
	eventually(s.t, "the bridge is ready again", func() error {
		if !s.bridge.alive() {
			s.t.Logf("serve had ended: %s", tail(s.bridge.log, 3))
			s.bridge.start()
			return errors.New("it was started")
		}
		return s.bridge.probe("/readyz", http.StatusOK)
	})
	s.flows()
}

// gaveUp reports whether a file system has become read-only by itself.
func gaveUp(dir string) bool {
	name := filepath.Join(dir, "probe")
	err := os.WriteFile(name, nil, 0o600)
	if err == nil {
		err = os.Remove(name)
	}
	return err != nil
}
