//go:build unix

package drop

import (
	"os"
	"syscall"
)

// inode tells a file from another of the same name.
func inode(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}
