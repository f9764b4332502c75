//go:build !linux

package integration

import "os/exec"

// dieWithParent is for Linux only; elsewhere a killed test run leaves its
// children behind.
func dieWithParent(*exec.Cmd) {}
