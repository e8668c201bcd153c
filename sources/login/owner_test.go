//go:build unix

package login_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A plan that root runs must not take the refresh token away from the daemon: the file belongs to whom the folder, or the
// file before it, belongs.
func TestATokenFileStaysWithItsOwner(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	owner := os.Geteuid()
	if owner == 0 {
		owner = 65534
	}
	if err := os.Chown(h.dir, owner, -1); err != nil {
		t.Fatal(err)
	}
	s := h.source(t, refreshBlock, address, `token_file = "oauth.json"`)
	for range 2 {
		h.want(t, s, "1")
		p.revoke()
		info, err := os.Stat(filepath.Join(h.dir, "oauth.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; int(got) != owner {
			t.Errorf("the file belongs to %d, want %d", got, owner)
		}
		if err := os.Chown(h.dir, os.Geteuid(), -1); err != nil { // from now on it goes by the file
			t.Fatal(err)
		}
	}
}
