//go:build !cgo

package sqlite

// The SQLite driver is C. Without cgo it would build all the same and fail only when the store is opened, so the build
// fails here, with the words the compiler prints being the message.
var _ = hookbridge_needs_cgo__install_gcc_and_build_with_CGO_ENABLED_1
