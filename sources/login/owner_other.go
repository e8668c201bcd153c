//go:build !unix

package login

import (
	"io/fs"
	"os"
)

func giveTo(*os.File, fs.FileInfo) error { return nil }
