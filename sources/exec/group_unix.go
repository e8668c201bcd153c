//go:build unix

package exec

import (
	"io/fs"
	"os"
	"syscall"
)

// ownGroup makes a program the head of a process group, so that what it starts can be ended with it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// terminate asks the group to end.
func terminate(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGTERM) }

// kill ends the group. A group that is gone already is no error: its number is not given away again so soon.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func runnable(info fs.FileInfo) bool { return info.Mode().Perm()&0o111 != 0 }
