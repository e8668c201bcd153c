//go:build !unix

package drop

import "os"

// inode tells a file from another of the same name, where the system has such a number.
func inode(os.FileInfo) uint64 { return 0 }
