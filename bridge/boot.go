package bridge

import (
	"crypto/rand"
	"os"
	"strings"
)

// bootFile has an id that Linux draws at each boot (proc(5)). All containers of
// a machine see the same.
const bootFile = "/proc/sys/kernel/random/boot_id"

// bootID tells one boot of the machine from another. Where the system does not
// tell, each process counts as a boot of its own: that is slower after a crash,
// and never wrong.
func bootID() string {
	if id, err := os.ReadFile(bootFile); err == nil {
		return strings.TrimSpace(string(id))
	}
	return rand.Text()
}
