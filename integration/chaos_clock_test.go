package integration

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A clock that is set while the program runs. The machine's own is everybody's,
// and a Go program asks the kernel for the time without a call that could be
// intercepted. So the program is built with a standard library in which time.Now
// adds what it finds in a file: the wall clock jumps, the monotonic one goes on,
// as when an operator or NTP sets the time.

func clockJumps() hazard {
	return hazard{
		name: "clock", least: 5,
		how: "the program's wall clock set an hour ahead or back while it runs, then right again; a part with a kill -9 in the wrong time " +
			"(built with a time.Now that can be moved)",
		scenes: []scene{
			{name: "Retrying", on: ground{nodes: 1}, sends: sendsAgain, part: 1, open: onItsOwnTime, kinds: []kind{
				{"ahead", jump(time.Hour, false)}, {"back", jump(-time.Hour, false)},
				{"ahead, killed", jump(time.Hour, true)}, {"back, killed", jump(-time.Hour, true)},
			}},
		},
	}
}

// clockVariable names the file with the offset, for a program that has its own time.
const clockVariable = "CHATBRIDGE_TEST_CLOCK"

// onItsOwnTime gives the bridge a clock that can be moved. Its callbacks are not
// signed: a signature's time would be wrong by an hour, and is refused then.
func onItsOwnTime(s *stage) {
	s.bridge = newBridge(s.t, s.kafka, s.settings()...)
	text, err := os.ReadFile(s.bridge.config)
	s.must(err)
	unsigned := strings.Replace(string(text), `tokens: ["`+appToken+`"]`, "tokens: []", 1)
	s.must(os.WriteFile(s.bridge.config, []byte(unsigned), 0o600))
	s.sends = []string{"--token", ""}
	s.clock = filepath.Join(newDir(s.t, "clock"), "offset")
	s.must(os.WriteFile(s.clock, make([]byte, os.Getpagesize()), 0o600))
	s.bridge.binary = movableClock(s.t)
	s.bridge.env = []string{clockVariable + "=" + s.clock}
}

// setClock moves the bridge's clock.
func (s *stage) setClock(offset time.Duration) {
	s.t.Helper()
	f, err := os.OpenFile(s.clock, os.O_WRONLY, 0)
	s.must(err)
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(offset/time.Second)), 0)
	s.must(err)
	s.must(f.Close())
}

func jump(by time.Duration, killed bool) func(*stage, turn) {
	return func(s *stage, u turn) {
		s.flows()
		hold(u.between(0, 0, 500*time.Millisecond))
		s.setClock(by)
		s.flows()
		hold(u.between(1, 0, time.Second))
		if killed {
			s.bridge.kill()
			s.bridge.start()
			s.bridge.ready()
			hold(u.between(2, 0, 300*time.Millisecond))
		}
		s.setClock(0)
		s.flows()
		hold(u.between(3, 0, time.Second))
		if killed {
			s.bridge.kill()
			s.bridge.start()
			s.flows()
		}
	}
}

// The change to time.Now: offset is a page of memory that is the file.
const (
	ownNow   = "	sec, nsec, mono := runtimeNow()\n	if mono == 0 {"
	movedNow = "	sec, nsec, mono := runtimeNow()\n	sec += offset()\n	if mono == 0 {"

	offsetSource = `
var (
	offsetOnce sync.Once
	offsetPage *int64
)

func offset() int64 {
	offsetOnce.Do(func() {
		name, ok := syscall.Getenv("` + clockVariable + `")
		if !ok {
			return
		}
		fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
		if err != nil {
			return
		}
		if page, err := syscall.Mmap(fd, 0, syscall.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED); err == nil {
			offsetPage = (*int64)(unsafe.Pointer(&page[0]))
		}
	})
	if offsetPage == nil {
		return 0
	}
	return *offsetPage
}
`
)

// movableClock builds the program with a clock that can be moved.
func movableClock(t testing.TB) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	if strings.Count(text, ownNow) != 1 {
		t.Fatalf("time.Now in %s is not as it was: the change in this test must be made anew", own)
	}
	text = strings.Replace(text, ownNow, movedNow, 1) + offsetSource
	text = strings.Replace(text, "import (", "import (\n\t\"sync\"\n\t\"syscall\"\n\t\"unsafe\"\n", 1)
	dir := t.TempDir()
	moved, overlay, to := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "chatbridge")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{own: moved}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{moved: []byte(text), overlay: replace} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", to, "../cmd/chatbridge").CombinedOutput(); err != nil {
		t.Fatalf("build the program with a clock that can be moved: %v\n%s", err, out)
	}
	return to
}
