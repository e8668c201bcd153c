//go:build !linux

package sql_test

import "syscall"

// child runs a server as somebody else.
func child(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who}
}
