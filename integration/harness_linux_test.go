package integration

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel end the child when the tests are killed, as by
// go test's own timeout.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
