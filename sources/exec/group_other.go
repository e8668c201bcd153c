//go:build !unix

package exec

import (
	"io/fs"
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// terminate ends the program: there is no way to ask.
func terminate(p *os.Process) { _ = p.Kill() }

func kill(p *os.Process) { _ = p.Kill() }

func runnable(fs.FileInfo) bool { return true }
