package sql_test

import "syscall"

// child runs a server as somebody else, and lets it end with the tests, however they end.
func child(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGKILL}
}
