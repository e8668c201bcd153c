//go:build unix

package login

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo makes the owner of something the owner of a file. Only root can, and only root has to: whoever else may replace a
// file can read it afterwards.
func giveTo(file *os.File, owner fs.FileInfo) error {
	stat, ok := owner.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return file.Chown(int(stat.Uid), int(stat.Gid))
}
